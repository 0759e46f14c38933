/* Changing the root. From root_enter() on no path leads to the host, by `..` at the root neither; what later binds need of
 * the host is held by descriptors (binds.h). The host's mounts stay in our namespace until root_leave_old(): the kernel
 * mounts a fresh /proc only where one is visible (mount_namespaces(7)). Then they go while the other mounts are made.
 */
#ifndef WHERRY_ROOT_H
#define WHERRY_ROOT_H

#include "binds.h"

/* Makes a mount point the root that all paths begin at. */
int root_enter(struct binds *binds, const char *mount_point, struct failure *failure);

/* After the last operation that needs the host's tree: the new root becomes that of the mount namespace, and the host's
   mounts go, which takes until root_forget_old(). */
int root_leave_old(struct binds *binds, struct failure *failure);

/* After the last operation of all; leaves the old root where that was not done. Before it the command must not run: the
   host's tree may still lie upon the new root, for who asks for `/..`. */
int root_forget_old(struct binds *binds, struct failure *failure);

#endif
