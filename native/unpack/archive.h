/* Reading a tar stream entry by entry: joins headers, long names, PAX records and sparse maps into one `struct entry`,
 * and copies every byte that is not a file's content into the table.
 */
#ifndef WHERRY_UNPACK_ARCHIVE_H
#define WHERRY_UNPACK_ARCHIVE_H

#include "fail.h"
#include "header.h"
#include "stream.h"
#include "table.h"

/* Valid until the next archive_next. */
struct entry {
  char type;  /* '0' file, '1' hard link, '2' symbolic link, '3' '4' devices, '5' directory, '6' fifo */
  char *name; /* as stored: not yet checked */
  char *link;
  uint64_t size; /* bytes of content that follow in the stream (without a sparse map, already read) */
  uint32_t mode;
  int64_t seconds;
  uint32_t nanoseconds;
  const struct xattr *xattrs;
  size_t xattr_count;
  int sparse;
  uint64_t real_size;
  const struct parts *parts;
};

struct archive {
  struct stream *stream;
  struct table *table;
  struct header header;
  struct records records;
  char *text; /* of the records, `text_room` bytes */
  size_t text_room;
  char long_name[NAME_LIMIT], long_link[NAME_LIMIT];
  struct parts parts; /* of an old sparse header or a map before the content */
};

void archive_open(struct archive *archive, struct stream *stream, struct table *table);
void archive_close(struct archive *archive);

/* 1: an entry, whose `size` bytes of content and padding the caller takes from the stream; 0: the end, the rest of
 * the stream has been read; -1: failure. */
int archive_next(struct archive *archive, struct entry *entry, struct failure *failure);

/* Copies `size` bytes of content into the table, then the padding. */
int archive_inline(struct archive *archive, uint64_t size, struct failure *failure);
/* The zero bytes behind `size` bytes of content. */
int archive_padding(struct archive *archive, uint64_t size, struct failure *failure);

#endif
