/* Applying a layer: what each entry of the archive does to the tree.
 *
 * Sources: OCI image-spec, layer.md ("Applying Changesets", "Whiteouts"); Linux, filesystems/overlayfs.rst
 * ("whiteouts and opaque directories", "userxattr").
 */
#ifndef WHERRY_UNPACK_LAYER_H
#define WHERRY_UNPACK_LAYER_H

#include "archive.h"
#include "fail.h"
#include "stream.h"
#include "table.h"
#include "tree.h"
#include "writers.h"

#define ENTRIES_LIMIT 10000000U

struct link_left {
  char *path;   /* where the link is to be, below the root */
  char *target; /* what it links to */
  int own;      /* the layer has named the target before, though it could not be linked (yet) */
};

struct layer {
  struct archive archive;
  struct tree tree;
  struct writers writers;
  uint64_t entries, bytes, whiteouts, devices, refused;
  int overlay; /* whiteouts could be made */
  uint64_t room_next; /* when to look again how much room the disk has */
  struct link_left *links;
  size_t link_count, link_room;
  struct directory *last; /* where `last_path` leads, while nothing is removed */
  size_t last_length;
  char last_path[NAME_LIMIT];
};

/* Makes the tree below the empty directory `root` (taken over) from the stream, and the table. When it returns 0 all
 * is written, though not synced, and the summary's numbers are in `layer`. Close it in either case. */
int layer_apply(struct layer *layer, int root, size_t writers, struct stream *stream, struct table *table,
                struct failure *failure);
void layer_close(struct layer *layer);

#endif
