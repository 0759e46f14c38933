/* Where a call's file is: a directory and a path from it that lead us to the same file as the caller, walked by the
 * kernel in the container's own mounts. Links of /proc/self, which would mean us, are read as the caller's.
 */
#ifndef SUPERVISOR_PLACE_H
#define SUPERVISOR_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "world.h"

enum { PLACE_ROOM = PATH_MAX + 64 };

struct place {
    int folder;      /* what `path` starts from */
    int flags;       /* AT_SYMLINK_NOFOLLOW or 0; AT_EMPTY_PATH with an empty path */
    int opened;      /* to close, or -1 */
    bool other_root; /* we are in the caller's root, and must come back */
    char path[PLACE_ROOM];
};

/* The file of a descriptor, or of a path below one; `flags` are AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH. 0, or -errno.
   place_leave() in either case. */
int place_of_file(const struct call *call, uint64_t file, struct place *place);
int place_of_path(const struct call *call, uint64_t folder, uint64_t text, int flags, struct place *place);
void place_leave(const struct call *call, struct place *place);

/* A descriptor of the file (O_PATH), or -errno; the caller still waited after it was opened. */
int place_open(const struct call *call, const struct place *place);

/* The folder that the path's last part is in, as place_open(), and that part (within `place`). -EEXIST where there is
   no such part (a path that ends in "/", "." or ".."). */
int place_open_parent(const struct call *call, struct place *place, const char **name);

#endif
