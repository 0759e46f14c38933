/* The folder of one mount: who keeps it, who uses it, and its end.
 *
 *   lock     held shared (flock) by all that use the mount
 *   keeper   held exclusively by the keeper
 *   tree     the mount point
 *   server   where the mount is in a namespace of its own: number and start time of the process that serves it
 *   words    what that process says
 */
#ifndef KEEPER_PLACE_H
#define KEEPER_PLACE_H

#include <limits.h>
#include <stddef.h>

struct place {
    char folder[PATH_MAX - 32];
    int lock, keeper;
    int grace; /* seconds */
};

/* 0: it is ours; 1: another keeper has it, or it is just taken away; -1 with errno. */
int place_take(struct place *place, const char *folder, int grace);

/* Writes the path of a name in the folder. */
void place_path(const struct place *place, const char *name, char path[PATH_MAX]);

/* From now on nobody finds it: who comes makes a new one. What holds the lock learns it by the lock having no name. */
void place_take_away(struct place *place);

/* Removes the folder. */
void place_leave(const struct place *place);

/* The last line of `words`; empty when there is none. */
void place_last_words(const struct place *place, char *line, size_t size);

void place_close_above(int last);

#endif
