/* What is known of files beyond what the disk says, and where it lies (docs/design/supervisor.md):
 *
 *   above   files and directories that were changed carry it themselves, as attributes
 *   loose   what cannot carry attributes (links, sockets, fifos, other file systems): by number, in memory
 *   below   what the image's layers say, by the number that the overlay gives to a file: it stays when the file is copied up
 *
 * The first that says something counts; of what lies above the mode on disk is right, set-id bits included. Safe for several threads.
 */
#ifndef SUPERVISOR_KNOWN_H
#define SUPERVISOR_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "owner.h"

enum { KNOWN_LOOSE_MOST = 1 << 20, KNOWN_FOLLOWED_MOST = 1024 };

/* An attribute that cannot be on disk, as the layers have it. */
struct foreign {
    const char *name;
    const char *value;
    uint32_t length;
    const struct foreign *next;
};

struct known;

struct known *known_new(void);
void known_free(struct known *known);

/* Something of the layers, or what is left of an earlier step: found by known_load() in the container. */
bool known_add_below(struct known *known, dev_t device, ino_t number, const struct owner *owner, const struct foreign *foreign);

/* Something of the layers that has several names there, and so gets another number when it is copied up: an open file
   (O_PATH) shows that, and stays with it through renames. Closed by us. Before anybody asks. */
void known_follow(struct known *known, int file, const struct stat *found);
/* At the end: all that was copied up says itself whose it is. */
void known_follow_no_more(struct known *known);

/* Earlier steps changed files of this upper directory: then each is asked. */
void known_ask_all(struct known *known);

/* Cheap, and never wrong when it says no: whether anything can be known of this file. */
bool known_maybe(struct known *known, const struct stat *found);

/* What is known of an open file (O_PATH); false, and `owner` as the disk says, when it is nothing. */
bool known_get(struct known *known, int file, const struct stat *found, struct owner *owner);

/* Remembers it. 0, or -errno. */
int known_set(struct known *known, int file, const struct stat *found, const struct owner *owner);

/* Foreign attributes. Values: the length, or -errno (-ENODATA). Lists: as listxattr(2). All as if in `room` bytes; with
   0 only the length. */
long known_foreign_get(struct known *known, int file, const struct stat *found, const char *name, char *value, size_t room);
long known_foreign_list(struct known *known, int file, const struct stat *found, char *names, size_t room);
int known_foreign_set(struct known *known, int file, const struct stat *found, const char *name, const char *value,
                      size_t length, int flags);
int known_foreign_remove(struct known *known, int file, const struct stat *found, const char *name);

/* Whether any file has a capability: only then does a write of root's change what is known. */
bool known_capable(const struct known *known);
/* A file is about to be opened for writing, which takes its capabilities away and, of others than root, its set-id bits: so that the
   kernel can do that, they lie on disk from now on, where they can. */
void known_before_write(struct known *known, int file, const struct stat *found, bool by_root);

/* The record of the layers below for a file, or false. */
bool known_below(const struct known *known, dev_t device, ino_t number, struct owner *owner, const struct foreign **foreign);

/* The loose record of a file, or false. */
bool known_loose(struct known *known, const struct stat *found, uint64_t born, struct owner *owner);
bool known_has_loose(const struct known *known);

#endif
