/* The list of what the image's layers say of files that differ from what an unpacked layer shows on disk.
 *
 * Made by wherry.image (owners_of): for each file five or more texts, each ended by a zero byte: path below the root,
 * owner (owner.h), number of attributes, then name and value of each, the value in hexadecimal digits.
 */
#ifndef SUPERVISOR_LOWER_H
#define SUPERVISOR_LOWER_H

#include <stdbool.h>
#include <stddef.h>

#include "owner.h"
#include "known.h"

struct lower {
    char *bytes; /* with a zero byte behind them */
    size_t size, at;
};

/* Reads the whole file; false with errno set. An empty path: nothing. */
bool lower_open(struct lower *lower, const char *path);

/* The next file. Attributes are allocated, and stay. 1, 0 at the end, -1 when the list is broken or memory short. */
int lower_next(struct lower *lower, const char **path, struct owner *owner, struct foreign **foreign);

#endif
