/* What a program inside sees: which of its paths are which of the host's.
 *
 * A *guest* path is one as the program says it, a *host* path one as the kernel must hear it; both are absolute.
 * An *area* is a guest prefix with the host prefix that stands for it: the image's tree (guest prefix ""), a bind, or
 * what is the host's own. The longest prefix decides. Everything here is pure but view_read().
 *
 * The file that view_read() reads has a statement a line, its words apart by one blank, which is written \040 in a
 * path (tab \011, newline \012, backslash \134):
 *
 *   root TREE [rw]                 the image's tree; without rw nothing may change it, and nobody else does
 *   bind SOURCE TARGET [ro]        a file or folder of the host, canonical, under a guest path
 *   host PATH                      the same on both sides, with the host's links: /proc /sys /dev
 *   libraries DIR:DIR...           where the image's loader looks (guest paths), instead of reading its ld.so.conf
 *   facts FILE                     what all processes of the container share; see facts.h
 */
#ifndef INTERPOSE_VIEW_H
#define INTERPOSE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VIEW_MOST = 128, FACTS_ROOM = 1 << 15 };

enum {
    AREA_READ_ONLY = 1, /* nothing may change it through us */
    AREA_FIXED = 2,     /* nobody changes it while we run */
    AREA_HOST = 4,      /* links in it are the host's */
};

struct area {
    const char *guest, *host; /* without a '/' at the end: "" is "/" */
    size_t guest_length, host_length;
    unsigned kind;
};

struct facts {
    uint64_t view;       /* of which configuration: its hash */
    uint64_t generation; /* 0: nobody counts */
    uint64_t known[FACTS_ROOM];
};

struct view {
    struct area areas[VIEW_MOST];                    /* the longest guest prefix first */
    const struct area *by_host[VIEW_MOST];           /* the longest host prefix first */
    size_t count;                                    /* 0: nothing is mapped */
    const struct area *root;
    const char *libraries;                           /* or NULL */
    const char *facts_file;                          /* or NULL */
    struct facts *facts;                             /* &own, or shared with the other processes */
    uint64_t hash;                                   /* of the configuration's text */
    uint64_t mounts;                                 /* which last names targets have, as bits of their hashes */
    const char *config, *preload;                    /* the configuration's file and this library's, as host paths */
    const char *program;                             /* this process' program as a guest path, or NULL */
    struct facts own;
};

/* Fills in `view` (all zero before) from the text of a configuration, which must stay and is changed. The number of
   the line that makes no sense, or 0. */
unsigned view_parse(struct view *view, char *text);

/* The same from a file. 0, the line's number, or the kernel's negative error. */
long view_read(struct view *view, const char *path);

/* The area of a guest path of `length` bytes. */
const struct area *view_area(const struct view *view, const char *guest, size_t length);

/* `guest`, which lies in `area`, as a host path in room for PATH_ROOM, which may be the guest path's own. Its length,
   or a negative error. */
long view_host(const struct area *area, const char *guest, size_t length, char *host);

/* A host path as a guest path, in the same place if `guest` == `host`. Its length; -ENOENT: nothing leads there. */
long view_guest(const struct view *view, const char *host, char *guest);

/* Is a bind's target at or below this guest path? */
bool view_mounts_below(const struct view *view, const char *guest, size_t length);

/* Could this one name be a bind's target, in some folder? False is certain. */
bool view_may_be_mount(const struct view *view, const char *name);

#endif
