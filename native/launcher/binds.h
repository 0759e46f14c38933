/* Binding what the host has into the container.
 *
 * Where the kernel has open_tree(2) and mount_setattr(2) (5.12), sources are cloned as detached trees while the host's
 * paths still mean the host, made read-only as a whole, and attached in the order of the plan. Before that: mount(2)
 * from the old root, then a remount of each mount below (mountinfo).
 */
#ifndef WHERRY_BINDS_H
#define WHERRY_BINDS_H

#include "start.h"

struct binds {
    const struct start *start;
    int old_root;  /* the host's root, O_PATH, in our mount namespace */
    int *trees;    /* for each record: a detached tree of BIND's source, for MASK of /dev/null; or -1 */
    char **paths;  /* for each record: a BIND's source without symbolic links, for the classic way */
    bool classic;  /* this kernel lacks the new calls */
    int new_root;  /* once it is entered, else -1 */
};

int binds_open(struct binds *binds, const struct start *start, struct failure *failure);

/* Right before the root changes: takes hold of the sources of all later binds. */
int binds_before_root(struct binds *binds, struct failure *failure);

int binds_bind(struct binds *binds, size_t index, struct failure *failure);
int binds_tree(struct binds *binds, const struct record *record, struct failure *failure);

/* Binds the host's /dev/null onto a file (MASK). errno on -1. */
int binds_null(struct binds *binds, size_t index, const char *target);

/* The classic way to change one mount's flags, keeping those that are locked. `bits` as in BIND. errno on -1. */
int binds_remount(const char *target, uint64_t bits);

#endif
