/* Processes: the container's first one (pid 1: builds the container, starts the command, reaps, forwards signals, ends
 * as the command ends), and the launcher's waiting for it.
 *
 * Who dies with whom: process 1 asks to be killed when the launcher dies; all in its pid namespace die with process 1.
 */
#ifndef WHERRY_CHILD_H
#define WHERRY_CHILD_H

#include <stdnoreturn.h>
#include <sys/resource.h>

#include "start.h"

/* What process 1 tells the launcher through a pipe; one write each, so that none is torn. */
struct report {
    enum { REPORT_FAILURE, REPORT_STARTED, REPORT_ENDED, REPORT_WRAPPED } kind;
    int status; /* of waitpid(2), with REPORT_ENDED; REPORT_WRAPPED counts only where nothing else was told */
    struct failure failure;
};

struct child {
    pid_t pid;   /* process 1, or for JOIN the process that joined */
    int reports; /* the pipe's reading end */
    int maps;    /* with IDMAP: where it is told that its ids are mapped (idmap.h); else -1 */
};

/* Forks process 1. All signals that are forwarded must be blocked (child_block_signals). */
int child_fork(const struct start *start, struct child *child, struct failure *failure);

/* Outside, where the plan has IDMAP: has its ids mapped. When that fails process 1 is gone. */
int child_map(const struct start *start, const struct child *child, struct failure *failure);

/* From inside (inside.h): starts the command, waits for it and reports, as process 1 (`first` here) does elsewhere. */
noreturn void child_attend(const struct start *start, char **environment, pid_t first, bool same_group);

/* From inside, handed over (handover.h): starts the command, waits for it, hands signals on to it and reports. */
noreturn void child_handed(const struct start *start, char **environment);

/* Blocks what is forwarded, remembers the caller's mask. */
void child_block_signals(sigset_t *caller_mask, bool terminal);
/* The set that is blocked: what child_next_signal() and a signalfd read. */
void child_signals(sigset_t *set, bool terminal);

/* Hands a signal that the launcher got on to process 1, unless the command got it itself (from the terminal). */
void child_forward(const struct child *child, const siginfo_t *info, bool same_group);

/* Sends the command a signal. */
void child_tell(const struct child *child, int number);

/* What became of the command. */
struct outcome {
    int status, signal; /* the exit status as a shell shows it, the signal that ended it or 0 */
    bool failed;        /* it never ran: the failure says why */
    bool interrupted;   /* Ctrl-C on the terminal ended it */
    struct rusage usage;
};

/* Reaps process 1, which must have ended or be about to. */
void child_collect(const struct child *child, struct outcome *outcome, struct failure *failure);

#endif
