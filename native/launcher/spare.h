/* Scratch folders used again. Making one and removing it are a dozen changes of a disk's journal, a fifth of a whole start;
 * so a folder is emptied and put aside under another name, and the next start takes it: two renames. What overlayfs left in
 * the work directory is removed while the next command runs, when we only wait. Without an overlay the directories that a
 * program shows inside are used again alike.
 *
 * About one for each processor is kept (PARENT/spare.N, PARENT/spare.shown.N): as many as can be taken at the same time
 * without a search. After 64 uses a folder goes all the same (spare.c).
 */
#ifndef WHERRY_SPARE_H
#define WHERRY_SPARE_H

#include <stdbool.h>

#include "plan.h"

/* Makes a spare folder of `parent` the scratch folder `path`; false where there is none for such a plan. */
bool spare_take(const struct plan *plan, const char *parent, const char *path);

/* Before a folder is made in `parent`: lets the file system lay it far from others of its kind. */
void spare_spread(const char *parent);

/* Removes what an earlier overlay left in a folder that was taken. */
void spare_clear(const struct plan *plan, const char *path);

/* Empties a scratch folder and puts it aside; false: it cannot be as new, or one waits already: it must be removed. */
bool spare_give(const struct plan *plan, const char *path);

#endif
