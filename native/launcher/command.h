/* The COMMAND operations: in the child that becomes the command. */
#ifndef WHERRY_COMMAND_H
#define WHERRY_COMMAND_H

#include "start.h"

/* The command's argv: entry point, then the caller's arguments or else the image's. NULL: failure set. */
char **command_argv(const struct plan *plan, char **arguments, struct failure *failure);

/* Becomes the command. Returns only on failure, with it filled in. `terminal` is the slave of its terminal, or -1.
   Allocates nothing that must outlive it: it may run on its parent's memory (vfork). */
void command_become(const struct start *start, char **environment, int terminal, struct failure *failure);

#endif
