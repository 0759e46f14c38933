/* Threads that write files, so that the reader need not wait for the file system.
 *
 * A file belongs to one writer, which makes it, writes its content in order, sets its time and closes it. Files of
 * different writers are made in any order: the reader hands over only names that it has not used before, and waits
 * (writers_drain) before it changes anything that is already there.
 */
#ifndef WHERRY_UNPACK_WRITERS_H
#define WHERRY_UNPACK_WRITERS_H

#include "fail.h"
#include "header.h"
#include "stream.h"

#include <pthread.h>

#define WRITERS_LIMIT 8U
#define PENDING_LIMIT 2048U /* pieces that wait for one writer */

struct file;

struct piece {
  struct piece *next;
  struct file *file;
  struct slab *slab; /* held; NULL when there is no content */
  const unsigned char *data;
  size_t size;
  int last;
};

struct writer {
  struct writers *owner;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t filled, emptied;
  struct piece *first, **end;
  unsigned pending; /* atomic: pieces not yet done */
  int sleeping, stopping, waited_for;
};

struct writers {
  size_t count;
  int failed; /* atomic: `failure` is set */
  pthread_mutex_t failure_lock;
  struct failure failure;
  struct writer list[WRITERS_LIMIT];
};

struct file_facts {
  int directory;    /* stays open until *pins falls */
  unsigned *pins;   /* atomic; counted down when the file has been made */
  const char *name; /* copied, as the attributes are */
  const char *path; /* for messages; may be cut */
  uint32_t mode;
  int64_t seconds;
  uint32_t nanoseconds;
  const struct xattr *xattrs;
  size_t xattr_count;
};

int writers_open(struct writers *writers, size_t count, struct failure *failure);
/* Waits for all that is pending, ends the threads. */
void writers_close(struct writers *writers);

/* The writer with the least to do gets a new file. */
struct writer *writers_choose(struct writers *writers);
struct file *file_new(const struct file_facts *facts, struct failure *failure);
/* Hands over a part of a file's content, and with `last` the file itself; the slab (may be NULL) goes along. */
int writer_add(struct writer *writer, struct file *file, struct slab *slab, const unsigned char *data, size_t size,
               int last, struct failure *failure);

/* Returns when nothing is pending; -1 when a writer has failed. */
int writers_drain(struct writers *writers, struct failure *failure);
/* -1 and the failure when a writer has failed. */
int writers_check(struct writers *writers, struct failure *failure);

/* Bytes that a file takes, while it waits, for the attributes that are to be set. */
size_t xattrs_size(const struct xattr *xattrs, size_t count);
/* Set the attributes that an image may set (`user.`, not the overlay's own): how many the file system refused. */
unsigned xattrs_set(int fd, const struct xattr *xattrs, size_t count);

#endif
