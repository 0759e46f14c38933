/* Changing the root. From root_enter() on no path leads to the host, by `..` at the root neither; what later binds need of
 * the host is held by descriptors (binds.h). The host's mounts stay in our namespace until root_leave_old(): the kernel
 * mounts a fresh /proc only where one is visible (mount_namespaces(7)).
 */
#ifndef WHERRY_ROOT_H
#define WHERRY_ROOT_H

#include "binds.h"

/* Makes a mount point the root that all paths begin at. */
int root_enter(struct binds *binds, const char *mount_point, struct failure *failure);

/* After the last operation: makes it the root of the mount namespace, and the host's tree goes. */
int root_leave_old(struct binds *binds, struct failure *failure);

#endif
