/* One tar header block and one set of PAX records: pure parsing, no I/O, fuzzed.
 *
 * Sources: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format"
 * and "Storing Sparse Files". Where readers differ we do as Go's archive/tar does, because Docker, containerd and
 * umoci read layers with it: links, devices and fifos have no content whatever their size field says.
 */
#ifndef WHERRY_UNPACK_HEADER_H
#define WHERRY_UNPACK_HEADER_H

#include <stddef.h>
#include <stdint.h>

#define NAME_LIMIT 4096U         /* PATH_MAX: longer names cannot be made on Linux */
#define RECORDS_LIMIT (1U << 20) /* bytes of one extended header, as in Go's reader */
#define SPARSE_LIMIT (1U << 20)  /* parts of one sparse file */
#define XATTR_LIMIT 4096U        /* extended attributes of one entry */

struct header {
  char type;                /* as in the block; NUL is '0' */
  char name[NAME_LIMIT];    /* prefix included */
  char link[NAME_LIMIT];
  uint64_t size;
  uint32_t mode;            /* permission and set-id bits only */
  int64_t seconds;
  uint32_t nanoseconds;
  uint64_t real_size;       /* of an old GNU sparse file */
};

struct part {
  uint64_t offset, size;
};

struct parts {
  struct part *list; /* malloc'ed, grows */
  size_t count, room;
};

struct xattr {
  const char *name; /* points into the records, ends with NUL */
  const void *value;
  size_t size;
};

/* What one extended header says. Texts point into the records, which parsing changes (it ends names with NUL). */
struct records {
  const char *path, *link; /* NULL: not given */
  int has_size, has_time;
  uint64_t size;
  int64_t seconds;
  uint32_t nanoseconds;
  struct xattr *xattrs; /* malloc'ed */
  size_t xattr_count, xattr_room;
  int sparse; /* 0 no, 1 parts are in the records (formats 0.0, 0.1), 2 before the content (1.0) */
  uint64_t real_size;
  int has_real_size;
  const char *sparse_name;
  struct parts parts;
  int major;
};

/* Whether all 512 bytes are zero. */
int block_is_zero(const unsigned char *block);

/* NULL, or the phrase that says what is wrong. */
const char *header_parse(const unsigned char *block, struct header *header);

/* `text` holds `size` bytes and one more that may be overwritten. */
const char *records_parse(char *text, size_t size, struct records *records);
void records_clear(struct records *records);

/* The parts of an old GNU sparse header: `count` pairs of 12-byte fields at `field`, ended early by an empty one. */
const char *parts_parse_old(const unsigned char *field, size_t count, struct parts *parts);
const char *parts_add(struct parts *parts, uint64_t offset, uint64_t size);
/* Sorted, not overlapping, within the file, and `stored` bytes in all? */
const char *parts_check(const struct parts *parts, uint64_t real_size, uint64_t stored);

/* An octal or base-256 field; 0 on success. */
int number_parse(const unsigned char *field, size_t size, int64_t *value);

/* Decimal digits only, at most 2^63-1, ended by `end`: the character after `end`, or NULL. */
const char *decimal_parse(const char *text, const char *limit, char end, uint64_t *value);

#endif
