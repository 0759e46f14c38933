#include "targets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LINKS = 16 };

static int make(const char *path, bool folder, int links);

/* Where the symbolic link `path` leads to, as a path; false when it is none. */
static bool follow(const char *path, char *to, size_t size) {
    char content[PATH_MAX];
    ssize_t length = readlink(path, content, sizeof content - 1);
    if (length < 0) return false;
    content[length] = 0;
    const char *slash = strrchr(path, '/');
    int folder = content[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - path);
    return (size_t)snprintf(to, size, "%.*s%s", folder, path, content) < size;
}

static int make_parents(const char *path, int links) {
    char parent[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof parent) return errno = ENAMETOOLONG, -1;
    memcpy(parent, path, length + 1);
    while (length > 1 && parent[length - 1] == '/') parent[--length] = 0;
    char *slash = strrchr(parent, '/');
    if (slash == NULL || slash == parent) return 0;
    *slash = 0;
    return make(parent, true, links);
}

static int make_here(const char *path, bool folder) {
    struct stat found;
    if (folder) {
        if (mkdir(path, 0755) == 0) return 0;
        if (errno != EEXIST) return -1;
        if (stat(path, &found) != 0) return -1; /* ENOENT: a dangling link */
        return S_ISDIR(found.st_mode) ? 0 : (errno = ENOTDIR, -1);
    }
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_EXCL, 0644);
    if (file >= 0) return close(file);
    if (errno != EEXIST) return -1;
    if (stat(path, &found) != 0) return -1;
    return S_ISDIR(found.st_mode) ? (errno = EISDIR, -1) : 0;
}

static int make(const char *path, bool folder, int links) {
    char to[PATH_MAX];
    if (make_here(path, folder) == 0) return 0;
    if (errno != ENOENT) return -1;
    if (links == 0) return errno = ELOOP, -1;
    if (follow(path, to, sizeof to)) return make(to, folder, links - 1);
    if (make_parents(path, links - 1) != 0) return -1;
    return make_here(path, folder);
}

int target_make(const char *path, bool folder) {
    char deepest[PATH_MAX];
    size_t parts = 0;
    for (const char *c = path; *c != 0; c++) parts += *c == '/';
    if (strlen(path) >= sizeof deepest) return errno = ENAMETOOLONG, -1;
    return make(path, folder, MOST_LINKS + (int)parts);
}

int target_make_parents(const char *path) { return make_parents(path, MOST_LINKS + 64); }
