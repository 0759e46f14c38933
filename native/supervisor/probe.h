/* Whether the kernel, and whoever surrounds us, lets a process be supervised: found by doing. */
#ifndef SUPERVISOR_PROBE_H
#define SUPERVISOR_PROBE_H

/* Prints a line: "fast" (6.6: the answer wakes the caller on the same processor), "slow", or "no: STEP: what errno says".
   The exit status: 0, or 1 for no. */
int probe(void);

#endif
