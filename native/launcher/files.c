#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

int files_make_folders(const char *path, mode_t mode) {
    char partial[PATH_MAX];
    if (mkdir(path, mode) == 0) return 0;
    if (errno == EEXIST) return is_folder(path) ? 0 : (errno = ENOTDIR, -1);
    if (errno != ENOENT) return -1;
    if (strlen(path) >= sizeof partial) return errno = ENAMETOOLONG, -1;
    strcpy(partial, path);
    for (char *slash = strchr(partial + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(partial, 0755) != 0 && errno != EEXIST) return -1;
        *slash = '/';
    }
    if (mkdir(path, mode) == 0 || (errno == EEXIST && is_folder(path))) return 0;
    return -1;
}

static void note(int *first) {
    if (*first == 0) *first = errno;
}

static void remove_entry(int folder, const char *name, int *first);

static void remove_content(int folder, const char *name, int *first) {
    int inside = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inside < 0 && errno == EACCES && fchmodat(folder, name, 0700, 0) == 0)
        inside = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = inside < 0 ? NULL : fdopendir(inside);
    if (entries == NULL) {
        note(first);
        if (inside >= 0) close(inside);
        return;
    }
    fchmod(inside, 0700);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_entry(inside, entry->d_name, first);
    closedir(entries);
}

static void remove_entry(int folder, const char *name, int *first) {
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR && errno != EPERM) return note(first);
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0) return;
    remove_content(folder, name, first);
    if (unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT) note(first);
}

int files_remove_tree(const char *path) {
    int first = 0;
    remove_entry(AT_FDCWD, path, &first);
    return first == 0 ? 0 : (errno = first, -1);
}

int files_replace(const char *path, const char *bytes, size_t length) {
    char temporary[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary) return errno = ENAMETOOLONG, -1;
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return -1;
    ssize_t written = write(file, bytes, length);
    int error = written < 0 ? errno : ENOSPC;
    if (close(file) == 0 && written == (ssize_t)length) return rename(temporary, path);
    unlink(temporary);
    return errno = error, -1;
}
