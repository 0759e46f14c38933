#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RAW_SIZE (64U << 10)
#define OUT_SIZE (256U << 10)

static int frame_end(struct table *table, uint64_t elided, const char *path, struct failure *failure);
static int out_put(struct table *table, const void *data, size_t size, struct failure *failure);
static int out_flush(struct table *table, struct failure *failure);

int table_open(struct table *table, table_sink *sink, void *context, struct failure *failure)
{
  *table = (struct table){.sink = sink, .context = context, .out = malloc(OUT_SIZE), .raw = malloc(RAW_SIZE)};
  if (table->out == NULL || table->raw == NULL)
    return failure_set(failure, FAILURE_IO, ENOMEM, NULL, "no memory for the table");
  return 0;
}

void table_close(struct table *table)
{
  free(table->out);
  free(table->raw);
}

int table_raw(struct table *table, const void *data, size_t size, struct failure *failure)
{
  const unsigned char *from = data;
  while (size > 0) {
    size_t room = RAW_SIZE - table->raw_used;
    size_t part = size < room ? size : room;
    memcpy(table->raw + table->raw_used, from, part);
    table->raw_used += part;
    from += part;
    size -= part;
    if (table->raw_used == RAW_SIZE && frame_end(table, 0, NULL, failure) < 0)
      return -1;
  }
  return 0;
}

int table_elide(struct table *table, uint64_t size, const char *path, struct failure *failure)
{
  return frame_end(table, size, path, failure);
}

int table_finish(struct table *table, struct failure *failure)
{
  if (table->raw_used > 0 && frame_end(table, 0, NULL, failure) < 0)
    return -1;
  if (frame_end(table, 0, NULL, failure) < 0)
    return -1;
  return out_flush(table, failure);
}

static void little(unsigned char *to, uint64_t value, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++)
    to[i] = (unsigned char)(value >> (8 * i));
}

static int frame_end(struct table *table, uint64_t elided, const char *path, struct failure *failure)
{
  unsigned char head[4];
  unsigned char tail[10];
  little(head, table->raw_used, 4);
  little(tail, elided, 8);
  if (out_put(table, head, 4, failure) < 0 || out_put(table, table->raw, table->raw_used, failure) < 0)
    return -1;
  table->raw_used = 0;
  if (elided == 0)
    return out_put(table, tail, 8, failure);
  size_t length = strlen(path);
  little(tail + 8, length, 2);
  if (out_put(table, tail, 10, failure) < 0)
    return -1;
  return out_put(table, path, length, failure);
}

static int out_put(struct table *table, const void *data, size_t size, struct failure *failure)
{
  if (table->out_used + size > OUT_SIZE && out_flush(table, failure) < 0)
    return -1;
  memcpy(table->out + table->out_used, data, size); /* a part is at most RAW_SIZE, less than OUT_SIZE */
  table->out_used += size;
  return 0;
}

static int out_flush(struct table *table, struct failure *failure)
{
  size_t done = 0;
  while (done < table->out_used) {
    ssize_t wrote = table->sink(table->context, table->out + done, table->out_used - done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote < 0)
      return failure_set(failure, FAILURE_IO, errno, NULL, "cannot hand out the layer's table");
    done += (size_t)wrote;
  }
  table->out_used = 0;
  return 0;
}
