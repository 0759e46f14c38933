/* SUPERVISE: a program of ours (native/supervisor) answers calls of the container's processes, so that these seem to have
 * all ids. It is started before the container and stays outside of it; the process that becomes the command installs the
 * filter and hands it the listener (native/supervisor/join.h is its side of this).
 */
#ifndef WHERRY_SUPERVISE_H
#define WHERRY_SUPERVISE_H

#include "child.h"
#include "start.h"

/* In the launcher: starts it. */
int supervise_start(struct start *start, const struct record *record, struct failure *failure);

/* In the launcher, once process 1 exists: our own end of the socket goes, so that it sees when nobody else has it. */
void supervise_leave(struct start *start);

/* In process 1: a directory that was made for somebody is theirs, as the supervisor remembers it. errno set on -1. */
int supervise_own(const char *folder, uint64_t uid, uint64_t gid);

/* In the child that becomes the command, before its capabilities go; from here on its calls are answered. */
int supervise_enter(const struct start *start, struct failure *failure);

/* In the launcher, when the container has ended: waits until it has remembered all. That it could not is a failure of the
   start, whatever the command said. */
void supervise_end(const struct start *start, struct outcome *outcome, struct failure *failure);

#endif
