/* The image's layers as one tree: overlayfs, with as many layers as the kernel takes (500). */
#ifndef WHERRY_OVERLAY_H
#define WHERRY_OVERLAY_H

#include "start.h"

int overlay_mount(const struct start *start, const struct record *record, struct failure *failure);

#endif
