/* wherry: find the saved plan for this command line and carry it out, or hand over to Python.
 *
 *   front.c inputs.c     which plan, and does it still hold?
 *   plan.c slots.c       its bytes, its blanks
 *   answer.c             says what Python would say, or
 *   run.c                carries it out:
 *     host.c record.c      what happens outside (id, lease, scratch folder, record)
 *       spare.c              scratch folders used again
 *       packed.c             images that are mounted, not unpacked
 *     child.c userns.c     process 1 in new namespaces,
 *       plain.c              or a subreaper without any
 *       idmap.c              with other ids than the caller's
 *       inside.c copy.c        and what it needs, such as ourselves once more inside,
 *       turns.c                on one processor while it starts,
 *       handover.c             by files where no words and descriptors come through
 *     mounts.c overlay.c   the container's file system
 *       binds.c targets.c
 *       points.c             mount points that the image lacks
 *     command.c env.c      the command: streams, environment, directory, limits
 *       confine.c            and what it may no longer do
 *     wait.c terminal.c    signals, terminal, log, exit status
 *       log.c clock.c until.c  the lease, and what the container ends with
 *     bounds.c cgroup.c    what it may use as a whole
 *       watch.c
 *   fail.c               what went wrong, in words
 *
 * docs/explanation/launch-path.md tells the story. Only this file prints and exits.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "fail.h"
#include "front.h"
#include "inside.h"
#include "run.h"

static int report(const struct failure *failure) {
    struct words words;
    failure_words(failure, &words);
    fprintf(stderr, "wherry: %s%s%s\n", words.what, words.why[0] != 0 ? ": " : "", words.why);
    if (words.hint[0] != 0) fprintf(stderr, "  next: %s\n", words.hint);
    return words.status;
}

/* The status that the plan wants for a start that failed: a peer's programs know its own. */
static int failed(const struct plan *plan, int status) {
    const struct record *said = plan_find(plan, OP_FAILED);
    return said == NULL ? status : (int)said->field[0].u;
}

static void explain(const char *reason, char **environment) {
    const char *wanted = front_variable(environment, "WHERRY_EXPLAIN");
    if (wanted != NULL && strcmp(wanted, "plan") == 0) fprintf(stderr, "wherry: planning anew: %s\n", reason);
}

/* Gives the answer of a plan that has one; false where it could not. */
static bool is_answered(const struct front *front, int *status) {
    struct failure failure = {0};
    switch (answer_give(&front->plan, &failure)) {
    case ANSWER_NONE: return false;
    case ANSWER_GIVEN: *status = 0; break;
    case ANSWER_CUT: *status = failure.error == EPIPE ? STATUS_SIGNAL + SIGPIPE : report(&failure); break;
    }
    return true;
}

/* Ends as the container ended. */
static int finish(const struct run_result *result) {
    if (result->warning.step != STEP_NONE) report(&result->warning);
    if (result->limit.step != STEP_NONE) report(&result->limit);
    if (result->id[0] != 0 && (puts(result->id) < 0 || fflush(stdout) != 0)) return STATUS_WHERRY_FAILED;
    if (result->signal != 0) {
        signal(result->signal, SIG_DFL);
        raise(result->signal);
    }
    return result->status;
}

int main(int argc, char **argv, char **environment) {
    struct front front;
    struct failure failure = {0};
    struct run_result result = {0};
    if (inside_asked(argc, argv)) inside_run(argc, argv, environment);
    switch (front_find(argc, argv, environment, &front, &failure)) {
    case FRONT_FAILED: return report(&failure);
    case FRONT_PLAN_ANEW: explain(front.reason, environment); break;
    case FRONT_ANSWER:
        if (is_answered(&front, &result.status)) return result.status;
        break;
    case FRONT_START:
        switch (run_plan(&front, environment, &result, &failure)) {
        case RUN_OVER: return finish(&result);
        case RUN_FAILED: return failed(&front.plan, report(&failure));
        case RUN_STALE: break;
        }
        if (front.named) return report(&failure);
        explain(failure.step == STEP_MOUNTED ? "the image is not mounted" : "the image's lease has ended", environment);
        break;
    }
    front_hand_over(argv, environment, &failure);
    return report(&failure);
}
