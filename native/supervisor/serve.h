/* Answering, until no process is left that could ask. */
#ifndef SUPERVISOR_SERVE_H
#define SUPERVISOR_SERVE_H

#include "world.h"

/* One worker answers. While one hangs (a file system that does not answer), another is started, up to a handful. False
   when none could be. */
bool serve(struct world *world);

#endif
