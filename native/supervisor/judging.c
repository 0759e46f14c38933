#include "judging.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "place.h"

bool judging_needed(const struct call *call, const struct person **person) {
    return atomic_load(&call->world->people_differ) && caller_person(call, person) == 0 && (*person)->user.file != 0;
}

static bool is_ours(const struct call *call, const struct stat *found) {
    return found->st_dev == call->world->device && (S_ISREG(found->st_mode) || S_ISDIR(found->st_mode));
}

/* Whether somebody may search the folder at this path; one that is not there any more hinders nobody. */
static bool may_search(const struct call *call, const struct person *person, const char *path) {
    struct stat found;
    if (fstatat(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) != 0 || !is_ours(call, &found)) return true;
    struct owner owner = {.mode = found.st_mode & 07777};
    if (known_maybe(call->world->known, &found)) {
        int folder = place_walk(AT_FDCWD, path, O_NOFOLLOW);
        if (folder < 0) return true;
        known_get(call->world->known, folder, &found, &owner);
        close(folder);
    }
    return caller_may(person, &owner, 1);
}

/* All folders above an open file, by the path that it has in the caller's root. */
static bool may_reach(const struct call *call, const struct person *person, int file) {
    char link[16], path[PATH_MAX];
    snprintf(link, sizeof link, "%d", file);
    ssize_t length = readlinkat(AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/') return true;
    path[length] = 0;
    for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
        *slash = 0;
        if (!may_search(call, person, *path == 0 ? "/" : path)) return false;
    }
    return true;
}

int judging_use(const struct call *call, const struct person *person, int file, unsigned wanted) {
    struct stat found;
    struct owner owner;
    if (fstat(file, &found) != 0 || !is_ours(call, &found)) return 0;
    known_get(call->world->known, file, &found, &owner);
    return caller_may(person, &owner, wanted) && may_reach(call, person, file) ? 0 : -EACCES;
}

int judging_remove(const struct call *call, const struct person *person, int folder, const char *name) {
    struct stat found;
    struct owner owner;
    int answer = judging_use(call, person, folder, 3);
    if (answer != 0 || fstat(folder, &found) != 0 || !is_ours(call, &found)) return answer;
    known_get(call->world->known, folder, &found, &owner);
    if ((owner.mode & S_ISVTX) == 0 || owner.uid == person->user.file) return 0;
    int file = place_walk(folder, name, O_NOFOLLOW);
    if (file < 0 || fstat(file, &found) != 0) owner.uid = person->user.file; /* the kernel says what is wrong */
    else known_get(call->world->known, file, &found, &owner);
    if (file >= 0) close(file);
    return owner.uid == person->user.file ? 0 : -EPERM;
}
