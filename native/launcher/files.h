/* Small things done to files on the host: folders with their parents, a whole tree removed. */
#ifndef WHERRY_FILES_H
#define WHERRY_FILES_H

#include <stddef.h>
#include <sys/types.h>

/* Makes a directory with its missing parents (these 0755); one that exists is left. The umask must be 0. errno set on -1. */
int files_make_folders(const char *path, mode_t mode);

/* Removes a folder and all in it; follows no symbolic link, opens what the owner locked, stays on nothing that fails.
   errno of the first failure on -1; what could be removed is gone. */
int files_remove_tree(const char *path);

/* The same of what an open folder has, whatever it is. */
int files_remove_at(int folder, const char *name);

/* Removes what is in an open folder that was not read yet, as files_remove_tree(). */
int files_empty(int folder);

/* Writes a whole new file by way of a temporary name beside it (PATH.new). */
int files_replace(const char *path, const char *bytes, size_t length);

#endif
