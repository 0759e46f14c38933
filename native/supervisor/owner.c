#include "owner.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A number up to `most`, then `end` (0: the text's end). NULL when there is none. */
static const char *number(const char *at, const char *stop, unsigned base, uint64_t most, char end, uint32_t *value) {
    uint64_t sum = 0;
    const char *start = at;
    for (; at != NULL && at < stop && *at >= '0' && *at < (char)('0' + base); at++)
        if ((sum = sum * base + (uint64_t)(*at - '0')) > most) return NULL;
    if (at == NULL || at == start) return NULL;
    *value = (uint32_t)sum;
    if (at == stop) return end == 0 ? at : NULL;
    return end != 0 && *at == end ? at + 1 : NULL;
}

bool owner_read(const char *text, size_t length, struct owner *owner) {
    const char *stop = text + length;
    struct owner read = {0};
    const char *at = number(text, stop, 10, UINT32_MAX - 1, ':', &read.uid);
    at = number(at, stop, 10, UINT32_MAX - 1, ':', &read.gid);
    const char *colon = at == NULL ? NULL : memchr(at, ':', (size_t)(stop - at));
    at = number(at, stop, 8, 07777, colon == NULL ? 0 : ':', &read.mode);
    if (at == NULL) return false;
    if (colon != NULL) {
        if (stop - at < 3 || (*at != 'c' && *at != 'b') || at[1] != ':') return false;
        read.kind = *at;
        at = number(at + 2, stop, 10, UINT32_MAX, ':', &read.major);
        if (number(at, stop, 10, UINT32_MAX, 0, &read.minor) == NULL) return false;
    }
    *owner = read;
    return true;
}

size_t owner_write(const struct owner *owner, char text[OWNER_TEXT]) {
    int used = snprintf(text, OWNER_TEXT, "%u:%u:%04o", owner->uid, owner->gid, owner->mode);
    if (owner->kind != 0)
        used += snprintf(text + used, OWNER_TEXT - (size_t)used, ":%c:%u:%u", owner->kind, owner->major, owner->minor);
    return (size_t)used;
}

struct owner owner_given(struct owner before, uint32_t uid, uint32_t gid, bool is_folder) {
    if (uid != (uint32_t)OWNER_KEEP) before.uid = uid;
    if (gid != (uint32_t)OWNER_KEEP) before.gid = gid;
    if (is_folder) return before;
    before.mode &= ~(uint32_t)S_ISUID;
    if ((before.mode & S_IXGRP) != 0) before.mode &= ~(uint32_t)S_ISGID; /* without it the bit once meant locking */
    return before;
}

bool owner_allows(const struct owner *owner, bool is_owner, bool in_group, unsigned wanted) {
    unsigned bits = owner->mode >> (is_owner ? 6 : in_group ? 3 : 0);
    return (wanted & ~bits & 7) == 0;
}

uint32_t owner_written(uint32_t noted, mode_t disk) {
    uint32_t now = disk & 07777, special = S_ISUID | S_ISGID;
    bool lost = S_ISREG(disk) && (noted & ~special) == (now & ~special) && (now & special & ~noted) == 0;
    return lost ? noted : now;
}

mode_t owner_mode(const struct owner *owner, mode_t disk) {
    if (S_ISLNK(disk)) return disk; /* has none but that */
    mode_t kind = owner->kind == 'c' ? S_IFCHR : owner->kind == 'b' ? S_IFBLK : disk & S_IFMT;
    return kind | (mode_t)owner->mode;
}
