/* A plan carried out, from its first operation to the end of the container. */
#ifndef WHERRY_RUN_H
#define WHERRY_RUN_H

#include "fail.h"
#include "front.h"
#include "slots.h"

enum run_answer { RUN_OVER, RUN_STALE, RUN_FAILED };

struct run_result {
    int status;             /* to exit with */
    int signal;             /* to die of instead, so that a shell's loop stops at Ctrl-C; or 0 */
    char id[SLOT_ID_DIGITS + 1]; /* of a detached container: to print; else empty */
    struct failure warning; /* something beside the container failed; step NONE when not */
    struct failure limit;   /* the container came to a limit: the last words on it; step NONE when not */
};

/* RUN_STALE: the lease has ended, nothing happened. RUN_FAILED: the failure says why; the status is in its words. */
enum run_answer run_plan(const struct front *front, char **environment, struct run_result *result,
                         struct failure *failure);

#endif
