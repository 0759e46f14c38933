/* The launcher while the container runs: waits, forwards signals, renews the lease, passes bytes of a terminal or a log. */
#ifndef WHERRY_WAIT_H
#define WHERRY_WAIT_H

#include "child.h"
#include "host.h"

/* Where bytes come from and go to; -1 where there is none. */
struct streams {
    int master;    /* of the container's terminal */
    int output[2]; /* the reading ends of the command's stdout and stderr, with a log */
    int log;       /* the json-file log, or -1 */
};

/* Until the container is over; collects it. What is read goes to the log and, unless detached, to the caller. */
void wait_for(const struct start *start, struct host *host, const struct child *child,
              const struct streams *streams, struct outcome *outcome, struct failure *failure);

#endif
