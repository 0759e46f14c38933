/* Following a guest path name by name, links as the guest means them. Right always, fast when facts are known. */
#ifndef INTERPOSE_WALK_H
#define INTERPOSE_WALK_H

#include "view.h"

/* Resolves an absolute guest path into `guest` (room for PATH_ROOM): no link is left in it but, unless `follow`, the
   last name. Names that do not exist are kept. A '/' or "/." at the end is kept. Its length, or a negative error. */
long walk(struct view *view, const char *path, bool follow, char *guest);

#endif
