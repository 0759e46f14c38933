/* The container's own control group (CGROUP): made before the start, read and removed at the end.
 *
 * The launcher enters it for the moment of the fork and goes back, so that process 1 and all that comes from it are in
 * it from their first instruction on. See cgroups(7) and the kernel's cgroup-v2.rst.
 */
#ifndef WHERRY_CGROUP_H
#define WHERRY_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "start.h"

struct cgroup {
    const char *folder; /* the container's; NULL when there is none */
    const char *home;   /* the launcher's own */
    bool joined;        /* it is another container's (MEMBER): not ours to end */
};

/* What it tells at its end; 0 where the kernel does not say. */
struct cgroup_use {
    uint64_t memory, memory_limit; /* bytes: the peak, memory.max */
    uint64_t tasks, task_limit;    /* pids.peak, pids.max: both without process 1 */
    bool memory_reached;           /* the kernel ended processes for it */
    bool tasks_reached;            /* forks were refused */
};

/* CGROUP: makes the folder and writes what limits it. */
int cgroup_make(const struct start *start, const struct record *record, struct cgroup *cgroup, struct failure *failure);

/* MEMBER: the group of the container that is joined. */
int cgroup_join(const struct start *start, const struct record *record, struct cgroup *cgroup, struct failure *failure);

/* Around the fork. Nothing where there is none. */
int cgroup_enter(const struct cgroup *cgroup, struct failure *failure);
int cgroup_leave(const struct cgroup *cgroup, struct failure *failure);

/* Kills what is left in it, reads it, removes it. */
struct cgroup_use cgroup_end(const struct cgroup *cgroup);

#endif
