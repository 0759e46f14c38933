#include "archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int archive_block(struct archive *archive, const unsigned char **block, struct failure *failure);
static int end_read(struct archive *archive, struct failure *failure);
static int extension_read(struct archive *archive, struct failure *failure);
static int entry_join(struct archive *archive, struct entry *entry, const unsigned char *block,
                      struct failure *failure);
static int text_read(struct archive *archive, char *text, uint64_t size, struct failure *failure);

void archive_open(struct archive *archive, struct stream *stream, struct table *table)
{
  memset(archive, 0, sizeof *archive);
  archive->stream = stream;
  archive->table = table;
}

void archive_close(struct archive *archive)
{
  records_clear(&archive->records);
  free(archive->parts.list);
  free(archive->text);
}

int archive_next(struct archive *archive, struct entry *entry, struct failure *failure)
{
  struct header *header = &archive->header;
  int extended = 0;
  records_clear(&archive->records);
  archive->parts.count = 0;
  archive->long_name[0] = 0;
  archive->long_link[0] = 0;
  for (;;) {
    const unsigned char *block;
    int got = archive_block(archive, &block, failure);
    if (got < 0)
      return -1;
    if (got == 0 && extended)
      return failure_set(failure, FAILURE_BROKEN, 0, NULL, "the archive ends behind an extended header");
    if (got == 0)
      return 0;
    if (block_is_zero(block)) {
      if (extended)
        return failure_set(failure, FAILURE_BROKEN, 0, NULL, "the archive ends behind an extended header");
      return end_read(archive, failure);
    }
    const char *wrong = header_parse(block, header);
    if (wrong != NULL)
      return failure_set(failure, FAILURE_BROKEN, 0, header->name, "%s", wrong);
    if (header->type == 'x' || header->type == 'X' || header->type == 'L' || header->type == 'K' ||
        header->type == 'g' || header->type == 'V') {
      if (header->type != 'g' && header->type != 'V')
        extended = 1;
      if (extension_read(archive, failure) < 0)
        return -1;
      continue;
    }
    return entry_join(archive, entry, block, failure) < 0 ? -1 : 1;
  }
}

int archive_inline(struct archive *archive, uint64_t size, struct failure *failure)
{
  uint64_t left = size;
  while (left > 0) {
    const unsigned char *part;
    ssize_t got = stream_part(archive->stream, left < SLAB_SIZE ? (size_t)left : SLAB_SIZE, &part, NULL, failure);
    if (got < 0)
      return -1;
    if (got == 0)
      return failure_set(failure, FAILURE_BROKEN, 0, archive->header.name, "the archive ends in the middle of a file");
    if (table_raw(archive->table, part, (size_t)got, failure) < 0)
      return -1;
    left -= (uint64_t)got;
  }
  return archive_padding(archive, size, failure);
}

int archive_padding(struct archive *archive, uint64_t size, struct failure *failure)
{
  size_t left = (size_t)(-size & (TAR_BLOCK - 1));
  if (left == 0)
    return 0;
  const unsigned char *part;
  ssize_t got = stream_part(archive->stream, left, &part, NULL, failure); /* never straddles: see stream.h */
  if (got < 0)
    return -1;
  if ((size_t)got < left)
    return failure_set(failure, FAILURE_BROKEN, 0, archive->header.name, "the archive ends in the middle of a file");
  return table_raw(archive->table, part, left, failure);
}

static int archive_block(struct archive *archive, const unsigned char **block, struct failure *failure)
{
  int got = stream_block(archive->stream, block, failure);
  if (got <= 0)
    return got;
  return table_raw(archive->table, *block, TAR_BLOCK, failure) < 0 ? -1 : 1;
}

/* One zero block was read. A second one ends the archive; only zeros may follow, so that nobody's reader finds entries
 * there that ours does not make. */
static int end_read(struct archive *archive, struct failure *failure)
{
  const unsigned char *block;
  int got = archive_block(archive, &block, failure);
  if (got <= 0)
    return got;
  if (!block_is_zero(block))
    return failure_set(failure, FAILURE_BROKEN, 0, NULL, "a single block of zeros stands between two entries");
  for (;;) {
    const unsigned char *part;
    ssize_t size = stream_part(archive->stream, SLAB_SIZE, &part, NULL, failure);
    if (size <= 0)
      return (int)size;
    if (part[0] != 0 || memcmp(part, part + 1, (size_t)size - 1) != 0)
      return failure_set(failure, FAILURE_BROKEN, 0, NULL, "data follow the archive's end, as if two were joined");
    if (table_raw(archive->table, part, (size_t)size, failure) < 0)
      return -1;
  }
}

static int extension_read(struct archive *archive, struct failure *failure)
{
  const struct header *header = &archive->header;
  char type = header->type;
  uint64_t size = header->size;
  if (size > RECORDS_LIMIT)
    return failure_set(failure, FAILURE_HOSTILE, 0, header->name, "an extended header has more than 1 MiB");
  if (type == 'V' || type == 'g') /* a volume's label; defaults for all entries, which Docker ignores too */
    return archive_inline(archive, size, failure);
  if (type == 'L' || type == 'K') {
    char *name = type == 'L' ? archive->long_name : archive->long_link;
    if (size > NAME_LIMIT)
      return failure_set(failure, FAILURE_BROKEN, 0, NULL, "a name is longer than 4095 bytes");
    if (text_read(archive, name, size, failure) < 0)
      return -1;
    name[size < NAME_LIMIT ? size : NAME_LIMIT - 1] = 0;
    return 0;
  }
  records_clear(&archive->records); /* its texts point into what is overwritten now */
  if (archive->text_room < size + 1) {
    char *grown = realloc(archive->text, size + 1);
    if (grown == NULL)
      return failure_set(failure, FAILURE_IO, ENOMEM, NULL, "no memory for an extended header");
    archive->text = grown;
    archive->text_room = size + 1;
  }
  if (text_read(archive, archive->text, size, failure) < 0)
    return -1;
  archive->text[size] = 0;
  const char *wrong = records_parse(archive->text, size, &archive->records);
  return wrong == NULL ? 0 : failure_set(failure, FAILURE_BROKEN, 0, header->name, "%s", wrong);
}

static int text_read(struct archive *archive, char *text, uint64_t size, struct failure *failure)
{
  size_t used = 0;
  while (used < size) {
    const unsigned char *part;
    ssize_t got = stream_part(archive->stream, size - used, &part, NULL, failure);
    if (got < 0)
      return -1;
    if (got == 0)
      return failure_set(failure, FAILURE_BROKEN, 0, NULL, "the archive ends in the middle of an extended header");
    memcpy(text + used, part, (size_t)got);
    used += (size_t)got;
  }
  if (table_raw(archive->table, text, size, failure) < 0)
    return -1;
  return archive_padding(archive, size, failure);
}

static int sparse_join(struct archive *archive, struct entry *entry, const unsigned char *block,
                       struct failure *failure);

static int entry_join(struct archive *archive, struct entry *entry, const unsigned char *block,
                      struct failure *failure)
{
  struct header *header = &archive->header;
  const struct records *records = &archive->records;
  *entry = (struct entry){
      .type = header->type,
      .name = header->name,
      .link = header->link,
      .size = records->has_size ? records->size : header->size,
      .mode = header->mode,
      .seconds = records->has_time ? records->seconds : header->seconds,
      .nanoseconds = records->has_time ? records->nanoseconds : 0,
      .xattrs = records->xattrs,
      .xattr_count = records->xattr_count,
  };
  const char *name = archive->long_name[0] != 0 ? archive->long_name : records->path;
  const char *link = archive->long_link[0] != 0 ? archive->long_link : records->link;
  if (name != NULL)
    (void)strcpy(header->name, name); /* both were checked to be shorter than NAME_LIMIT */
  if (link != NULL)
    (void)strcpy(header->link, link);
  if (entry->type == '7') /* contiguous: a regular file elsewhere */
    entry->type = '0';
  if (entry->type >= '1' && entry->type <= '6')
    entry->size = 0;
  if (entry->type == 'S' || (entry->type == '0' && records->sparse != 0))
    return sparse_join(archive, entry, block, failure);
  if (entry->type < '0' || entry->type > '6')
    return failure_set(failure, FAILURE_BROKEN, 0, header->name, "an entry is of the unknown type '%c'",
                       entry->type >= ' ' && entry->type <= '~' ? entry->type : '?');
  return 0;
}

static int old_map_read(struct archive *archive, const unsigned char *block, struct failure *failure);
static int new_map_read(struct archive *archive, struct entry *entry, struct failure *failure);

static int sparse_join(struct archive *archive, struct entry *entry, const unsigned char *block,
                       struct failure *failure)
{
  struct header *header = &archive->header;
  const struct records *records = &archive->records;
  entry->sparse = 1;
  if (entry->type == 'S') {
    entry->type = '0';
    entry->real_size = records->has_real_size ? records->real_size : header->real_size;
    entry->parts = &archive->parts;
    if (old_map_read(archive, block, failure) < 0)
      return -1;
  } else {
    if (!records->has_real_size)
      return failure_set(failure, FAILURE_BROKEN, 0, header->name, "a sparse file lacks its size");
    entry->real_size = records->real_size;
    entry->parts = records->sparse == 2 ? &archive->parts : &records->parts;
    if (records->sparse_name != NULL)
      (void)strcpy(header->name, records->sparse_name);
    if (records->sparse == 2 && new_map_read(archive, entry, failure) < 0)
      return -1;
  }
  const char *wrong = parts_check(entry->parts, entry->real_size, entry->size);
  return wrong == NULL ? 0 : failure_set(failure, FAILURE_BROKEN, 0, header->name, "%s", wrong);
}

static int old_map_read(struct archive *archive, const unsigned char *block, struct failure *failure)
{
  const char *wrong = parts_parse_old(block + 386, 4, &archive->parts);
  int more = block[482] != 0;
  while (wrong == NULL && more) {
    int got = archive_block(archive, &block, failure);
    if (got < 0)
      return -1;
    if (got == 0)
      return failure_set(failure, FAILURE_BROKEN, 0, archive->header.name, "the archive ends in a sparse file's map");
    wrong = parts_parse_old(block, 21, &archive->parts);
    more = block[504] != 0;
  }
  return wrong == NULL ? 0 : failure_set(failure, FAILURE_BROKEN, 0, archive->header.name, "%s", wrong);
}

/* Format 1.0: decimal numbers, each on a line (how many parts, then offset and size of each), padded to blocks. */
static int new_map_read(struct archive *archive, struct entry *entry, struct failure *failure)
{
  static const char malformed[] = "a sparse file's map is malformed";
  uint64_t expected = UINT64_MAX, numbers = 0, number = 0, offset = 0;
  int digits = 0;
  while (expected == UINT64_MAX || numbers < expected * 2) {
    const unsigned char *block;
    if (entry->size < TAR_BLOCK)
      return failure_set(failure, FAILURE_BROKEN, 0, archive->header.name, malformed);
    int got = archive_block(archive, &block, failure);
    if (got < 0)
      return -1;
    if (got == 0)
      return failure_set(failure, FAILURE_BROKEN, 0, archive->header.name, "the archive ends in a sparse file's map");
    entry->size -= TAR_BLOCK;
    for (size_t i = 0; i < TAR_BLOCK && (expected == UINT64_MAX || numbers < expected * 2); i++) {
      if (block[i] >= '0' && block[i] <= '9' && number < (UINT64_C(1) << 59) && digits < 20) {
        number = number * 10 + (uint64_t)(block[i] - '0');
        digits++;
        continue;
      }
      const char *wrong = block[i] == '\n' && digits > 0 ? NULL : malformed;
      if (wrong == NULL && expected == UINT64_MAX)
        wrong = number <= SPARSE_LIMIT ? NULL : "a sparse file has more than a million parts";
      else if (wrong == NULL && numbers++ % 2 != 0)
        wrong = parts_add(&archive->parts, offset, number);
      if (wrong != NULL)
        return failure_set(failure, FAILURE_BROKEN, 0, archive->header.name, "%s", wrong);
      if (expected == UINT64_MAX)
        expected = number;
      offset = number;
      number = 0;
      digits = 0;
    }
  }
  return 0;
}
