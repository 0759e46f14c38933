#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"

pid_t userns_fork(uint64_t namespaces) {
    return (pid_t)syscall(SYS_clone, (unsigned long)namespaces | SIGCHLD, 0, 0, 0, 0);
}

static int write_map(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t written = write(file, text, strlen(text));
    int error = errno;
    close(file);
    errno = error;
    return written < 0 ? -1 : 0;
}

int userns_map(const struct record *namespace, uid_t uid, gid_t gid, struct failure *failure) {
    char line[64];
    if ((namespace->field[0].u & CLONE_NEWUSER) == 0) return 0;
    /* A kernel may refuse groups to change where maps were written by the user (user_namespaces(7)): always deny. */
    if (write_map("/proc/self/setgroups", "deny") != 0 && errno != ENOENT)
        return failure_set(failure, STEP_MAP, errno, "");
    snprintf(line, sizeof line, "%u %u 1\n", (unsigned)namespace->field[1].u, uid);
    if (write_map("/proc/self/uid_map", line) != 0) return failure_set(failure, STEP_MAP, errno, "");
    snprintf(line, sizeof line, "%u %u 1\n", (unsigned)namespace->field[2].u, gid);
    if (write_map("/proc/self/gid_map", line) != 0) return failure_set(failure, STEP_MAP, errno, "");
    return 0;
}

unsigned long long userns_start_time(pid_t pid) {
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    if (n <= 0) return 0;
    text[n] = 0;
    const char *at = strrchr(text, ')'); /* the name before it may hold anything; proc(5): starttime is field 22 */
    for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

/* The container's first process, from its RUNNING file; 0 when it is not the process that the file means. */
static pid_t find_init(const char *running) {
    char text[128];
    int file = open(running, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    if (n <= 0) return errno = ESRCH, 0;
    text[n] = 0;
    char *after;
    long pid = strtol(text, &after, 10);
    unsigned long long started = strtoull(after, NULL, 10);
    if (pid > 0 && started != 0 && userns_start_time((pid_t)pid) == started) return (pid_t)pid;
    return errno = ESRCH, 0;
}

/* One at a time, for kernels before 5.8 whose setns(2) takes no pidfd: user first (it gives the rights for the others). */
static int join_each(pid_t pid, uint64_t namespaces) {
    static const struct {
        int flag;
        const char *name;
    } all[] = {{CLONE_NEWUSER, "user"}, {CLONE_NEWIPC, "ipc"},       {CLONE_NEWUTS, "uts"}, {CLONE_NEWNET, "net"},
               {CLONE_NEWPID, "pid"},   {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWNS, "mnt"}};
    int files[sizeof all / sizeof *all];
    char path[48];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        files[i] = -1;
        if ((namespaces & (uint64_t)all[i].flag) == 0) continue;
        snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, all[i].name);
        if ((files[i] = open(path, O_RDONLY | O_CLOEXEC)) < 0) return -1;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (files[i] < 0) continue;
        if (setns(files[i], all[i].flag) != 0) return -1;
        close(files[i]);
    }
    return 0;
}

int userns_enter(const char *file, uint64_t namespaces) {
    pid_t init = find_init(file);
    if (init == 0) return -1;
    int pidfd = kernel_pidfd_open(init);
    /* The number may have gone to another process between the look and the open: look again. */
    if (pidfd >= 0 && find_init(file) != init) return errno = ESRCH, -1;
    int joined = pidfd < 0 ? -1 : setns(pidfd, (int)namespaces);
    if (joined != 0 && (pidfd < 0 || errno == EINVAL)) joined = join_each(init, namespaces);
    int error = errno;
    if (pidfd >= 0) close(pidfd);
    return errno = error, joined;
}

int userns_join(const struct start *start, struct failure *failure) {
    const union plan_field *field = start->join->field;
    if (userns_enter(field[0].s.bytes, field[1].u) == 0) return 0;
    return failure_set(failure, STEP_JOIN, errno, field[2].s.bytes);
}
