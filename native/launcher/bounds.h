/* What bounds a container as a whole, and whether it came to that: by its control group (cgroup.h), or by our looking at
 * it (watch.h) where it can have none.
 */
#ifndef WHERRY_BOUNDS_H
#define WHERRY_BOUNDS_H

#include <sys/types.h>

#include "cgroup.h"
#include "start.h"

struct limit_hit {
    enum { LIMIT_NONE, LIMIT_MEMORY, LIMIT_PROCESSES } kind;
    uint64_t value, peak;
};

struct bounds {
    struct cgroup cgroup;
    uint64_t bytes, tasks; /* what we look for, 0: not at that */
    uint64_t peak;         /* of memory, 0: nobody measured */
    struct limit_hit hit;
};

/* WATCH. */
void bounds_watch(struct bounds *bounds, const struct record *record);

/* PROCESSORS: whether this process may use so many. */
bool bounds_processors(uint64_t wanted);

/* AFFINITY, in process 1: keeps to some of the processors that we may use. */
int bounds_affinity(const struct start *start, struct failure *failure);

/* Looks at what came from process 1 `first`. True when it is beyond a limit: the caller ends the container. */
bool bounds_reached(struct bounds *bounds, pid_t first);

/* When all has ended: what the control group tells. */
void bounds_end(struct bounds *bounds);

/* Which limit was reached, as records name it: memory, processes; empty: none. */
const char *bounds_name(const struct bounds *bounds);

/* The last words on a container that reached a limit; `killed`: it was ended for it. */
struct failure bounds_words(const struct bounds *bounds, bool killed);

#endif
