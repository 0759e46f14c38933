/* Namespaces and id maps: making new ones, entering those of a running container. */
#ifndef WHERRY_USERNS_H
#define WHERRY_USERNS_H

#include "start.h"

/* fork() into new namespaces (CLONE_NEW* bits). 0 in the child, -1 with errno on failure. */
pid_t userns_fork(uint64_t namespaces);

/* In the new user namespace: maps the caller's ids, `uid` and `gid` of the process outside, as NAMESPACE says. */
int userns_map(const struct record *namespace, uid_t uid, gid_t gid, struct failure *failure);

/* Enters namespaces of the process that `file` names by its number and start time, as a RUNNING file does; 0, or -1 with
   errno. Pid namespace: only children are in it. */
int userns_enter(const char *file, uint64_t namespaces);

/* Enters the namespaces of a running container (JOIN). */
int userns_join(const struct start *start, struct failure *failure);

/* A process's start time in clock ticks since boot, 0 when there is no such process. */
unsigned long long userns_start_time(pid_t pid);

#endif
