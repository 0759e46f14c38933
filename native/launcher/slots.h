/* Slots: what a plan leaves open, because it differs from start to start.
 *
 * A text whose first byte is 1 to 7 has that byte replaced by the scratch folder, the current directory, the container's
 * id, the id's first 12 digits, our own path, the directory that the command starts in, or the folder of the image's mount; in NAME=value texts (ENV_SET)
 * the byte after the first `=` counts too.
 */
#ifndef WHERRY_SLOTS_H
#define WHERRY_SLOTS_H

#include <stdbool.h>

enum { SLOT_SCRATCH = 1, SLOT_CWD = 2, SLOT_ID = 3, SLOT_SHORT_ID = 4, SLOT_SELF = 5, SLOT_START = 6, SLOT_MOUNT = 7 };
enum { SLOT_ID_DIGITS = 64, SLOT_SHORT_DIGITS = 12 };

struct slots {
    char id[SLOT_ID_DIGITS + 1];
    const char *scratch; /* NULL while there is none */
    const char *cwd;
    const char *directory; /* what CWD says */
    const char *mount;     /* what MOUNTED says, or NULL */
};

/* The text itself when it has no slot, else a new string that lives until the process ends (a start frees nothing).
   NULL with errno set when memory is short or the slot has no value (ENOTSUP). */
const char *slots_fill(const struct slots *slots, const char *text);
const char *slots_fill_value(const struct slots *slots, const char *assignment);
/* Slots anywhere in the text. */
const char *slots_fill_all(const struct slots *slots, const char *text);

/* Whether the text needs filling at all. */
bool slots_present(const char *text);

#endif
