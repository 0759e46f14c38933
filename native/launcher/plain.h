/* Containers without namespaces (PLAIN): a program of the host, such as proot, starts the command, and what the kernel does
 * for a pid namespace is done by a child subreaper: whoever loses its parent becomes our child, and is killed at the end.
 */
#ifndef WHERRY_PLAIN_H
#define WHERRY_PLAIN_H

#include "fail.h"

#include <stdbool.h>
#include <sys/types.h>

/* Comes to the process that called plain_adopt() when its parent has died. */
#define PLAIN_ORPHANED (SIGRTMAX - 1)

/* Descendants that lose their parent come to us. */
int plain_adopt(struct failure *failure);

/* Comes to it from inside when the command has ended, whether the wrapper ends or not. */
#define PLAIN_OVER (SIGRTMAX - 2)

/* The first process among all descendants of ours that has this name (proc_pid_comm(5)), 0 when there is none. */
pid_t plain_named(const char *name);

/* The first child of a process, 0 when it has none. */
pid_t plain_child_of(pid_t parent);

/* Lets PLAIN_ORPHANED come when the container of this RUNNING file ends. */
int plain_follow(const char *running, struct failure *failure);

/* Kills and reaps all descendants, those of a program that forks meanwhile too; returns when nobody is left. `wrapper`, if
   it still runs, goes last: a process that loses proot would go on with the host's own paths. */
void plain_kill_all(pid_t wrapper);

#endif
