#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static int stream_fill(struct stream *stream, struct failure *failure);
static struct slab *slab_take(struct stream *stream);

int stream_open(struct stream *stream, stream_source *source, void *context, uint64_t limit, struct failure *failure)
{
  *stream = (struct stream){.source = source, .context = context, .limit = limit};
  (void)pthread_mutex_init(&stream->lock, NULL);
  (void)pthread_cond_init(&stream->freed, NULL);
  for (size_t i = 0; i < SLAB_COUNT; i++) {
    struct slab *slab = &stream->slabs[i];
    /* Mapped, not allocated: pages that are never filled are never used, so a small layer costs little. */
    void *data = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
      return failure_set(failure, FAILURE_IO, errno, NULL, "no memory for the stream");
    *slab = (struct slab){.owner = stream, .next = stream->pool, .data = data};
    stream->pool = slab;
  }
  return 0;
}

void stream_close(struct stream *stream)
{
  for (size_t i = 0; i < SLAB_COUNT; i++)
    if (stream->slabs[i].data != NULL)
      (void)munmap(stream->slabs[i].data, SLAB_SIZE);
  (void)pthread_cond_destroy(&stream->freed);
  (void)pthread_mutex_destroy(&stream->lock);
}

int stream_block(struct stream *stream, const unsigned char **block, struct failure *failure)
{
  ssize_t got = stream_part(stream, TAR_BLOCK, block, NULL, failure);
  if (got < 0)
    return -1;
  if (got == 0)
    return 0;
  if (got < (ssize_t)TAR_BLOCK)
    return failure_set(failure, FAILURE_BROKEN, 0, NULL, "the archive ends in the middle of a block");
  return 1;
}

ssize_t stream_part(struct stream *stream, size_t wanted, const unsigned char **part, struct slab **slab,
                    struct failure *failure)
{
  if (stream->current == NULL || stream->position == stream->current->filled) {
    int filled = stream_fill(stream, failure);
    if (filled <= 0)
      return filled;
  }
  struct slab *current = stream->current;
  size_t left = current->filled - stream->position;
  size_t size = wanted < left ? wanted : left;
  *part = current->data + stream->position;
  stream->position += size;
  stream->consumed += size;
  if (slab != NULL) {
    (void)__atomic_add_fetch(&current->holders, 1, __ATOMIC_RELAXED);
    *slab = current;
  }
  return (ssize_t)size;
}

static int stream_fill(struct stream *stream, struct failure *failure)
{
  if (stream->current != NULL) {
    slab_release(stream->current);
    stream->current = NULL;
  }
  if (stream->ended)
    return 0;
  struct slab *slab = slab_take(stream);
  while (slab->filled < SLAB_SIZE) {
    ssize_t got = stream->source(stream->context, slab->data + slab->filled, SLAB_SIZE - slab->filled);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      slab_release(slab);
      return failure_set(failure, FAILURE_IO, errno, NULL, "cannot read the stream");
    }
    if (got == 0) {
      stream->ended = 1;
      break;
    }
    slab->filled += (size_t)got;
  }
  stream->arrived += slab->filled;
  if (stream->arrived > stream->limit) {
    slab_release(slab);
    return failure_set(failure, FAILURE_HOSTILE, 0, NULL, "it unpacks to more than %llu bytes",
                       (unsigned long long)stream->limit);
  }
  if (slab->filled == 0) {
    slab_release(slab);
    return 0;
  }
  stream->current = slab;
  stream->position = 0;
  return 1;
}

static struct slab *slab_take(struct stream *stream)
{
  (void)pthread_mutex_lock(&stream->lock);
  while (stream->pool == NULL)
    (void)pthread_cond_wait(&stream->freed, &stream->lock);
  struct slab *slab = stream->pool;
  stream->pool = slab->next;
  (void)pthread_mutex_unlock(&stream->lock);
  slab->holders = 1;
  slab->filled = 0;
  return slab;
}

void slab_release(struct slab *slab)
{
  if (__atomic_sub_fetch(&slab->holders, 1, __ATOMIC_ACQ_REL) != 0)
    return;
  struct stream *stream = slab->owner;
  (void)pthread_mutex_lock(&stream->lock);
  slab->next = stream->pool;
  stream->pool = slab;
  (void)pthread_cond_signal(&stream->freed);
  (void)pthread_mutex_unlock(&stream->lock);
}
