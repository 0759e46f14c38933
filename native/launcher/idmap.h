/* Ids beside the caller's own in a new user namespace: newuidmap(1) and newgidmap(1) write its maps from outside, since
 * only they may (IDMAP); the command then becomes one of these ids (IDS), and what they leave on disk is removed with
 * their rights.
 */
#ifndef WHERRY_IDMAP_H
#define WHERRY_IDMAP_H

#include <stdbool.h>

#include "start.h"

/* Two ends through which the launcher tells a child that its maps stand; -1 with the failure set. */
int idmap_channel(int ends[2], struct failure *failure);

/* In the launcher: has the maps of `child` written, then tells it. Closes `end` in any case: a child that was told nothing
   ends. A SIGCHLD that came meanwhile comes again. */
int idmap_grant(const struct start *start, pid_t child, int end, struct failure *failure);

/* In the child, before all that needs its ids: waits for the word. Ends the process when there comes none. */
void idmap_await(int end);

/* In the child that becomes the command: its groups (an empty list: as they are), group and user. */
int idmap_become(const struct start *start, int terminal, struct failure *failure);

/* As files_remove_tree(), for files of all ids that IDMAP maps. */
int idmap_remove_tree(const struct start *start, const char *path);

#endif
