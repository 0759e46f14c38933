/* Where the kernel finds what a call names: what each interposed call asks first.
 *
 * Most calls pay for one look at the text and no system call. A call that follows a link at the end of its path asks
 * without PLACE_FOLLOW first if it can tell a link from its own result (open, stat), and again with it only then.
 */
#ifndef INTERPOSE_PLACE_H
#define INTERPOSE_PLACE_H

#include "kernel.h"
#include "view.h"

enum {
    PLACE_FOLLOW = 1,  /* a link at the end is followed */
    PLACE_AREA = 2,    /* `read_only` is wanted */
    PLACE_CHANGES = 6, /* fails where nothing may be changed: -EROFS, or what the kernel says first */
    PLACE_CREATES = 14, /* changes, and what it names must not exist */
    PLACE_REMOVES = 22, /* changes its folder; a bind's target is not to be removed: -EBUSY */
};

struct place {
    int folder;
    const char *path; /* what was asked, or `room` */
    bool read_only;
    bool mount;        /* a bind's target */
    bool mount_closed; /* and the folder that it is in is read-only */
    char room[PATH_ROOM];
};

/* 0 or a negative error. Unreadable, empty and missing paths are left to the kernel. */
int place_find(struct view *view, int folder, const char *path, unsigned how, struct place *place);

/* What a file system that is mounted read-only says to such a call on this host path: always an error. */
int place_refuse(const char *path, unsigned how);

/* The absolute guest path of what `folder` and `path` name, links unread. Its length or a negative error. */
long place_guest(const struct view *view, int folder, const char *path, char *guest);

/* May what this descriptor names be changed? False in a read-only area, though the descriptor would allow it. */
bool place_open_to_change(const struct view *view, int file);

#endif
