/* What the processes of a container use, looked up in /proc: for limits that no control group keeps (WATCH).
 *
 * Memory is what only the end of a process gives back: anonymous and shared memory that is resident. Mapped files are not
 * counted, since the kernel drops their pages when it needs them.
 */
#ifndef WHERRY_WATCH_H
#define WHERRY_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct watch_use {
    uint64_t bytes, tasks; /* tasks: processes and their threads */
    unsigned processes;
};

/* Looks at process 1 of a container (which is not counted) and all that came from it. `precise`: memory that several
   processes share counts once, which takes the kernel long for large ones. False when process 1 has gone. */
bool watch_look(pid_t first, bool precise, struct watch_use *use);

#endif
