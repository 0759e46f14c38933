#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "terminal.h"

enum { CHUNK = 16 << 10 };

/* Bytes on their way in one direction. */
struct flow {
    int from, to;
    size_t at, length;
    char bytes[CHUNK];
};

struct relay {
    const struct child *child;
    const struct streams *streams;
    struct flow input;
    struct flow output[2]; /* to the caller's stdout and stderr; to -1 where there is none */
    struct terminal terminal;
    struct log_line line[2];
    bool over;        /* process 1 has ended */
    bool asked;       /* to end: then nothing is waited for that the caller does not read */
    bool interrupted; /* by Ctrl-C */
};

static bool ended(const struct child *child) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child->pid;
}

/* No bytes to pass on: the cheapest loop. */
static void wait_plainly(struct clock *clock, const struct child *child, bool same_group, struct outcome *outcome) {
    sigset_t set;
    siginfo_t info;
    child_signals(&set, false);
    for (;;) {
        int wait = clock_wait(clock);
        const struct timespec pause = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000L};
        int number = sigtimedwait(&set, &info, wait < 0 ? NULL : &pause);
        if (number < 0 && errno == EAGAIN) clock_tick(clock);
        if (number <= 0) continue;
        if (number == SIGCHLD) {
            if (ended(child)) return;
            continue;
        }
        if (number == SIGINT && info.si_code == SI_KERNEL) outcome->interrupted = true;
        child_forward(child, &info, same_group);
    }
}

/* One read of the command's output, the flow being empty. False when it is over. */
static bool take_output(struct relay *relay, int from, int stream) {
    struct flow *flow = &relay->output[stream];
    ssize_t n = read(from, flow->bytes, sizeof flow->bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n <= 0) return false; /* EIO of a master: nobody has the slave open any more */
    if (relay->streams->log >= 0)
        log_write(&relay->line[stream], relay->streams->log, stream, flow->bytes, (size_t)n);
    flow->at = 0;
    flow->length = flow->to >= 0 ? (size_t)n : 0;
    return true;
}

/* No more than a pipe that is ready surely takes, so that signals are never kept waiting. False when nobody reads. */
static bool give_output(struct flow *flow) {
    ssize_t n = write(flow->to, flow->bytes + flow->at, flow->length < PIPE_BUF ? flow->length : PIPE_BUF);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n < 0) {
        flow->to = -1;
        flow->length = 0;
        return false;
    }
    flow->at += (size_t)n;
    flow->length -= (size_t)n;
    return true;
}

/* From the caller's terminal to the container's, never waiting for a command that does not read. */
static void pass_input(struct flow *flow, short events, short ready_events) {
    if (flow->length > 0 && ready_events != 0) {
        ssize_t n = write(flow->to, flow->bytes + flow->at, flow->length);
        if (n > 0) {
            flow->at += (size_t)n;
            flow->length -= (size_t)n;
        }
    }
    if (flow->length == 0 && events != 0) {
        ssize_t n = read(flow->from, flow->bytes, sizeof flow->bytes);
        flow->at = 0;
        if (n > 0) flow->length = (size_t)n;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) flow->from = -1;
    }
}

static void stop_ourselves(struct relay *relay) {
    terminal_restore(&relay->terminal);
    raise(SIGSTOP);
    terminal_raw(&relay->terminal);
    terminal_resize(relay->streams->master);
}

static void take_signal(struct relay *relay, int signals, bool same_group) {
    struct signalfd_siginfo read_info;
    while (read(signals, &read_info, sizeof read_info) == (ssize_t)sizeof read_info) {
        siginfo_t info = {.si_signo = (int)read_info.ssi_signo, .si_code = read_info.ssi_code};
        if (info.si_signo == SIGCHLD && ended(relay->child)) relay->over = true;
        if (info.si_signo == SIGWINCH && relay->streams->master >= 0) terminal_resize(relay->streams->master);
        if (info.si_signo == SIGTSTP) stop_ourselves(relay);
        if (info.si_signo == SIGINT && info.si_code == SI_KERNEL) relay->interrupted = true;
        if (info.si_signo != SIGCHLD && info.si_signo != SIGWINCH && info.si_signo != SIGTSTP) relay->asked = true;
        child_forward(relay->child, &info, same_group);
    }
}

enum { SIGNALS, INPUT, MASTER, FIRST, SECOND, TO_FIRST, TO_SECOND, COUNT };

/* What to wait for: nothing is read of the command before what it wrote last has been passed on. */
static void set_polls(struct pollfd polls[COUNT], const struct relay *relay, const int source[COUNT]) {
    for (int i = MASTER; i <= SECOND; i++) {
        bool full = relay->output[i == SECOND].length > 0;
        short events = (short)((full ? 0 : POLLIN) | (i == MASTER && relay->input.length > 0 ? POLLOUT : 0));
        polls[i] = (struct pollfd){.fd = events != 0 ? source[i] : -1, .events = events};
    }
    for (int i = 0; i < 2; i++) {
        const struct flow *flow = &relay->output[i];
        polls[TO_FIRST + i] = (struct pollfd){.fd = flow->length > 0 ? flow->to : -1, .events = POLLOUT};
    }
    polls[INPUT] = (struct pollfd){.fd = relay->input.length == 0 ? relay->input.from : -1, .events = POLLIN};
}

static void pass_outputs(struct relay *relay, const struct pollfd polls[COUNT], int source[COUNT]) {
    for (int i = 0; i < 2; i++) {
        int *from = &source[FIRST + i];
        if (polls[TO_FIRST + i].revents == 0 || give_output(&relay->output[i]) || *from < 0) continue;
        close(*from); /* the command is told as if it had written there itself */
        *from = -1;
    }
    for (int i = MASTER; i <= SECOND; i++)
        if (source[i] >= 0 && (polls[i].revents & ~POLLOUT) != 0 && relay->output[i == SECOND].length == 0 &&
            !take_output(relay, source[i], i == SECOND))
            source[i] = -1;
}

static void relay_all(struct clock *clock, struct relay *relay, bool same_group) {
    const struct streams *streams = relay->streams;
    int source[COUNT] = {[MASTER] = streams->master, [FIRST] = streams->output[0], [SECOND] = streams->output[1]};
    sigset_t set;
    child_signals(&set, streams->master >= 0);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd polls[COUNT] = {[SIGNALS] = {.fd = signals, .events = POLLIN}};
    relay->over = ended(relay->child);
    for (;;) {
        bool waits = !relay->asked && (relay->output[0].length > 0 || relay->output[1].length > 0);
        bool over = relay->over && !waits;
        int timeout = over ? 0 : clock_wait(clock);
        set_polls(polls, relay, source);
        int ready = poll(polls, COUNT, timeout);
        if (ready == 0 && over) break; /* all that it wrote has been read */
        if (ready == 0 || timeout == 0) clock_tick(clock); /* also where there is always something to pass on */
        if (ready <= 0) continue;
        if (polls[SIGNALS].revents != 0) take_signal(relay, signals, same_group);
        pass_input(&relay->input, polls[INPUT].revents, polls[MASTER].revents & POLLOUT);
        pass_outputs(relay, polls, source);
        if (source[MASTER] < 0) relay->input.from = -1, relay->input.length = 0;
    }
    close(signals);
}

void wait_for(const struct start *start, struct host *host, const struct child *child,
              const struct streams *streams, struct outcome *outcome, struct failure *failure) {
    bool same_group = streams->master < 0;
    struct clock clock = clock_start(start, host, child);
    if (streams->master < 0 && streams->output[0] < 0) {
        wait_plainly(&clock, child, same_group, outcome);
    } else {
        struct relay *relay = calloc(1, sizeof *relay);
        if (relay != NULL) {
            bool from_caller =
                streams->master >= 0 && (start->stdio & STDIO_INPUT) != 0 && (start->stdio & STDIO_DETACH) == 0;
            relay->child = child;
            relay->streams = streams;
            relay->input.from = from_caller ? STDIN_FILENO : -1;
            relay->input.to = streams->master;
            bool to_caller = (start->stdio & STDIO_DETACH) == 0;
            relay->output[0].to = to_caller ? STDOUT_FILENO : -1;
            relay->output[1].to = to_caller ? STDERR_FILENO : -1;
            if (streams->log >= 0) signal(SIGPIPE, SIG_IGN); /* a reader that goes must not end the launcher */
            if (streams->master >= 0) fcntl(streams->master, F_SETFL, O_RDWR | O_NONBLOCK);
            if (streams->master >= 0) terminal_resize(streams->master);
            if (from_caller) terminal_raw(&relay->terminal);
            relay_all(&clock, relay, same_group);
            outcome->interrupted = relay->interrupted && same_group;
            terminal_restore(&relay->terminal);
            for (int i = 0; i < 2; i++)
                if (streams->log >= 0) log_flush(&relay->line[i], streams->log, i);
            free(relay);
        }
    }
    child_collect(child, outcome, failure);
}
