#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CLOSE_RANGE = 436 };

void place_path(const struct place *place, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", place->folder, name);
}

void place_close_above(int last) {
    if (syscall(CLOSE_RANGE, (unsigned)last + 1, ~0U, 0U) == 0) return;
    long most = sysconf(_SC_OPEN_MAX);
    for (int i = last + 1; i < most && i < 65536; i++) close(i);
}

/* Whether the open lock is the one that newcomers find. */
static bool is_current(const struct place *place, const char *path) {
    struct stat ours, named;
    return fstat(place->lock, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

int place_take(struct place *place, const char *folder, int grace) {
    char path[PATH_MAX];
    *place = (struct place){.lock = -1, .keeper = -1, .grace = grace};
    if ((size_t)snprintf(place->folder, sizeof place->folder, "%s", folder) >= sizeof place->folder)
        return errno = ENAMETOOLONG, -1;
    place_path(place, "keeper", path);
    place->keeper = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (place->keeper < 0) return errno == ENOENT ? 1 : -1;
    if (flock(place->keeper, LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK ? 1 : -1;
    place_path(place, "lock", path);
    place->lock = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (place->lock < 0) return errno == ENOENT ? 1 : -1;
    if (!is_current(place, path)) return 1;
    place_path(place, "server", path);
    unlink(path); /* of a keeper that was killed */
    place_path(place, "tree", path);
    return mkdir(path, 0700) == 0 || errno == EEXIST || errno == ENOTCONN ? 0 : -1;
}

void place_take_away(struct place *place) {
    char aside[PATH_MAX], path[PATH_MAX];
    snprintf(aside, sizeof aside, "%.4000s.ended-%d", place->folder, (int)getpid());
    if (rename(place->folder, aside) == 0) snprintf(place->folder, sizeof place->folder, "%.4060s", aside);
    place_path(place, "lock", path);
    unlink(path);
}

void place_leave(const struct place *place) {
    static const char *const names[] = {"lock", "server", "words", "keeper"};
    char path[PATH_MAX];
    place_path(place, "tree", path);
    rmdir(path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        place_path(place, names[i], path);
        unlink(path);
    }
    rmdir(place->folder);
}

void place_last_words(const struct place *place, char *line, size_t size) {
    char path[PATH_MAX], text[1024];
    place_path(place, "words", path);
    int file = open(path, O_RDONLY | O_CLOEXEC), error = errno;
    ssize_t length = file < 0 ? 0 : pread(file, text, sizeof text - 1, 0);
    if (file >= 0) close(file);
    text[length > 0 ? length : 0] = 0;
    while (length > 0 && text[length - 1] == '\n') text[--length] = 0;
    const char *last = strrchr(text, '\n');
    snprintf(line, size, "%s", last == NULL ? text : last + 1);
    errno = error;
}
