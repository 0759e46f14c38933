/* The directories of the layer being made, and the one way to find a path in it.
 *
 * Every look-up goes component by component, below descriptors of directories that we made, without following symbolic
 * links; a link is read and followed here, with the tree's root as its `/` and as the end of every `..`. So no entry
 * can be made outside the tree, whatever the archive says.
 *
 * A directory that an entry's path needs and the archive has not named is made with mode 0755 and remembered as
 * implicit. Descriptors of directories are kept open, the least recently used are closed.
 *
 * For one thread; writers use a directory's descriptor while its pins are not zero.
 */
#ifndef WHERRY_UNPACK_TREE_H
#define WHERRY_UNPACK_TREE_H

#include "fail.h"
#include "header.h"

#include <stdint.h>
#include <sys/types.h>

#define DIRECTORIES_LIMIT (256U << 20) /* bytes of memory for directories: some two million */
#define SUMMARY_LIMIT (32U << 20)      /* bytes of the summary: paths of implicit directories, of links that are left */

#define OTHERS_WRITE 022U /* permissions that nothing in a store has: it may be read by many, and is written by one */

struct writers;

struct directory {
  struct directory *parent; /* NULL: the root */
  struct directory *child, *sibling;
  struct directory *newer, *older; /* while open: in the order of use */
  uint64_t id;
  int64_t seconds;
  uint32_t nanoseconds;
  uint32_t mode;
  uint32_t cost; /* of its path in the summary */
  int fd;        /* -1: closed */
  unsigned pins; /* atomic */
  uint8_t named; /* an entry of the archive, or nothing of lower layers shows there: not implicit */
  uint8_t dead;  /* removed again */
  uint8_t opaque; /* hides what lower layers have in it */
  char name[];
};

struct tree {
  struct writers *writers;
  struct directory *root;
  struct directory **list; /* all, in the order of making */
  size_t count, room;
  uint64_t memory, summary; /* bytes: all of them; what the summary has to name */
  struct directory **slots; /* by parent and name; open addressing */
  size_t slot_count;
  uint64_t *seen; /* hashes of (directory, name) of all names ever used, open addressing; 0 is free */
  size_t seen_count, seen_room;
  uint64_t seed;
  struct directory *newest, *oldest;
  size_t open_count, open_limit;
  int rebuildable; /* no content was lost that the table leaves to the tree */
  int overlay;     /* every opaque mark could be set */
  int closed;      /* something has fewer permissions than the archive says */
};

/* Takes over `fd`, an empty directory. */
int tree_open(struct tree *tree, int fd, struct writers *writers, struct failure *failure);
void tree_close(struct tree *tree);

/* Clean a name from the archive: no leading, trailing or double slashes, no `.`; `..` is hostile. `path` has room for
 * NAME_LIMIT bytes; empty means the root. */
int path_clean(const char *name, char *path, struct failure *failure);

/* The directory that `length` bytes of a clean path lead to; missing ones are made, or with `make` 0: 0 and *found
 * NULL. */
int tree_find(struct tree *tree, const char *path, size_t length, int make, struct directory **found,
              struct failure *failure);

/* The descriptor of a directory, good until the next call on the tree; -1 on failure. */
int directory_fd(struct tree *tree, struct directory *directory, struct failure *failure);

/* Whether the name was used before; it is from now on. */
int tree_use(struct tree *tree, const struct directory *directory, const char *name, struct failure *failure);
int tree_used(const struct tree *tree, const struct directory *directory, const char *name);

/* Makes room for a new thing of that name, which was used before: 0 there was nothing, 1 something was removed. */
int tree_make_room(struct tree *tree, struct directory *directory, const char *name, struct failure *failure);

/* An existing directory of that name, or NULL. */
struct directory *tree_child(const struct tree *tree, const struct directory *directory, const char *name);
/* Makes one; the name is free on disk. */
struct directory *tree_make(struct tree *tree, struct directory *parent, const char *name, size_t length,
                            struct failure *failure);
/* Hides what lower layers have there. */
int directory_opaque(struct tree *tree, struct directory *directory, struct failure *failure);

/* The path below the root (of the directory, or of `name` in it), without a leading slash; at most NAME_LIMIT - 1. */
int directory_path(const struct directory *directory, const char *name, char *path, struct failure *failure);

/* An entry of the archive names it, or nothing below could lend it its attributes: it is not implicit. */
void directory_named(struct tree *tree, struct directory *directory);
/* The bytes that a name takes in the summary. */
uint32_t name_cost(const char *name);
/* The summary will have so many bytes more; -1 when they are too many. */
int summary_add(struct tree *tree, uint64_t cost, const char *path, struct failure *failure);

/* Modes and times of all directories, deepest first. Nothing can be made afterwards. */
int tree_finish(struct tree *tree, struct failure *failure);

#endif
