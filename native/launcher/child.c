#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "env.h"
#include "handover.h"
#include "idmap.h"
#include "inside.h"
#include "turns.h"
#include "kernel.h"
#include "bounds.h"
#include "mounts.h"
#include "plain.h"
#include "terminal.h"
#include "userns.h"

/* The launcher's own channel to process 1: a real-time signal that carries the number of the forwarded one. Plain signals
   reach process 1 too when they are sent to the whole process group, and must not be taken for forwarded ones. */
#define CHANNEL SIGRTMAX

enum { SAME_MILLISECONDS = 100 };

void child_signals(sigset_t *set, bool terminal) {
    static const int not_ours[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,  SIGTRAP,
                                   SIGSYS,  SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};
    sigfillset(set);
    for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++) sigdelset(set, not_ours[i]);
    if (terminal) sigaddset(set, SIGTSTP);
}

void child_block_signals(sigset_t *caller_mask, bool terminal) {
    sigset_t set;
    child_signals(&set, terminal);
    signal(SIGCHLD, SIG_DFL); /* an inherited "ignore" would lose the exit status */
    sigprocmask(SIG_BLOCK, &set, caller_mask);
}

void child_forward(const struct child *child, const siginfo_t *info, bool same_group) {
    if (info->si_signo == SIGCHLD || info->si_signo == SIGWINCH || info->si_signo == SIGTSTP) return;
    if (same_group && info->si_code == SI_KERNEL) return; /* from the terminal: to the command as well */
    child_tell(child, info->si_signo);
}

void child_tell(const struct child *child, int number) {
    sigqueue(child->pid, CHANNEL, (union sigval){.sival_int = number});
}

static void report(int pipe, int kind, int status, const struct failure *failure) {
    struct report report = {.kind = kind, .status = status};
    if (failure != NULL) report.failure = *failure;
    ssize_t ignored = write(pipe, &report, sizeof report);
    (void)ignored;
}

static noreturn void give_up(int pipe, const struct failure *failure) {
    report(pipe, REPORT_FAILURE, 0, failure);
    _exit(STATUS_WHERRY_FAILED);
}

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Waits for the command, reaping whatever else ends, and forwards signals to it. */
static int attend(pid_t command, bool plain, bool same_group) {
    long long came[_NSIG] = {0}; /* when a signal last came to us directly: the whole group got it */
    sigset_t all;
    siginfo_t info;
    int status;
    sigfillset(&all);
    for (;;) {
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
            if (ended == command) return status;
        int number = sigwaitinfo(&all, &info);
        if (plain && number == PLAIN_ORPHANED) return SIGKILL; /* as if the command had been killed with its launcher */
        if (number <= 0 || number == SIGCHLD) continue;
        if (number != CHANNEL || info.si_code != SI_QUEUE) {
            if (info.si_code != SI_KERNEL) came[number] = now_ms();
            continue;
        }
        int forwarded = info.si_value.sival_int;
        if (forwarded <= 0 || forwarded >= _NSIG) continue;
        bool had_it = same_group && came[forwarded] != 0 && now_ms() - came[forwarded] < SAME_MILLISECONDS;
        came[forwarded] = 0;
        if (!had_it) kill(command, forwarded);
    }
}

/* Starts the command on our memory, as vfork(2) allows: we go on when it has executed or failed. */
static pid_t start_command(const struct start *start, char **environment, int terminal, struct failure *failure) {
    pid_t self = getpid();
    bool joined = start->join != NULL;
    failure->step = STEP_NONE;
    pid_t child = vfork();
    if (child != 0) {
        /* IDS, on our memory, had closed us to the caller, who may want to join. */
        if (plan_find(start->plan, OP_IDS) != NULL) prctl(PR_SET_DUMPABLE, 1);
        return child;
    }
    if (joined) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it has no process 1 of ours to die with */
        if (getppid() != 0 && getppid() != self) _exit(STATUS_WHERRY_FAILED);
    }
    command_become(start, environment, terminal, failure);
    _exit(STATUS_WHERRY_FAILED);
}

static void enter(const struct start *start, int pipe, uid_t uid, gid_t gid) {
    struct failure failure = {0};
    struct pollfd alive = {.fd = pipe};
    prctl(PR_SET_PDEATHSIG, start->plain != NULL ? PLAIN_ORPHANED : SIGKILL);
    /* The launcher may have died before that: then nobody reads our pipe. */
    if (poll(&alive, 1, 0) > 0 && (alive.revents & POLLERR) != 0) _exit(STATUS_WHERRY_FAILED);
    if (start->mapped >= 0) idmap_await(start->mapped);
    int answer = start->plain != NULL  ? plain_adopt(&failure)
                 : start->join != NULL ? userns_join(start, &failure)
                 : start->mapped >= 0  ? 0
                                       : userns_map(start->namespace, uid, gid, &failure);
    if (answer == 0 && start->join != NULL) prctl(PR_SET_PDEATHSIG, SIGKILL); /* new credentials had cleared it */
    if (answer == 0) answer = bounds_affinity(start, &failure);
    if (answer == 0 && start->follow != NULL) answer = plain_follow(start->follow, &failure);
    if (answer == 0 && start->namespace != NULL) answer = mounts_apply(start, &failure);
    if (answer != 0) give_up(pipe, &failure);
}

/* Ends a process that attended to the command, as the command ended. */
static noreturn void end_as(int status) {
    _exit(WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status));
}

/* Readers of the command's output must see its end when the command closes it, not when we end. */
static void close_all_but(int pipe) {
    if (kernel_close_range(0, (unsigned)pipe - 1, 0) == 0)
        kernel_close_range((unsigned)pipe + 1, ~0U, 0);
    else
        for (int i = 0; i < 1024; i++)
            if (i != pipe) close(i);
}

noreturn void child_attend(const struct start *start, char **environment, pid_t first, bool same_group) {
    struct failure failure = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* without the wrapper the command would see the host */
    pid_t command = start_command(start, environment, -1, &failure);
    if (command < 0) failure_set(&failure, STEP_FORK, errno, "");
    if (failure.step != STEP_NONE) give_up(start->reports, &failure);
    report(start->reports, REPORT_STARTED, 0, NULL);
    turns_over(start->turns, 0); /* where it fails, these two stay where they are */
    turns_over(start->turns, getppid());
    close_all_but(start->reports);
    int status = attend(command, false, same_group);
    report(start->reports, REPORT_ENDED, status, NULL);
    kill(first, PLAIN_OVER);
    end_as(status);
}

/* As attend() where the launcher is once more inside: hands signals on to it. True when the wrapper ended by itself. */
static bool relay(pid_t wrapper, int *status) {
    const struct timespec soon = {.tv_nsec = 10000000};
    uint64_t held = 0; /* signals, as bits, for one that is not there yet */
    bool over = false;
    sigset_t all;
    siginfo_t info;
    sigfillset(&all);
    for (;;) {
        pid_t ended, inside;
        while ((ended = waitpid(-1, status, WNOHANG)) > 0)
            if (ended == wrapper) return true;
        int number = sigtimedwait(&all, &info, held != 0 || over ? &soon : NULL);
        if (number < 0 && errno == EAGAIN && over) return false; /* it waits for what the command left */
        if (number == PLAIN_ORPHANED) return *status = SIGKILL, false;
        over = over || number == PLAIN_OVER;
        if (number == CHANNEL && info.si_code == SI_QUEUE && info.si_value.sival_int > 0)
            held |= UINT64_C(1) << (info.si_value.sival_int - 1);
        if (held == 0 || (inside = plain_child_of(wrapper)) == 0) continue;
        for (int i = 1; i <= 64; i++)
            if ((held >> (i - 1) & 1) != 0) sigqueue(inside, CHANNEL, (union sigval){.sival_int = i});
        held = 0;
    }
}

/* Waits for the wrapper; reports its end, which counts where none was reported from inside, or that all was killed. */
static noreturn void relay_first(const struct start *start, int pipe, pid_t wrapper) {
    int status = 0;
    bool by_itself = relay(wrapper, &status);
    plain_kill_all(by_itself ? 0 : wrapper);
    if (by_itself) {
        struct failure failure;
        char how[64];
        const struct record *wrap = plan_find(start->plan, OP_WRAP);
        struct plan_list words = wrap->field[0].l;
        snprintf(how, sizeof how, WIFSIGNALED(status) ? "signal %d ended it" : "its status was %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        failure_detail(&failure, STEP_WRAPPED, 0, list_next(&words), how);
        report(pipe, REPORT_WRAPPED, status, &failure);
    } else if (status == SIGKILL) {
        report(pipe, REPORT_ENDED, status, NULL);
    }
    end_as(status);
}

/* Waits for a command that we started inside. What comes to us directly is meant for it, too, where a runtime made us the
   leader of a session: it hands on what it gets. */
static int attend_inside(pid_t command) {
    bool alone = getsid(0) == getpid();
    long long came[2][_NSIG] = {0}; /* when it last came directly, and from the launcher: it may come both ways */
    sigset_t all;
    siginfo_t info;
    int status;
    sigfillset(&all);
    for (;;) {
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
            if (ended == command) return status;
        int number = sigwaitinfo(&all, &info);
        bool channel = number == CHANNEL && info.si_code == SI_QUEUE;
        int wanted = channel ? info.si_value.sival_int : number;
        if (number == SIGCHLD || wanted <= 0 || wanted >= _NSIG || (!channel && info.si_code == SI_KERNEL)) continue;
        long long *other = &came[!channel][wanted];
        bool had_it = *other != 0 && now_ms() - *other < SAME_MILLISECONDS;
        *other = 0;
        came[channel][wanted] = had_it ? 0 : now_ms();
        if (!had_it && (channel || alone)) kill(command, wanted);
    }
}

noreturn void child_handed(const struct start *start, char **environment) {
    struct failure failure = {0};
    pid_t command = start_command(start, environment, -1, &failure);
    if (command < 0) failure_set(&failure, STEP_FORK, errno, "");
    if (failure.step != STEP_NONE) give_up(start->reports, &failure);
    report(start->reports, REPORT_STARTED, 0, NULL);
    close_all_but(start->reports);
    int status = attend_inside(command);
    report(start->reports, REPORT_ENDED, status, NULL);
    end_as(status);
}

/* Outside, around a program to which the command was handed over: hands signals on to ourselves inside. */
static noreturn void attend_handed(const struct start *start, int pipe, pid_t wrapper) {
    const struct timespec soon = {.tv_nsec = 10000000};
    uint64_t held = 0; /* signals, as bits, while we are not there yet */
    pid_t inside, ended = 0;
    int status = 0, number = 0;
    sigset_t all;
    siginfo_t info;
    sigfillset(&all);
    while (number != PLAIN_ORPHANED) {
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0 && ended != wrapper) continue;
        if (ended == wrapper) break;
        number = sigtimedwait(&all, &info, held != 0 ? &soon : NULL);
        if (number == CHANNEL && info.si_code == SI_QUEUE && info.si_value.sival_int > 0)
            held |= UINT64_C(1) << (info.si_value.sival_int - 1);
        if (held == 0 || (inside = plain_named(INSIDE_NAME)) == 0) continue;
        for (int i = 1; i <= 64; i++)
            if ((held >> (i - 1) & 1) != 0) sigqueue(inside, CHANNEL, (union sigval){.sival_int = i});
        held = 0;
    }
    plain_kill_all(ended == wrapper ? 0 : wrapper);
    bool killed = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == STATUS_SIGNAL + SIGKILL;
    if (number == PLAIN_ORPHANED || killed) { /* with all that was inside */
        report(pipe, REPORT_ENDED, SIGKILL, NULL);
    } else {
        struct failure failure;
        char how[64];
        struct plan_list words = plan_find(start->plan, OP_WRAP)->field[0].l;
        snprintf(how, sizeof how, WIFSIGNALED(status) ? "signal %d ended it" : "its status was %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        failure_detail(&failure, STEP_WRAPPED, 0, list_next(&words), how);
        report(pipe, REPORT_WRAPPED, status, &failure);
    }
    end_as(status);
}

static noreturn void be_first(const struct start *start, int pipe, uid_t uid, gid_t gid) {
    struct failure failure = {0};
    int terminal = -1, status = 0;
    enter(start, pipe, uid, gid);
    if ((start->stdio & STDIO_TERMINAL) != 0 && (terminal = terminal_make(start->terminal_socket, &failure)) < 0)
        give_up(pipe, &failure);
    char **environment = env_build(start, &failure);
    if (environment == NULL) give_up(pipe, &failure);
    pid_t command = start_command(start, environment, terminal, &failure);
    if (command < 0) failure_set(&failure, STEP_FORK, errno, "");
    if (failure.step != STEP_NONE) give_up(pipe, &failure);
    if ((start->stdio & STDIO_DETACH) != 0 && start->inside == NULL) report(pipe, REPORT_STARTED, 0, NULL);
    close_all_but(pipe);
    if (start->handover != NULL) attend_handed(start, pipe, command);
    if (start->inside != NULL) relay_first(start, pipe, command);
    status = attend(command, start->plain != NULL, terminal < 0);
    if (start->plain != NULL) plain_kill_all(0);
    report(pipe, REPORT_ENDED, status, NULL);
    end_as(status);
}

int child_fork(const struct start *start, struct child *child, struct failure *failure) {
    int ends[2], maps[2] = {-1, -1};
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (start->handover != NULL) {
        if (handover_pipe(start, ends, failure) != 0) return -1;
    } else if (pipe2(ends, O_CLOEXEC) != 0) {
        return failure_set(failure, STEP_FORK, errno, "");
    }
    if (plan_find(start->plan, OP_IDMAP) != NULL && idmap_channel(maps, failure) != 0) return -1;
    child->reports = ends[0];
    child->maps = maps[1];
    child->pid = userns_fork(start->namespace == NULL ? 0 : start->namespace->field[0].u);
    if (child->pid < 0) return failure_set(failure, STEP_NAMESPACE, errno, "");
    if (child->pid == 0) {
        struct start own = *start;
        own.reports = ends[1];
        own.mapped = maps[0];
        close(ends[0]);
        if (maps[1] >= 0) close(maps[1]);
        be_first(&own, ends[1], uid, gid);
    }
    close(ends[1]);
    if (maps[0] >= 0) close(maps[0]);
    return 0;
}

int child_map(const struct start *start, const struct child *child, struct failure *failure) {
    if (child->maps < 0 || idmap_grant(start, child->pid, child->maps, failure) == 0) return 0;
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) continue;
    return -1;
}

void child_collect(const struct child *child, struct outcome *outcome, struct failure *failure) {
    struct report report;
    int status = 0;
    bool told = false;
    while (wait4(child->pid, &status, 0, &outcome->usage) < 0 && errno == EINTR) continue;
    while (read(child->reports, &report, sizeof report) == (ssize_t)sizeof report) {
        if (report.kind == REPORT_STARTED || (report.kind == REPORT_WRAPPED && told)) continue;
        told = true;
        status = report.status;
        outcome->failed = report.kind == REPORT_FAILURE || report.kind == REPORT_WRAPPED;
        if (outcome->failed) *failure = report.failure;
    }
    if (!told && WIFEXITED(status)) {
        outcome->failed = true;
        failure_set(failure, STEP_LOST, 0, "");
    }
    if (WIFSIGNALED(status)) {
        outcome->signal = WTERMSIG(status);
        outcome->status = STATUS_SIGNAL + outcome->signal;
    } else {
        outcome->status = WEXITSTATUS(status);
    }
}
