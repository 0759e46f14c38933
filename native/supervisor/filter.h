/* Which calls are notified, as a filter for seccomp(2), and who answers each: from one table, calls.def. */
#ifndef SUPERVISOR_FILTER_H
#define SUPERVISOR_FILTER_H

#include <stddef.h>

#include "world.h"

enum { FILTER_ROOM = 512 };

/* The filter's length in steps. `judged`: of a step that starts as another than root. Calls of other architectures (32-bit
   programs) pass. */
size_t filter_make(struct kernel_step steps[FILTER_ROOM], bool judged);

/* Who answers a call; NULL for one that no filter of ours notifies. */
answer filter_answer(int number);

#endif
