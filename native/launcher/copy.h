/* Plans without mounts: what a host program will show inside, and a private copy of an image's tree. */
#ifndef WHERRY_COPY_H
#define WHERRY_COPY_H

#include "start.h"

/* SOURCES: every path must exist, since the program would pass over a missing one. */
int copy_check_sources(const struct start *start, const struct record *record, struct failure *failure);

/* COPY: makes the copy under another name and renames it, so that one that is there is whole. */
int copy_private(const struct start *start, const struct record *record, struct failure *failure);

#endif
