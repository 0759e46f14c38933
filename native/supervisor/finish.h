/* When the step is over: what lies in the upper directory shall say itself whose it is. */
#ifndef SUPERVISOR_FINISH_H
#define SUPERVISOR_FINISH_H

#include "world.h"

/* Files of the layers below that were copied up get what these say of them; for what cannot carry attributes there is a
   file `owners` in `beside`, a line of JSON each. `upper` and `beside` are descriptors. -1 with errno set. */
int finish(struct world *world, int upper, int beside);

#endif
