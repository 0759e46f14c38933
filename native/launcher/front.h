/* The front: which plan fits this command line, and does it still hold? It knows no option but `run --plan FILE`. */
#ifndef WHERRY_FRONT_H
#define WHERRY_FRONT_H

#include <stdbool.h>

#include "fail.h"
#include "plan.h"

struct front {
    struct plan plan;
    unsigned char *bytes; /* what the plan points into */
    char **arguments;     /* argv after the prefix, or after `--` */
    bool named;           /* by `run --plan FILE`: nothing to fall back on */
    char reason[512];     /* why no saved plan is used, for WHERRY_EXPLAIN=plan */
};

enum front_answer { FRONT_START, FRONT_ANSWER, FRONT_PLAN_ANEW, FRONT_FAILED };

/* Finds, reads and checks the plan for a command line. FRONT_START: `front->plan` holds, the lease is for the caller to
   check; FRONT_ANSWER: it holds, and starts nothing (answer.h); FRONT_PLAN_ANEW: `front->reason` says why; FRONT_FAILED:
   only for a named plan. */
enum front_answer front_find(int argc, char **argv, char **environment, struct front *front, struct failure *failure);

#define FRONT_ASIDE "WHERRY_ASIDE_" /* wherry.base.outside knows it too */

/* Executes Python (`wherry-python`, beside this program) with the same arguments. Returns only on failure: -1. The face
   is handed on as WHERRY_FACE when it is not `wherry`, for a script does not see its argv[0]. PYTHONPATH and PYTHONHOME,
   which sites' modules set for another Python, go by another name meanwhile (FRONT_ASIDE). */
int front_hand_over(char **argv, char **environment, struct failure *failure);

/* The value of a variable, or NULL. */
const char *front_variable(char **environment, const char *name);

#endif
