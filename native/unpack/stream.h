/* The tar stream, read in slabs that several threads share.
 *
 * A slab is a block of memory that is filled from the source and then only read. Its parts are handed out to writers,
 * which hold it by a count; when the count reaches zero it goes back to the pool. The pool has a fixed number of
 * slabs, so memory is bounded: a reader that finds none waits for the writers.
 *
 * Slabs are filled whole (but the last one) and their size is a multiple of 512, so that a tar header never straddles
 * two of them. All functions but slab_release are for one thread, the reader's.
 */
#ifndef WHERRY_UNPACK_STREAM_H
#define WHERRY_UNPACK_STREAM_H

#include "fail.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#define TAR_BLOCK 512U
#define SLAB_SIZE (256U << 10)
#define SLAB_COUNT 64U

struct stream;

struct slab {
  struct stream *owner;
  struct slab *next; /* in the pool */
  unsigned holders;  /* atomic */
  size_t filled;
  unsigned char *data;
};

/* Like read(2): bytes read, 0 at the end, -1 with errno. */
typedef ssize_t stream_source(void *context, void *buffer, size_t size);

struct stream {
  stream_source *source;
  void *context;
  uint64_t limit;    /* more bytes than this are an attack */
  uint64_t consumed; /* bytes handed out */
  uint64_t arrived;  /* bytes read from the source */
  struct slab *current;
  size_t position; /* in the current slab */
  int ended;       /* the source has ended */
  pthread_mutex_t lock;
  pthread_cond_t freed;
  struct slab *pool;
  struct slab slabs[SLAB_COUNT];
};

int stream_open(struct stream *stream, stream_source *source, void *context, uint64_t limit, struct failure *failure);
void stream_close(struct stream *stream);

/* The next 512 bytes: 1 and *block, 0 at a clean end, -1 when the stream is cut within a block. The memory is valid
 * until the next call on the stream. */
int stream_block(struct stream *stream, const unsigned char **block, struct failure *failure);

/* Up to `wanted` bytes that lie together, at least one: their number, 0 at the end, -1 on failure. With `slab` not
 * NULL the caller becomes a holder of *slab and must release it; else as stream_block. */
ssize_t stream_part(struct stream *stream, size_t wanted, const unsigned char **part, struct slab **slab,
                    struct failure *failure);

/* Any thread. */
void slab_release(struct slab *slab);

#endif
