/* An image that is mounted, not unpacked: taking hold of the mount that a keeper (native/keeper) made, so that it stays
   while this container runs. docs/design/mounts.md. */
#ifndef WHERRY_PACKED_H
#define WHERRY_PACKED_H

#include "start.h"

/* MOUNTED: 0 when it is mounted and ours to use until this process ends (the slot is filled), 1 with the failure set when
   it is not mounted, -1 with the failure set. */
int packed_use(struct start *start, const struct record *record, struct failure *failure);

/* In the container's first process, before anything else is mounted: where the mount is in another namespace, it is
   attached at the same path here. */
int packed_attach(const struct start *start, struct failure *failure);

#endif
