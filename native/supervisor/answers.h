/* The answers to calls, by what they are about. Each returns a value, -errno, ANSWER_PASS (the kernel shall do it) or
 * ANSWER_SENT. What only shows the kernel's own view may be passed on after a look, since nothing but the caller's own
 * sight depends on it; what changes something that we remember is done by us, with what was read once.
 */
#ifndef SUPERVISOR_ANSWERS_H
#define SUPERVISOR_ANSWERS_H

#include "world.h"

long answer_chown(const struct call *call); /* chown lchown fchown fchownat */
long answer_chmod(const struct call *call); /* chmod fchmod fchmodat fchmodat2 */
long answer_make(const struct call *call);  /* mknod mkdir symlink and their *at */
long answer_open(const struct call *call);  /* creat open openat openat2 */
long answer_truncate(const struct call *call);
long answer_remove(const struct call *call); /* unlink rmdir unlinkat */
long answer_rename(const struct call *call); /* rename renameat renameat2 */
long answer_enter(const struct call *call);  /* chdir execve */
long answer_stat(const struct call *call);  /* stat lstat fstat newfstatat statx */
long answer_access(const struct call *call); /* access faccessat faccessat2 */
long answer_link(const struct call *call);  /* link linkat */
long answer_xattr(const struct call *call); /* set get list remove, each in three forms */
long answer_ids(const struct call *call);   /* set*id get*id */
long answer_groups(const struct call *call); /* setgroups getgroups */
long answer_keeps(const struct call *call);  /* prctl, PR_SET_KEEPCAPS */
long answer_chroot(const struct call *call);

#endif
