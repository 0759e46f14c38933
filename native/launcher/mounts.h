/* The INIT operations: process 1 makes the container's file system, one function for each kind of operation. */
#ifndef WHERRY_MOUNTS_H
#define WHERRY_MOUNTS_H

#include "start.h"

enum {
    BIND_READ_ONLY = 1,
    BIND_NOSUID = 2,
    BIND_NODEV = 4,
    BIND_NOEXEC = 8,
    BIND_SINGLE = 16,
    BIND_OPTIONAL = 32,
    BIND_REPLACE_LINK = 64,
    BIND_SLAVE = 128,
    BIND_ABSENT = 256,
    BIND_PLAIN = 512,
    OVERLAY_USERXATTR = 1,
    OVERLAY_VOLATILE = 2,
    OVERLAY_NUMBERS = 4,
    OVERLAY_POINTS = 8,
    OVERLAY_UNWRITTEN = 16,
};

/* In the launcher: touches the source of every BIND, so that automounts happen before the namespaces are made, and
   notes what kind it is. A missing source is a failure unless the bind is optional. */
int mounts_look_at_sources(struct start *start, struct failure *failure);

/* Where the current directory will be shown inside (a BIND whose target is its slot), or NULL. */
const char *mounts_here(const struct start *start);

/* In process 1: all INIT operations in the order of the plan. The umask must be 0. */
int mounts_apply(const struct start *start, struct failure *failure);

#endif
