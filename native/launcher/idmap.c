#include "idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "userns.h"

enum { NO_SETUID_FIXUP = 1 << 2 }; /* SECBIT_NO_SETUID_FIXUP (linux/securebits.h) */

enum { PATIENCE = 10 }; /* seconds: a name service may be asked, which may be away */

int idmap_channel(int ends[2], struct failure *failure) {
    int answer = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    return answer == 0 ? 0 : failure_set(failure, STEP_FORK, errno, "");
}

static char **helper_argv(const char *program, pid_t child, struct plan_list words) {
    char **argv = calloc((size_t)words.left + 3, sizeof *argv);
    size_t count = 0;
    if (argv == NULL) return NULL;
    argv[count++] = (char *)program;
    if (asprintf(&argv[count++], "%d", child) < 0) return NULL;
    for (const char *word; (word = list_next(&words)) != NULL;) argv[count++] = (char *)word;
    return argv;
}

static noreturn void become_helper(char **argv, int words, const sigset_t *mask) {
    char *none[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a set-user-id program loses it again, and finds no process to map then */
    if (null < 0 || dup2(null, 0) < 0 || dup2(words, 1) < 0 || dup2(words, 2) < 0) _exit(STATUS_CANNOT_EXECUTE);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execve(argv[0], argv, none);
    dprintf(2, "%s", strerror(errno));
    _exit(STATUS_NOT_FOUND);
}

/* Reaps the helper; ETIMEDOUT, and it is killed, when it takes too long. SIGCHLD is blocked (child_block_signals). */
static int await_helper(pid_t helper, int *status) {
    struct timespec now, until;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE;
    while (waitpid(helper, status, WNOHANG) == 0) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        const struct timespec pause = {.tv_sec = 1};
        if (now.tv_sec >= until.tv_sec) {
            kill(helper, SIGKILL); /* its real user is ours, whatever it may do */
            waitpid(helper, status, 0);
            return ETIMEDOUT;
        }
        sigtimedwait(&set, NULL, &pause);
    }
    return 0;
}

/* The last line that the helper said, without its own name. */
static void last_line(int pipe, const char *program, char *line, size_t size) {
    char text[1024];
    ssize_t length = read(pipe, text, sizeof text - 1);
    text[length < 0 ? 0 : length] = 0;
    while (length > 0 && text[length - 1] == '\n') text[--length] = 0;
    char *last = strrchr(text, '\n');
    last = last == NULL ? text : last + 1;
    const char *slash = strrchr(program, '/'), *name = slash == NULL ? program : slash + 1;
    size_t named = strlen(name);
    if (strncmp(last, name, named) == 0 && strncmp(last + named, ": ", 2) == 0) last += named + 2;
    snprintf(line, size, "%.240s", *last == 0 ? "it said nothing" : last);
}

static int run_helper(const struct start *start, pid_t child, const struct record *idmap, int which,
                      struct failure *failure) {
    const char *program = idmap->field[which].s.bytes;
    char **argv = helper_argv(program, child, idmap->field[2 + which].l), line[256];
    int ends[2], status = 0;
    if (argv == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return failure_set(failure, STEP_IDMAP, errno, program);
    pid_t helper = fork();
    if (helper == 0) become_helper(argv, ends[1], &start->caller_mask);
    int error = helper < 0 ? errno : await_helper(helper, &status);
    last_line(ends[0], program, line, sizeof line);
    close(ends[0]);
    close(ends[1]);
    if (error != 0) return failure_set(failure, STEP_IDMAP, error, program);
    return status == 0 ? 0 : failure_detail(failure, STEP_IDMAP, ECHILD, program, line);
}

int idmap_grant(const struct start *start, pid_t child, int end, struct failure *failure) {
    const struct record *idmap = plan_find(start->plan, OP_IDMAP);
    int answer = run_helper(start, child, idmap, 0, failure);
    if (answer == 0) answer = run_helper(start, child, idmap, 1, failure);
    if (answer == 0) send(end, "", 1, MSG_NOSIGNAL); /* a child that is gone is seen by who waits for it */
    close(end);
    kill(getpid(), SIGCHLD);
    return answer;
}

void idmap_await(int end) {
    char word;
    ssize_t n;
    while ((n = read(end, &word, 1)) < 0 && errno == EINTR) continue;
    if (n != 1) _exit(STATUS_WHERRY_FAILED);
    close(end);
}

/* By the kernel's own calls: the C library's would tell threads that are not there. */
int idmap_become(const struct start *start, int terminal, struct failure *failure) {
    const struct record *ids = plan_find(start->plan, OP_IDS);
    size_t count = 0;
    if (ids == NULL) return 0;
    uid_t uid = (uid_t)ids->field[0].u;
    gid_t gid = (gid_t)ids->field[1].u;
    struct plan_list names = ids->field[2].l;
    gid_t *groups = calloc((size_t)names.left + 1, sizeof *groups);
    if (groups == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    for (const char *name; (name = list_next(&names)) != NULL;)
        groups[count++] = (gid_t)strtoul(name, NULL, 10);
    char shown[24];
    snprintf(shown, sizeof shown, "%u:%u", uid, gid);
    /* From root to another the kernel would take the capabilities away, and dropping them for good takes one. Where this
       is refused there are none to keep. */
    int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    bool kept = bits >= 0 && prctl(PR_SET_SECUREBITS, bits | NO_SETUID_FIXUP, 0, 0, 0) == 0;
    /* A terminal of the container's own is for the command to open again. */
    if ((terminal >= 0 && fchown(terminal, uid, (gid_t)-1) != 0) ||
        (count > 0 && syscall(SYS_setgroups, count, groups) != 0) || syscall(SYS_setresgid, gid, gid, gid) != 0 ||
        syscall(SYS_setresuid, uid, uid, uid) != 0)
        return failure_set(failure, STEP_IDS, errno, shown);
    if (kept && prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0) return failure_set(failure, STEP_IDS, errno, shown);
    if (start->join != NULL) prctl(PR_SET_PDEATHSIG, SIGKILL); /* new credentials had cleared it */
    return 0;
}

int idmap_remove_tree(const struct start *start, const char *path) {
    struct failure ignored;
    int ends[2], status = 0;
    if (idmap_channel(ends, &ignored) != 0) return -1;
    pid_t child = userns_fork(CLONE_NEWUSER);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[1]);
        idmap_await(ends[0]);
        _exit(files_remove_tree(path) == 0 ? 0 : errno);
    }
    close(ends[0]);
    if (child < 0) return close(ends[1]), -1;
    idmap_grant(start, child, ends[1], &ignored);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (status == 0) return 0;
    return errno = WIFEXITED(status) && WEXITSTATUS(status) < STATUS_WHERRY_FAILED ? WEXITSTATUS(status) : EACCES, -1;
}
