/* Mount points that no layer has, in a layer of their own on top of the others.
 *
 * In the writable layer each directory on the way to one would be copied up, and all of it removed again: on a disk up to a
 * quarter of a whole start. They lie in SCRATCH/points instead, which stays when the scratch folder is put aside (spare.h);
 * the next start gives what is there the names that it needs. Beside `/scratch/run-1`, `/scratch/run-2` is one rename.
 *
 * Only what is plain is done here: where the layers have a symbolic link or a file on the way, or do not say (a target
 * within another bind), the bind makes its own mount point as ever.
 */
#ifndef WHERRY_POINTS_H
#define WHERRY_POINTS_H

#include "start.h"

/* The layer's folder, for `layers` from top to bottom; NULL where none is needed, or none can be made. Before the overlay
   is mounted. `complete`: with it no mount needs to make anything in the root. */
const char *points_layer(const struct start *start, char *const *layers, bool *complete);

#endif
