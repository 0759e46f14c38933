/* The launcher once more, started inside by a program such as proot (INSIDE): there it is what process 1 is elsewhere, so
 * that looking up the command, its directory, signals, exit status and messages are the same under every engine.
 *
 * Its arguments are made by command.c and are nobody else's business.
 */
#ifndef WHERRY_INSIDE_H
#define WHERRY_INSIDE_H

#include <stdbool.h>
#include <stdnoreturn.h>

#include "start.h"

#define INSIDE_NAME "wherry-inside"

/* What stands between our path and the command: report pipe, process 1, how many variables of the environment are the
   wrapper's own, whether the command is in the caller's process group, the caller's signal mask, where it may run
   (turns.h), whether to make the directory, the directory. */
/* (Or our path and where the files of HANDOVER are shown: see handover.h.) */
enum { INSIDE_REPORTS = 1, INSIDE_FIRST, INSIDE_VARIABLES, INSIDE_GROUP, INSIDE_MASK, INSIDE_TURNS, INSIDE_MAKE,
       INSIDE_FOLDER, INSIDE_COMMAND, INSIDE_HANDED = 2 };

/* Those arguments for a start, INSIDE_COMMAND - 1 of them; NULL with the failure set. */
char **inside_arguments(const struct start *start, size_t variables, pid_t first, struct failure *failure);

/* Whether we are started so. */
bool inside_asked(int argc, char **argv);
noreturn void inside_run(int argc, char **argv, char **environment);

#endif
