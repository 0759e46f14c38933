/* One start of a container: what all parts of the launcher share. Made by main.c, filled in by host.c, and copied by
   fork into the container's first process. */
#ifndef WHERRY_START_H
#define WHERRY_START_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "fail.h"
#include "plan.h"
#include "slots.h"

enum { STDIO_INPUT = 1, STDIO_TERMINAL = 2, STDIO_DETACH = 4, STDIO_TERMINAL_IF = 8 };

struct start {
    const struct plan *plan;
    char **environment; /* the caller's */
    char **arguments;   /* after the plan's prefix */
    char **command;     /* the whole argv of the command */
    struct slots slots;
    unsigned stdio;
    const struct record *namespace, *join, *plain; /* one of them is set */
    const struct record *inside; /* with plain, or NULL: we start the command from inside (inside.h) */
    const char *handover;        /* with inside: files by which it learns what to start (handover.h), or NULL */
    int mapped;                  /* with IDMAP: process 1 reads here that its ids are mapped; else -1 */
    const char *follow;          /* the RUNNING file of the container that we end with, or NULL */
    int packed;                  /* with MOUNTED: the image's mount, where it is in another namespace; else -1 */
    int supervisor;              /* with SUPERVISE: the socket to it, or -1 */
    pid_t supervisor_process;    /* 0: none */
    const char *turns;           /* from inside: where the command may run (turns.h), or NULL */
    int reports;                 /* with inside: what process 1 would report is written here from inside */
    sigset_t caller_mask;
    mode_t caller_umask;
    int streams[3]; /* what the command gets as 0, 1, 2; -1: the caller's own */
    int terminal_socket; /* where the terminal's master is sent to, or -1 */
    unsigned char *source_kinds; /* for each record: enum source_kind of a BIND */
};

enum source_kind { SOURCE_NONE, SOURCE_FILE, SOURCE_DIRECTORY };

/* A field of a record with its slots filled. NULL, with the failure set, where a value is missing. */
const char *start_text(const struct start *start, const struct record *record, int field, struct failure *failure);

/* A list of a record as NULL-terminated array, slots filled. */
char **start_list(const struct start *start, struct plan_list list, struct failure *failure);

#endif
