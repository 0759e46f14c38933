/* Where the image's loader finds its libraries: what its own ld.so.cache would have told it.
 *
 * A loader reads /etc/ld.so.cache by itself, which would be the host's. So it is told not to, and where to look.
 */
#ifndef INTERPOSE_LIBRARIES_H
#define INTERPOSE_LIBRARIES_H

#include "text.h"
#include "view.h"

/* Adds the folders of the image's ld.so.conf and the usual ones, as guest paths apart by ':', if they exist. */
void libraries_find(struct view *view, struct line *line);

/* Adds guest folders, apart by ':' or ';', as host folders apart by ':', each once. `origin`: what $ORIGIN is, or
   NULL, a guest path. Relative ones stay as they are. */
void libraries_map(struct view *view, const char *folders, const char *origin, struct line *line);

#endif
