#include "slots.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *own_path(char path[PATH_MAX]) {
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return path;
}

static const char *slot_value(const struct slots *slots, char slot, char path[PATH_MAX], size_t *length) {
    const char *value = slot == SLOT_SCRATCH ? slots->scratch
                        : slot == SLOT_CWD   ? slots->cwd
                        : slot == SLOT_SELF  ? own_path(path)
                        : slot == SLOT_START ? slots->directory
                        : slot == SLOT_MOUNT ? slots->mount
                                             : slots->id;
    if (value == NULL || *value == 0) {
        errno = ENOTSUP;
        return NULL;
    }
    *length = slot == SLOT_SHORT_ID ? SLOT_SHORT_DIGITS : strlen(value);
    return value;
}

/* `text` with the slot byte at `at` replaced. */
static const char *fill_at(const struct slots *slots, const char *text, size_t at) {
    char path[PATH_MAX];
    size_t length, rest = strlen(text + at + 1);
    const char *value = slot_value(slots, text[at], path, &length);
    if (value == NULL) return NULL;
    char *filled = malloc(at + length + rest + 1);
    if (filled == NULL) return NULL;
    memcpy(filled, text, at);
    memcpy(filled + at, value, length);
    memcpy(filled + at + length, text + at + 1, rest + 1);
    return filled;
}

bool slots_present(const char *text) { return *text >= SLOT_SCRATCH && *text <= SLOT_MOUNT; }

const char *slots_fill(const struct slots *slots, const char *text) {
    return slots_present(text) ? fill_at(slots, text, 0) : text;
}

const char *slots_fill_value(const struct slots *slots, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || !slots_present(equals + 1)) return assignment;
    return fill_at(slots, assignment, (size_t)(equals + 1 - assignment));
}

const char *slots_fill_all(const struct slots *slots, const char *text) {
    for (size_t at = 0; text[at] != 0;) {
        if (!slots_present(text + at)) {
            at++;
            continue;
        }
        size_t before = strlen(text);
        text = fill_at(slots, text, at);
        if (text == NULL) return NULL;
        at += strlen(text) + 1 - before; /* behind the value: a value has no slots */
    }
    return text;
}
