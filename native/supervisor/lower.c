#include "lower.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTRIBUTES_MOST = 4096 };

bool lower_open(struct lower *lower, const char *path) {
    struct stat found;
    *lower = (struct lower){0};
    if (*path == 0) return true;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    bool done = fstat(file, &found) == 0 && (lower->bytes = calloc((size_t)found.st_size + 1, 1)) != NULL;
    while (done && lower->size < (size_t)found.st_size) {
        ssize_t n = read(file, lower->bytes + lower->size, (size_t)found.st_size - lower->size);
        if (n <= 0) break;
        lower->size += (size_t)n;
    }
    close(file);
    return done;
}

static char *next_text(struct lower *lower) {
    char *text = lower->bytes + lower->at;
    char *end = lower->at >= lower->size ? NULL : memchr(text, 0, lower->size - lower->at);
    if (end == NULL) return NULL;
    lower->at = (size_t)(end - lower->bytes) + 1;
    return text;
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place: the value needs half the room of its digits. -1 when they are none. */
static long unhex(char *text) {
    size_t length = strlen(text);
    if (length % 2 != 0) return -1;
    for (size_t i = 0; i < length / 2; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return -1;
        text[i] = (char)(high << 4 | low);
    }
    return (long)(length / 2);
}

static bool next_foreign(struct lower *lower, struct foreign **foreign) {
    const char *name = next_text(lower);
    char *value = next_text(lower);
    long length = name == NULL || value == NULL ? -1 : unhex(value);
    struct foreign *made = length < 0 ? NULL : malloc(sizeof *made);
    if (made == NULL) return false;
    *made = (struct foreign){name, value, (uint32_t)length, *foreign};
    *foreign = made;
    return true;
}

int lower_next(struct lower *lower, const char **path, struct owner *owner, struct foreign **foreign) {
    *foreign = NULL;
    if (lower->at >= lower->size) return 0;
    *path = next_text(lower);
    const char *text = next_text(lower), *count = next_text(lower);
    if (*path == NULL || text == NULL || count == NULL || !owner_read(text, strlen(text), owner)) return -1;
    unsigned long left = strtoul(count, NULL, 10);
    if (left > ATTRIBUTES_MOST) return -1;
    while (left-- > 0)
        if (!next_foreign(lower, foreign)) return -1;
    return 1;
}
