/* Where the image's loader finds its libraries.
 *
 * A loader opens what it looks for by itself: the host's /etc/ld.so.cache, the host's folders, and links as the host
 * means them. So it is told to ask us for each library (library/audit.c), and this is how we look: the order of
 * ld.so(8), in guest paths.
 */
#ifndef INTERPOSE_LIBRARIES_H
#define INTERPOSE_LIBRARIES_H

#include "place.h"
#include "text.h"
#include "view.h"

/* Adds the folders of the image's ld.so.conf and the usual ones, as guest paths apart by ':', if they exist: what its
   own ld.so.cache would have told. */
void libraries_list(struct view *view, struct line *line);

/* Looks for a library in folders (guest paths, apart by ':' or ';'). `origin`: the guest path of the library or
   program that says so, for $ORIGIN, or NULL. True with the host path in `found`. */
bool libraries_search(struct view *view, const char *folders, const char *origin, const char *name,
                      struct place *found);

#endif
