#include "copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define SHARE_BLOCKS 0x40049409 /* FICLONE, ioctl_ficlone(2) */

enum { CHUNK = 64 << 10 };

int copy_check_sources(const struct start *start, const struct record *record, struct failure *failure) {
    struct stat found;
    char **paths = start_list(start, record->field[0].l, failure);
    if (paths == NULL) return -1;
    for (char **path = paths; *path != NULL; path++)
        if (stat(*path, &found) != 0) return failure_set(failure, STEP_SOURCE, errno, *path);
    return 0;
}

static int copy_bytes(int from, int to) {
    char chunk[CHUNK];
    if (ioctl(to, SHARE_BLOCKS, from) == 0) return 0;
    for (ssize_t n; (n = read(from, chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        for (ssize_t at = 0, written; at < n; at += written) {
            written = write(to, chunk + at, (size_t)(n - at));
            if (written < 0 && errno == EINTR) written = 0;
            if (written < 0) return -1;
        }
    }
    return 0;
}

static int copy_file(int from_folder, int to_folder, const char *name, const struct stat *found) {
    int to = openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0) return -1;
    int from = openat(from_folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    /* What not even its owner may read (a shadow file of mode 0) is as good empty. */
    int answer = from < 0 ? (errno == EACCES ? 0 : -1) : copy_bytes(from, to);
    const struct timespec times[2] = {found->st_atim, found->st_mtim};
    if (answer == 0 && (fchmod(to, found->st_mode & 0777) != 0 || futimens(to, times) != 0)) answer = -1;
    int error = errno;
    if (from >= 0) close(from);
    close(to);
    errno = error;
    return answer;
}

static int copy_link(int from_folder, int to_folder, const char *name, const struct stat *found) {
    char content[PATH_MAX];
    const struct timespec times[2] = {found->st_atim, found->st_mtim};
    ssize_t length = readlinkat(from_folder, name, content, sizeof content - 1);
    if (length < 0) return -1;
    content[length] = 0;
    return symlinkat(content, to_folder, name) == 0 ? utimensat(to_folder, name, times, AT_SYMLINK_NOFOLLOW) : -1;
}

static int copy_folder(int from_folder, const char *from_name, int to_folder, const char *to_name);

static int copy_entry(int from, int to, const char *name) {
    struct stat found;
    if (fstatat(from, name, &found, AT_SYMLINK_NOFOLLOW) != 0) return -1;
    switch (found.st_mode & S_IFMT) {
    case S_IFDIR: return copy_folder(from, name, to, name);
    case S_IFREG: return copy_file(from, to, name, &found);
    case S_IFLNK: return copy_link(from, to, name, &found);
    case S_IFIFO: return mkfifoat(to, name, found.st_mode & 0777);
    default: return 0; /* devices: a user can make none */
    }
}

static int copy_entries(DIR *from, int to) {
    for (struct dirent *entry; errno = 0, (entry = readdir(from)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (copy_entry(dirfd(from), to, entry->d_name) != 0) return -1;
    }
    return errno == 0 ? 0 : -1;
}

static int copy_folder(int from_folder, const char *from_name, int to_folder, const char *to_name) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat found;
    if (mkdirat(to_folder, to_name, 0700) != 0) return -1;
    int from = openat(from_folder, from_name, flags), to = openat(to_folder, to_name, flags);
    DIR *entries = from < 0 ? NULL : fdopendir(from);
    int answer = entries == NULL || to < 0 || fstat(from, &found) != 0 ? -1 : copy_entries(entries, to);
    if (answer == 0) {
        const struct timespec times[2] = {found.st_atim, found.st_mtim};
        answer = fchmod(to, (found.st_mode & 01777) | 0700) == 0 && futimens(to, times) == 0 ? 0 : -1;
    }
    int error = errno;
    if (entries != NULL)
        closedir(entries);
    else if (from >= 0)
        close(from);
    if (to >= 0) close(to);
    errno = error;
    return answer;
}

int copy_private(const struct start *start, const struct record *record, struct failure *failure) {
    struct stat found;
    const char *tree = start_text(start, record, 0, failure), *path = start_text(start, record, 1, failure);
    if (tree == NULL || path == NULL) return -1;
    if (lstat(path, &found) == 0) return 0;
    char *making = malloc(strlen(path) + sizeof ".new");
    if (making == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    sprintf(making, "%s.new", path);
    if (lstat(making, &found) == 0) files_remove_tree(making); /* of a start that was killed */
    int answer = copy_folder(AT_FDCWD, tree, AT_FDCWD, making) == 0 && rename(making, path) == 0 ? 0 : -1;
    if (answer != 0) failure_set(failure, STEP_COPY, errno, tree);
    free(making);
    return answer;
}
