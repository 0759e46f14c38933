/* Containers without namespaces (PLAIN): a program of the host, such as proot, starts the command, and what the kernel does
 * for a pid namespace is done by a child subreaper: whoever loses its parent becomes our child, and is killed at the end.
 */
#ifndef WHERRY_PLAIN_H
#define WHERRY_PLAIN_H

#include "fail.h"

/* Comes to the process that called plain_adopt() when its parent has died. */
#define PLAIN_ORPHANED (SIGRTMAX - 1)

/* Descendants that lose their parent come to us. */
int plain_adopt(struct failure *failure);

/* Kills and reaps all descendants, those of a program that forks meanwhile too; returns when nobody is left. */
void plain_kill_all(void);

#endif
