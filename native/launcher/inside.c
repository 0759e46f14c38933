#include "inside.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "handover.h"
#include "turns.h"

static uint64_t mask_bits(const sigset_t *set) {
    uint64_t bits = 0;
    memcpy(&bits, set, sizeof bits); /* one bit a signal, in every C library of Linux */
    return bits;
}

char **inside_arguments(const struct start *start, size_t variables, pid_t first, struct failure *failure) {
    const struct record *folder = plan_find(start->plan, OP_CWD);
    const char *path = folder == NULL ? "/" : start_text(start, folder, 0, failure);
    char **words = calloc(INSIDE_COMMAND, sizeof *words);
    if (path == NULL || words == NULL) return NULL;
    bool made = asprintf(&words[INSIDE_REPORTS - 1], "%d", start->reports) > 0 &&
                asprintf(&words[INSIDE_FIRST - 1], "%d", (int)first) > 0 &&
                asprintf(&words[INSIDE_VARIABLES - 1], "%zu", variables) > 0 &&
                asprintf(&words[INSIDE_MASK - 1], "%" PRIx64, mask_bits(&start->caller_mask)) > 0;
    words[INSIDE_GROUP - 1] = (start->stdio & STDIO_TERMINAL) == 0 ? "1" : "0";
    words[INSIDE_TURNS - 1] = (char *)(plan_find(start->plan, OP_TURNS) != NULL ? turns_begin() : "");
    words[INSIDE_MAKE - 1] = folder != NULL && folder->field[1].u == 1 ? "1" : "0";
    words[INSIDE_FOLDER - 1] = (char *)path;
    return made ? words : (failure_set(failure, STEP_MEMORY, 0, ""), NULL);
}

bool inside_asked(int argc, char **argv) {
    const char *slash = argc == INSIDE_HANDED || argc > INSIDE_COMMAND ? strrchr(argv[0], '/') : NULL;
    return slash != NULL && strcmp(slash + 1, INSIDE_NAME) == 0;
}

/* What was handed over; who started us has no pipe to learn what went wrong. */
static char **taken(const char *base, struct start *start, struct record *confine, char ***environment) {
    struct handed handed = {0};
    struct failure failure = {0};
    struct words said;
    if (handover_take(base, &handed, &failure) != 0) {
        failure_words(&failure, &said);
        fprintf(stderr, "wherry: %s: %s\n", said.what, said.why);
        _exit(STATUS_WHERRY_FAILED);
    }
    *confine = handed.confine;
    *environment = handed.environment;
    start->reports = handed.reports;
    start->caller_umask = handed.mask;
    return handed.words;
}

noreturn void inside_run(int argc, char **argv, char **environment) {
    struct record records[2] = {{.kind = OP_CWD, .phase = PHASE_COMMAND}}, *folder = &records[0];
    struct plan plan = {.records = records, .count = 1};
    struct start start = {.plan = &plan, .streams = {-1, -1, -1}, .terminal_socket = -1, .mapped = -1, .packed = -1, .supervisor = -1};
    bool handed = argc == INSIDE_HANDED;
    sigset_t unused;
    start.caller_umask = umask(022);
    if (handed) {
        child_block_signals(&unused, false);
        argv = taken(argv[1], &start, &records[1], &environment);
        if (records[1].kind != 0) plan.count = 2;
    } else {
        start.reports = atoi(argv[INSIDE_REPORTS]);
        fcntl(start.reports, F_SETFD, FD_CLOEXEC);
    }
    uint64_t mask = strtoull(argv[INSIDE_MASK], NULL, 16);
    folder->field[0].s.bytes = argv[INSIDE_FOLDER];
    folder->field[1].u = argv[INSIDE_MAKE][0] == '1';
    memcpy(&start.caller_mask, &mask, sizeof mask);
    start.command = argv + INSIDE_COMMAND;
    start.turns = argv[INSIDE_TURNS];
    if (handed) child_handed(&start, environment);
    for (int own = atoi(argv[INSIDE_VARIABLES]); own > 0 && *environment != NULL; own--) environment++;
    child_attend(&start, environment, atoi(argv[INSIDE_FIRST]), argv[INSIDE_GROUP][0] == '1');
}
