/* The layer's table: the tar stream without the contents that the tree can give back (docs/design/layer-table.md).
 *
 * Frames, little endian: u32 raw length, raw bytes, u64 elided length, and if that is not zero u16 length of a path
 * and the path (below the tree's root, without a leading slash) of the file whose content follows here in the tar.
 * A table ends with a frame of raw length 0 and elided length 0, so that a cut one is noticed.
 */
#ifndef WHERRY_UNPACK_TABLE_H
#define WHERRY_UNPACK_TABLE_H

#include "fail.h"

#include <stdint.h>
#include <sys/types.h>

/* Like write(2). */
typedef ssize_t table_sink(void *context, const void *data, size_t size);

struct table {
  table_sink *sink;
  void *context;
  unsigned char *out; /* frames that wait to be written */
  size_t out_used;
  unsigned char *raw; /* raw bytes of the frame being made */
  size_t raw_used;
};

int table_open(struct table *table, table_sink *sink, void *context, struct failure *failure);
void table_close(struct table *table);

int table_raw(struct table *table, const void *data, size_t size, struct failure *failure);
int table_elide(struct table *table, uint64_t size, const char *path, struct failure *failure);
int table_finish(struct table *table, struct failure *failure);

#endif
