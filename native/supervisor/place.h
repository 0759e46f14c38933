/* Where a call's file is: a directory and a path from it that lead us to the same file as the caller, walked by the
 * kernel in the container's own mounts. Links of /proc/self, which would mean us, are read as the caller's; where they are
 * met further on the way, the place is not ours to open.
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
    size_t start;    /* so much of `path` names one of the caller's own files, below /proc */
    bool other_root; /* we are in the caller's root, and must come back */
    char path[PLACE_ROOM];
};

/* The file of a descriptor, or of a path below one; `flags` are AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH. 0, or -errno.
   place_leave() in either case. */
int place_of_file(const struct call *call, uint64_t file, struct place *place);
int place_of_path(const struct call *call, uint64_t folder, uint64_t text, int flags, struct place *place);
void place_leave(const struct call *call, struct place *place);

/* A descriptor of the file (O_PATH), or -errno; the caller still waited after it was opened. ANSWER_PASS where the way
   leads through a link that the kernel made (those of /proc/PID: they would be ours) or to a file of procfs. */
int place_open(const struct call *call, struct place *place);

/* The same from a descriptor, without asking whether the caller waits. */
int place_walk(int folder, const char *path, int flags);

/* The folder that the path's last part is in, as place_open(), and that part (within `place`). -EEXIST where there is
   no such part (a path that ends in "/", "." or ".."). */
int place_open_parent(const struct call *call, struct place *place, const char **name);

/* Cuts a path into a folder (empty: the one it starts from) and a last part; false where that is none. */
bool place_split(char *path, const char **folder, const char **name);

#endif
