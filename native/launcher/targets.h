/* Mount points inside the new root, made when missing. The process's root must be the container's, so that symbolic links
   of an image lead nowhere else. */
#ifndef WHERRY_TARGETS_H
#define WHERRY_TARGETS_H

#include <stdbool.h>

/* Makes an empty file or a directory, with parents (0755). A symbolic link is followed, and what a dangling one names is
   made. An existing target is left; -1 with errno. */
int target_make(const char *path, bool folder);

int target_make_parents(const char *path);

#endif
