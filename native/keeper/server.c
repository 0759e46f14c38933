#include "server.h"

#include "quiet.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FUSE_MAGIC = 0x65735546, OPEN_TREE = 428, MOST_WORDS = 65536, PATIENCE_MS = 15000, STEP_US = 300 };

static int write_file(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0) close(file);
    return written ? 0 : -1;
}

/* We are root in there, so that the files of the image's root are ours, and we may mount. */
static int map_to_root(uid_t uid, gid_t gid) {
    char line[32];
    if (write_file("/proc/self/setgroups", "deny") != 0 && errno != ENOENT) return -1;
    snprintf(line, sizeof line, "0 %u 1\n", uid);
    if (write_file("/proc/self/uid_map", line) != 0) return -1;
    snprintf(line, sizeof line, "0 %u 1\n", gid);
    return write_file("/proc/self/gid_map", line);
}

/* Who starts a container takes the mount from there as a copy (native/launcher/packed.c): Linux 5.2. */
static bool can_hand_over(void) {
    long tree = syscall(OPEN_TREE, AT_FDCWD, "/", 1U /* OPEN_TREE_CLONE */ | 0x8000U /* AT_RECURSIVE */ | O_CLOEXEC);
    if (tree >= 0) close((int)tree);
    return tree >= 0;
}

/* It serves all processes of the job, so the limits of the one that came first are not for it; and what it says cannot
   fill a file system. */
static void widen(void) {
    static const int limits[] = {RLIMIT_CPU, RLIMIT_AS, RLIMIT_DATA};
    const struct rlimit said = {.rlim_cur = MOST_WORDS, .rlim_max = MOST_WORDS};
    struct rlimit limit;
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all); /* the kernel leaves out what is not ours */
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (getrlimit(limits[i], &limit) != 0) continue;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(limits[i], &limit);
    }
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &said);
}

static noreturn void become(const struct server *server, int words, pid_t keeper, uid_t uid, gid_t gid, char **argv) {
    static const int expected[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE};
    sigset_t mask;
    dup2(words, 2);
    if (server->helper == NULL && map_to_root(uid, gid) != 0) {
        dprintf(2, "cannot map your user id into a namespace: %s\n", strerror(errno));
        _exit(1);
    }
    if (server->helper == NULL && !can_hand_over()) {
        dprintf(2, "this kernel hands no mount over to containers\n");
        _exit(1);
    }
    widen();
    setpgid(0, 0); /* stopped (quiet.h) when the keeper is killed, it goes on: the kernel wakes a group that is orphaned */
    /* What ends a job politely must not take the image from programs that are about to end: the keeper sees to that. On
       the host a hangup, which only our death sends, lets it unmount; a namespace goes with its last process. */
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) signal(expected[i], SIG_DFL); /* nohup(1) ignores */
    prctl(PR_SET_PDEATHSIG, server->helper == NULL ? SIGKILL : SIGHUP);
    if (getppid() != keeper) _exit(1);
    execv(argv[0], argv);
    dprintf(2, "cannot start '%s': %s\n", argv[0], strerror(errno));
    _exit(1);
}

int server_start(struct server *server, const struct place *place, char **argv) {
    char path[PATH_MAX];
    pid_t keeper = getpid();
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (server->helper != NULL) server_end(server, place); /* what a killed keeper left */
    place_path(place, "words", path);
    int words = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (words < 0) return -1;
    unsigned long flags = (server->helper == NULL ? CLONE_NEWUSER | CLONE_NEWNS : 0UL) | SIGCHLD;
    server->pid = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
    if (server->pid == 0) become(server, words, keeper, uid, gid, argv);
    int error = errno;
    close(words);
    if (server->pid < 0) server->pid = 0;
    return errno = error, server->pid > 0 ? 0 : -1;
}

bool server_ended(struct server *server) {
    if (server->pid == 0) return true;
    pid_t ended = waitpid(server->pid, NULL, WNOHANG);
    if (ended == server->pid || (ended < 0 && errno == ECHILD)) server->pid = 0;
    return server->pid == 0;
}

/* Field 22 of proc_pid_stat(5). */
static unsigned long long start_time(pid_t pid) {
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[n > 0 ? n : 0] = 0;
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

static int note(const struct server *server, const struct place *place) {
    char path[PATH_MAX], aside[PATH_MAX], text[64];
    if (server->helper != NULL) return 0;
    place_path(place, "server.new", aside);
    place_path(place, "server", path);
    snprintf(text, sizeof text, "%10d %20llu\n", (int)server->pid, start_time(server->pid));
    return write_file(aside, text) == 0 ? rename(aside, path) : -1;
}

int server_await(struct server *server, const struct place *place) {
    const struct timespec step = {.tv_nsec = STEP_US * 1000};
    char tree[PATH_MAX], path[PATH_MAX + 32];
    struct statfs found;
    place_path(place, "tree", tree);
    snprintf(path, sizeof path, "%s", tree);
    if (server->helper == NULL) snprintf(path, sizeof path, "/proc/%d/root%s", (int)server->pid, tree);
    for (int i = 0; i < PATIENCE_MS * 1000 / STEP_US; i++) {
        if (server_ended(server)) return errno = 0, -1;
        if (statfs(path, &found) == 0 && found.f_type == FUSE_MAGIC) {
            if (server->plain) quiet_attributes(server->pid, path);
            return note(server, place);
        }
        nanosleep(&step, NULL);
    }
    return errno = ETIMEDOUT, -1;
}

static void unmount(const char *helper, const char *tree) {
    pid_t child = fork();
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execl(helper, helper, "-u", "-q", "-z", "--", tree, (char *)NULL);
        _exit(127);
    }
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
}

void server_end(struct server *server, const struct place *place) {
    const struct timespec step = {.tv_nsec = 5000000};
    char tree[PATH_MAX];
    struct statfs found;
    place_path(place, "tree", tree);
    bool mounted = server->helper != NULL &&
                   (statfs(tree, &found) != 0 ? errno == ENOTCONN : found.f_type == FUSE_MAGIC);
    if (mounted) unmount(server->helper, tree);
    for (int i = 0; mounted && i < 200 && !server_ended(server); i++) nanosleep(&step, NULL); /* it sees that by itself */
    if (server_ended(server)) return;
    kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR) continue;
    server->pid = 0;
}
