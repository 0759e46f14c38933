/* wherry-supervisor LOWER UPPER UID GID GROUP...: answers system calls of a container's processes so that these seem to
 * have all ids, and remembers whose their files are. docs/design/supervisor.md.
 *
 *   3      the socket by which it comes to the container (join.h)
 *   LOWER  what the image's layers say of owners (lower.h), or nothing
 *   UPPER  the overlay's upper directory, where what was changed is marked at the end, or nothing
 *   UID GID GROUP...  who the command starts as
 *
 * Ends when no process of the container is left: 0 when all is remembered. Dies with its parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "finish.h"
#include "join.h"
#include "lower.h"
#include "probe.h"
#include "serve.h"

enum { FILES_MOST = 2 * KNOWN_FOLLOWED_MOST + 128 };

static void leave_caller(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; null >= 0 && i < 3; i++) dup2(null, i);
    if (null > JOIN_SOCKET) close(null);
    fcntl(JOIN_SOCKET, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    setsid(); /* a terminal's signals are for the container */
}

static int fail(int error, const char *what) {
    join_say(error == 0 ? EIO : error, what);
    return 1;
}

static bool read_person(char **words, struct person *person) {
    uint32_t ids[2];
    for (int i = 0; i < 2; i++) ids[i] = (uint32_t)strtoul(words[i], NULL, 10);
    person->user = (struct ids){ids[0], ids[0], ids[0], ids[0]};
    person->group = (struct ids){ids[1], ids[1], ids[1], ids[1]};
    for (words += 2; words[person->group_count] != NULL; person->group_count++) continue;
    person->groups = calloc(person->group_count + 1, sizeof *person->groups);
    if (person->groups == NULL) return false;
    for (uint32_t i = 0; i < person->group_count; i++) person->groups[i] = (uint32_t)strtoul(words[i], NULL, 10);
    return true;
}

static void follow(struct world *world, const char *path) {
    struct stat found;
    struct rlimit limit;
    int file = openat(world->root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)file < limit.rlim_cur / 2 && fstat(file, &found) == 0)
        known_follow(world->known, file, &found);
    else
        close(file);
}

/* Room for files that are followed, and the same again for all else. */
static void take_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > FILES_MOST) return;
    limit.rlim_cur = limit.rlim_max < FILES_MOST ? limit.rlim_max : FILES_MOST;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Finds each file of the list in the container: from now on it is known by its number. */
static bool load(struct world *world, struct lower *lower) {
    const char *path;
    struct owner owner;
    struct foreign *foreign;
    struct stat found;
    int more;
    while ((more = lower_next(lower, &path, &owner, &foreign)) > 0) {
        if (fstatat(world->root, *path == 0 ? "." : path, &found, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (!known_add_below(world->known, found.st_dev, found.st_ino, &owner, foreign)) return false;
        if (!S_ISDIR(found.st_mode) && found.st_nlink > 1) follow(world, path);
        if (S_ISDIR(found.st_mode) && (owner.mode & S_ISGID) != 0 && owner.gid != 0) atomic_store(&world->groups_inherit, true);
    }
    return more == 0;
}

/* The upper directory and the folder that it is in; false when one of them cannot be opened. */
static bool open_upper(const char *path, int *upper, int *beside) {
    *upper = *beside = -1;
    if (*path == 0) return true;
    *upper = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *beside = *upper < 0 ? -1 : openat(*upper, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *beside >= 0;
}

static int supervise(struct world *world, struct lower *lower, int upper, int beside) {
    /* A home directory may have been made for whom it is not root. */
    if (people_differ(world->people) || (beside >= 0 && faccessat(beside, "owners", F_OK, 0) == 0)) known_ask_all(world->known);
    pid_t pid = join_await();
    if (pid == 0) return 0;
    const char *failed = join_enter(world, pid);
    if (failed != NULL) return fail(errno, failed);
    if (!load(world, lower)) return fail(EINVAL, "cannot read the list of owners");
    if (!join_exchange(world)) return 0; /* it says itself why there is no listener */
    join_say(0, "");
    if (!serve(world)) return 1;
    return upper < 0 || finish(world, upper, beside) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    static struct world world = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct person first = {0};
    struct lower lower;
    int upper, beside;
    if (argc == 2 && strcmp(argv[1], "--probe") == 0) return probe();
    if (argc < 5 || fcntl(JOIN_SOCKET, F_GETFD) < 0) {
        fputs("usage: wherry-supervisor LOWER UPPER UID GID [GROUP...] 3<>SOCKET\n", stderr);
        return 2;
    }
    leave_caller();
    take_descriptors();
    world.processes = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    world.known = known_new();
    if (!read_person(argv + 3, &first) || (world.people = people_new(&first)) == NULL || world.known == NULL) return fail(ENOMEM, "no memory");
    atomic_store(&world.people_differ, people_differ(world.people));
    if (world.processes < 0) return fail(errno, "cannot open /proc");
    if (!lower_open(&lower, argv[1])) return fail(errno, "cannot read the list of owners");
    if (!open_upper(argv[2], &upper, &beside)) return fail(errno, "cannot open the upper directory");
    return supervise(&world, &lower, upper, beside);
}
