/* What a caller who is not root may do to files of the root's own file system: to the kernel it is root, and may do all. Files of
 * other mounts (what the start shows: secrets, caches, devices) are left to it. Each answer is 0 or -errno.
 */
#ifndef SUPERVISOR_JUDGING_H
#define SUPERVISOR_JUDGING_H

#include "caller.h"

/* Whether its calls are to be judged, and who it is. */
bool judging_needed(const struct call *call, const struct person **person);

/* Bits of 4 (read), 2 (write), 1 (execute, search) of an open file, and searching all folders on the way to it. -EACCES. */
int judging_use(const struct call *call, const struct person *person, int file, unsigned wanted);

/* Taking a name out of a folder, or giving it to something else. -EACCES, or -EPERM where others' names stay (sticky). */
int judging_remove(const struct call *call, const struct person *person, int folder, const char *name);

#endif
