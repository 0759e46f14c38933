#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "command.h"
#include "descriptors.h"
#include "host.h"
#include "log.h"
#include "named.h"
#include "supervise.h"
#include "terminal.h"
#include "wait.h"

/* One run and what it holds open. */
struct run {
    struct start start;
    struct host host;
    struct child child;
    struct streams streams;
    struct plan wider; /* with NAMED: the plan with the binds that this start needs */
    int parent; /* a detached run's pipe to the launcher that the user started, or -1 */
    char cwd[PATH_MAX];
};

/* What the STDIO operation means here: terminals only where there are some. */
static int choose_streams(struct run *run, struct failure *failure) {
    const struct record *record = plan_find(run->start.plan, OP_STDIO);
    unsigned bits = record == NULL ? 0 : (unsigned)record->field[0].u;
    bool input_is_terminal = (bits & (STDIO_TERMINAL | STDIO_TERMINAL_IF)) != 0 && isatty(STDIN_FILENO);
    if ((bits & STDIO_TERMINAL_IF) != 0 && !(input_is_terminal && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO)))
        bits &= ~(unsigned)STDIO_TERMINAL;
    else if ((bits & STDIO_TERMINAL_IF) != 0)
        bits |= STDIO_TERMINAL;
    bool reads_terminal = (bits & STDIO_TERMINAL) != 0 && (bits & STDIO_INPUT) != 0 && (bits & STDIO_DETACH) == 0;
    if (reads_terminal && !input_is_terminal) return failure_set(failure, STEP_NOT_A_TTY, 0, "");
    run->start.stdio = bits;
    return 0;
}

static int open_null(int flags, struct failure *failure) {
    int null = open("/dev/null", flags | O_CLOEXEC);
    return null >= 0 ? null : failure_set(failure, STEP_STREAMS, errno, "");
}

/* The command's output into pipes that the launcher reads, for the log; a terminal's is read anyway. */
static int open_log(struct run *run, struct failure *failure) {
    run->streams.log = open(run->host.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (run->streams.log < 0) return failure_set(failure, STEP_LOG, errno, run->host.log);
    if ((run->start.stdio & STDIO_TERMINAL) != 0) return 0;
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return failure_set(failure, STEP_LOG, errno, run->host.log);
        run->streams.output[i] = ends[0];
        run->start.streams[1 + i] = ends[1];
    }
    return 0;
}

static int open_streams(struct run *run, struct failure *failure) {
    unsigned stdio = run->start.stdio;
    bool detached = (stdio & STDIO_DETACH) != 0, terminal = (stdio & STDIO_TERMINAL) != 0;
    if (((stdio & STDIO_INPUT) == 0 || detached) && (run->start.streams[0] = open_null(O_RDONLY, failure)) < 0)
        return -1;
    if (run->host.log != NULL) {
        if (open_log(run, failure) != 0) return -1;
    } else if (detached) {
        if ((run->start.streams[1] = run->start.streams[2] = open_null(O_WRONLY, failure)) < 0) return -1;
    }
    if (terminal) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            return failure_set(failure, STEP_TERMINAL, errno, "");
        run->streams.master = ends[0]; /* until the terminal comes through it */
        run->start.terminal_socket = ends[1];
    }
    return 0;
}

/* After process 1 has its copies: our own go, so that readers see the end of what the command writes. */
static void close_given_streams(struct run *run) {
    for (int i = 0; i < 3; i++) {
        int given = run->start.streams[i];
        if (given > 2) close(given);
        if (i == 1 && run->start.streams[2] == given) break;
    }
    if (run->start.terminal_socket < 0) {
        if ((run->start.stdio & STDIO_DETACH) != 0) return;
        close(STDIN_FILENO);
        if (run->streams.log < 0) close(STDOUT_FILENO);
        return;
    }
    close(run->start.terminal_socket);
    int socket = run->streams.master;
    run->streams.master = terminal_receive(socket);
    close(socket);
}

/* What a detached run tells the launcher that the user started: a report and, when it runs, the id. */
struct detached {
    struct report report;
    char id[SLOT_ID_DIGITS + 1];
};

static void tell_parent(struct run *run, const struct failure *failure) {
    struct detached message = {.report.kind = failure == NULL ? REPORT_STARTED : REPORT_FAILURE};
    if (run->parent < 0) return;
    if (failure != NULL) message.report.failure = *failure;
    memcpy(message.id, run->start.slots.id, sizeof message.id);
    ssize_t ignored = write(run->parent, &message, sizeof message);
    (void)ignored;
    close(run->parent);
    run->parent = -1;
}

/* Leaves the caller's streams and folder once the command runs, so that nothing waits for us. */
static void leave_caller(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; null >= 0 && i < 3; i++) dup2(null, i);
    if (null > 2) close(null);
    if (chdir("/") != 0) return;
}

/* Waits until a detached command has executed; false with the failure set when it has not. */
static bool await_started(struct run *run, struct failure *failure) {
    struct report report;
    ssize_t n = read(run->child.reports, &report, sizeof report);
    bool started = n == (ssize_t)sizeof report && report.kind == REPORT_STARTED;
    if (!started) {
        struct failure lost = {.step = STEP_LOST};
        *failure = n == (ssize_t)sizeof report && report.kind != REPORT_ENDED ? report.failure : lost;
    }
    tell_parent(run, started ? NULL : failure);
    leave_caller();
    return started;
}

/* Forks process 1 within the container's control group, if it has one. */
static int fork_limited(struct run *run, struct failure *failure) {
    const struct cgroup *cgroup = &run->host.bounds.cgroup;
    struct failure ignored = {0};
    if (cgroup_enter(cgroup, failure) != 0) return -1;
    int answer = child_fork(&run->start, &run->child, failure);
    if (answer != 0) cgroup_leave(cgroup, &ignored);
    return answer == 0 ? cgroup_leave(cgroup, failure) : -1;
}

/* What is to be said at the end, if the container came to a limit; here into its log. */
static struct failure last_words(struct run *run, const struct outcome *outcome) {
    struct failure limit = bounds_words(&run->host.bounds, outcome->status == STATUS_SIGNAL + SIGKILL);
    struct words words;
    char text[sizeof words.what + 16];
    if (limit.step == STEP_NONE || run->streams.log < 0) return limit;
    struct log_line line = {0};
    failure_words(&limit, &words);
    int length = snprintf(text, sizeof text, "wherry: %s\n", words.what);
    log_write(&line, run->streams.log, 1, text, (size_t)length);
    return limit;
}

/* From HOST operations to the end. RUN_FAILED with the failure set, or RUN_OVER with the outcome. */
static enum run_answer carry_out(struct run *run, struct outcome *outcome, struct failure *failure) {
    struct start *start = &run->start;
    switch (host_prepare(start, &run->host, failure)) {
    case HOST_STALE: return RUN_STALE;
    case HOST_FAILED: return RUN_FAILED;
    case HOST_READY: break;
    }
    descriptors_seal(); /* not before: Python, were the plan stale, must get all that we got */
    if (open_streams(run, failure) != 0 || fork_limited(run, failure) != 0) return RUN_FAILED;
    supervise_leave(start);
    if (child_map(start, &run->child, failure) != 0) return RUN_FAILED;
    host_started(start, &run->host, run->child.pid);
    close_given_streams(run);
    struct failure refused = {0};
    bool started = run->parent < 0 || await_started(run, &refused);
    wait_for(start, &run->host, &run->child, &run->streams, outcome, failure);
    supervise_end(start, outcome, failure);
    if (!started) *failure = refused; /* the report is read: what comes after it says less */
    return started && !outcome->failed ? RUN_OVER : RUN_FAILED;
}

static enum run_answer run_here(struct run *run, struct run_result *result, struct failure *failure) {
    struct outcome outcome = {0};
    struct words words;
    child_block_signals(&run->start.caller_mask, (run->start.stdio & STDIO_TERMINAL) != 0);
    enum run_answer answer = carry_out(run, &outcome, failure);
    if (answer == RUN_FAILED) {
        failure_words(failure, &words);
        outcome.status = words.status;
    }
    if (answer != RUN_OVER) tell_parent(run, failure);
    bounds_end(&run->host.bounds);
    result->limit = last_words(run, &outcome);
    host_finish(&run->start, &run->host, outcome.status, outcome.signal, &outcome.usage);
    result->status = outcome.status;
    if (outcome.interrupted && outcome.signal == SIGINT) result->signal = SIGINT;
    result->warning = run->host.warning;
    sigprocmask(SIG_SETMASK, &run->start.caller_mask, NULL);
    return answer;
}

/* Goes on in a process of its own; here waits until the command runs, and prints the id. */
static enum run_answer run_detached(struct run *run, struct run_result *result, struct failure *failure) {
    int ends[2];
    struct detached message;
    if (pipe2(ends, O_CLOEXEC) != 0) return failure_set(failure, STEP_DETACH, errno, ""), RUN_FAILED;
    pid_t child = fork();
    if (child < 0) return failure_set(failure, STEP_DETACH, errno, ""), RUN_FAILED;
    if (child == 0) {
        close(ends[0]);
        setsid();
        run->parent = ends[1];
        run_here(run, result, failure);
        _exit(0);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &message, sizeof message);
    if (n != (ssize_t)sizeof message) return failure_set(failure, STEP_LOST, 0, ""), RUN_FAILED;
    *failure = message.report.failure;
    if (message.report.kind == REPORT_FAILURE) return failure->step == STEP_LEASE || failure->step == STEP_MOUNTED ? RUN_STALE : RUN_FAILED;
    memcpy(result->id, message.id, sizeof message.id);
    return RUN_OVER;
}

enum run_answer run_plan(const struct front *front, char **environment, struct run_result *result,
                         struct failure *failure) {
    static const struct run nothing = {
        .start = {.streams = {-1, -1, -1}, .terminal_socket = -1, .mapped = -1, .packed = -1, .supervisor = -1},
        .host = {.running = -1},
        .streams = {.master = -1, .output = {-1, -1}, .log = -1},
        .parent = -1,
    };
    struct run run = nothing;
    run.start.plan = &front->plan;
    run.start.environment = environment;
    run.start.arguments = front->arguments;
    if (getcwd(run.cwd, sizeof run.cwd) != NULL) run.start.slots.cwd = run.cwd;
    const struct record *directory = plan_find(&front->plan, OP_CWD);
    if (directory != NULL) run.start.slots.directory = slots_fill(&run.start.slots, directory->field[0].s.bytes);
    run.start.command = command_argv(&front->plan, front->arguments, failure);
    if (run.start.command == NULL || choose_streams(&run, failure) != 0) return RUN_FAILED;
    if (named_widen(&run.start, &run.wider, failure) != 0) return RUN_FAILED;
    run.start.caller_umask = umask(0);
    enum run_answer answer =
        (run.start.stdio & STDIO_DETACH) != 0 ? run_detached(&run, result, failure) : run_here(&run, result, failure);
    umask(run.start.caller_umask);
    return answer;
}
