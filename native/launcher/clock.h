/* What the waiting launcher does by the clock: renews the lease, looks at what the container uses, and whether that with
 * which it ends is over. A container without limits wakes nobody but once an hour.
 */
#ifndef WHERRY_CLOCK_H
#define WHERRY_CLOCK_H

#include "child.h"
#include "host.h"

struct clock {
    struct host *host;
    const struct child *child;
    bool plain;                     /* no process 1 of a pid namespace: it must kill all itself */
    long long renewal, look, check; /* when they are due, in milliseconds; -1: never */
    long long end;                  /* when it is killed, having been asked to end; -1: not yet */
};

struct clock clock_start(const struct start *start, struct host *host, const struct child *child);

/* Milliseconds until something is due, -1: nothing ever is. */
int clock_wait(const struct clock *clock);

/* Does what is due. */
void clock_tick(struct clock *clock);

#endif
