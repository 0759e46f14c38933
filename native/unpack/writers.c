#include "writers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Contents above this size are sent to the disk while they arrive: else a final sync would find the disk idle so far
 * and all the work still to do. */
#define WRITE_BEHIND (1U << 20)

struct file {
  int fd;
  int directory;
  unsigned *pins;
  uint32_t mode;
  struct timespec time;
  uint64_t written, sent;
  char *name, *path;
  struct xattr *xattrs;
  size_t xattr_count;
};

static unsigned is_settable(const struct xattr *xattr);
static void *writer_run(void *argument);
static void piece_write(struct writers *writers, struct piece *piece);

int writers_open(struct writers *writers, size_t count, struct failure *failure)
{
  *writers = (struct writers){0};
  (void)pthread_mutex_init(&writers->failure_lock, NULL);
  for (size_t i = 0; i < count && i < WRITERS_LIMIT; i++) {
    struct writer *writer = &writers->list[i];
    writer->owner = writers;
    writer->end = &writer->first;
    (void)pthread_mutex_init(&writer->lock, NULL);
    (void)pthread_cond_init(&writer->filled, NULL);
    (void)pthread_cond_init(&writer->emptied, NULL);
    int error = pthread_create(&writer->thread, NULL, writer_run, writer);
    if (error != 0) {
      if (i > 0) /* fewer will do: a process limit is no reason to fail */
        break;
      return failure_set(failure, FAILURE_IO, error, NULL, "cannot start a thread");
    }
    writers->count++;
  }
  return 0;
}

void writers_close(struct writers *writers)
{
  for (size_t i = 0; i < writers->count; i++) {
    struct writer *writer = &writers->list[i];
    (void)pthread_mutex_lock(&writer->lock);
    writer->stopping = 1;
    (void)pthread_cond_signal(&writer->filled);
    (void)pthread_mutex_unlock(&writer->lock);
    (void)pthread_join(writer->thread, NULL);
    (void)pthread_cond_destroy(&writer->emptied);
    (void)pthread_cond_destroy(&writer->filled);
    (void)pthread_mutex_destroy(&writer->lock);
  }
  (void)pthread_mutex_destroy(&writers->failure_lock);
}

struct writer *writers_choose(struct writers *writers)
{
  struct writer *best = &writers->list[0];
  unsigned least = __atomic_load_n(&best->pending, __ATOMIC_RELAXED);
  for (size_t i = 1; i < writers->count && least > 0; i++) {
    unsigned pending = __atomic_load_n(&writers->list[i].pending, __ATOMIC_RELAXED);
    if (pending < least) {
      least = pending;
      best = &writers->list[i];
    }
  }
  return best;
}

struct file *file_new(const struct file_facts *facts, struct failure *failure)
{
  size_t name = strlen(facts->name) + 1, path = strlen(facts->path) + 1;
  struct file *file = malloc(sizeof *file + xattrs_size(facts->xattrs, facts->xattr_count) + name + path);
  if (file == NULL) {
    (void)failure_set(failure, FAILURE_IO, ENOMEM, facts->path, "no memory for a file");
    return NULL;
  }
  *file = (struct file){
      .fd = -1,
      .directory = facts->directory,
      .pins = facts->pins,
      .mode = facts->mode,
      .time = {.tv_sec = (time_t)facts->seconds, .tv_nsec = (long)facts->nanoseconds},
      .xattrs = (struct xattr *)(file + 1),
  };
  size_t kept = 0;
  for (size_t i = 0; i < facts->xattr_count; i++)
    kept += is_settable(&facts->xattrs[i]);
  char *free_space = (char *)(file->xattrs + kept);
  for (size_t i = 0; i < facts->xattr_count; i++) {
    const struct xattr *from = &facts->xattrs[i];
    if (!is_settable(from))
      continue;
    size_t length = strlen(from->name) + 1;
    memcpy(free_space, from->name, length);
    file->xattrs[file->xattr_count++] = (struct xattr){.name = free_space, .value = free_space + length, .size = from->size};
    memcpy(free_space + length, from->value, from->size);
    free_space += length + from->size;
  }
  file->name = memcpy(free_space, facts->name, name);
  file->path = memcpy(free_space + name, facts->path, path);
  (void)__atomic_add_fetch(facts->pins, 1, __ATOMIC_RELAXED);
  return file;
}

int writer_add(struct writer *writer, struct file *file, struct slab *slab, const unsigned char *data, size_t size,
               int last, struct failure *failure)
{
  struct piece *piece = malloc(sizeof *piece);
  if (piece == NULL)
    return failure_set(failure, FAILURE_IO, ENOMEM, file->path, "no memory for a file");
  *piece = (struct piece){.file = file, .slab = slab, .data = data, .size = size, .last = last};
  (void)pthread_mutex_lock(&writer->lock);
  while (writer->pending >= PENDING_LIMIT) {
    writer->waited_for = 1;
    (void)pthread_cond_wait(&writer->emptied, &writer->lock);
  }
  *writer->end = piece;
  writer->end = &piece->next;
  (void)__atomic_add_fetch(&writer->pending, 1, __ATOMIC_RELAXED); /* writers_choose reads it without the lock */
  if (writer->sleeping)
    (void)pthread_cond_signal(&writer->filled);
  (void)pthread_mutex_unlock(&writer->lock);
  return 0;
}

int writers_drain(struct writers *writers, struct failure *failure)
{
  for (size_t i = 0; i < writers->count; i++) {
    struct writer *writer = &writers->list[i];
    (void)pthread_mutex_lock(&writer->lock);
    while (writer->pending > 0) {
      writer->waited_for = 1;
      (void)pthread_cond_wait(&writer->emptied, &writer->lock);
    }
    (void)pthread_mutex_unlock(&writer->lock);
  }
  return writers_check(writers, failure);
}

int writers_check(struct writers *writers, struct failure *failure)
{
  if (!__atomic_load_n(&writers->failed, __ATOMIC_ACQUIRE))
    return 0;
  (void)pthread_mutex_lock(&writers->failure_lock);
  if (failure->kind == FAILURE_NONE)
    *failure = writers->failure;
  (void)pthread_mutex_unlock(&writers->failure_lock);
  return -1;
}

static void *writer_run(void *argument)
{
  struct writer *writer = argument;
  (void)pthread_mutex_lock(&writer->lock);
  for (;;) {
    while (writer->first == NULL && !writer->stopping) {
      writer->sleeping = 1;
      (void)pthread_cond_wait(&writer->filled, &writer->lock);
      writer->sleeping = 0;
    }
    struct piece *piece = writer->first;
    if (piece == NULL)
      break;
    writer->first = NULL;
    writer->end = &writer->first;
    (void)pthread_mutex_unlock(&writer->lock);
    unsigned done = 0;
    while (piece != NULL) {
      struct piece *next = piece->next;
      piece_write(writer->owner, piece);
      free(piece);
      piece = next;
      done++;
    }
    (void)pthread_mutex_lock(&writer->lock);
    (void)__atomic_sub_fetch(&writer->pending, done, __ATOMIC_RELAXED);
    if (writer->waited_for) {
      writer->waited_for = 0;
      (void)pthread_cond_broadcast(&writer->emptied);
    }
  }
  (void)pthread_mutex_unlock(&writer->lock);
  return NULL;
}

static int file_make(struct file *file, struct failure *failure);
static int file_append(struct file *file, const unsigned char *data, size_t size, struct failure *failure);
static int file_end(struct file *file, struct failure *failure);

static void piece_write(struct writers *writers, struct piece *piece)
{
  struct file *file = piece->file;
  struct failure failure = {0};
  if (!__atomic_load_n(&writers->failed, __ATOMIC_ACQUIRE)) {
    if (file->fd < 0)
      (void)file_make(file, &failure);
    if (failure.kind == FAILURE_NONE && piece->size > 0)
      (void)file_append(file, piece->data, piece->size, &failure);
    if (failure.kind == FAILURE_NONE && piece->last)
      (void)file_end(file, &failure);
  }
  if (failure.kind != FAILURE_NONE) {
    (void)pthread_mutex_lock(&writers->failure_lock);
    if (writers->failure.kind == FAILURE_NONE)
      writers->failure = failure;
    (void)pthread_mutex_unlock(&writers->failure_lock);
    __atomic_store_n(&writers->failed, 1, __ATOMIC_RELEASE);
  }
  if (piece->slab != NULL)
    slab_release(piece->slab);
  if (piece->last) {
    if (file->fd >= 0)
      (void)close(file->fd);
    (void)__atomic_sub_fetch(file->pins, 1, __ATOMIC_RELEASE);
    free(file);
  }
}

static int file_make(struct file *file, struct failure *failure)
{
  /* An extended attribute needs permission to write, which the mode may lack. */
  mode_t mode = file->xattr_count > 0 ? file->mode | 0200 : file->mode;
  file->fd = openat(file->directory, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (file->fd >= 0)
    return 0;
  if (errno == EEXIST) /* the reader thought the name new, so two names are one to this file system */
    return failure_set(failure, FAILURE_IO, EEXIST, file->path,
                       "the file system does not distinguish this name from another one of the layer");
  return failure_set(failure, FAILURE_IO, errno, file->path, "cannot make a file");
}

static int file_append(struct file *file, const unsigned char *data, size_t size, struct failure *failure)
{
  while (size > 0) {
    ssize_t wrote = write(file->fd, data, size);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote < 0)
      return failure_set(failure, FAILURE_IO, errno, file->path, "cannot write a file");
    data += wrote;
    size -= (size_t)wrote;
    file->written += (uint64_t)wrote;
  }
  if (file->written - file->sent >= WRITE_BEHIND) {
    (void)sync_file_range(file->fd, (off_t)file->sent, (off_t)(file->written - file->sent), SYNC_FILE_RANGE_WRITE);
    file->sent = file->written;
  }
  return 0;
}

static int file_end(struct file *file, struct failure *failure)
{
  (void)xattrs_set(file->fd, file->xattrs, file->xattr_count);
  if (file->xattr_count > 0 && (file->mode & 0200) == 0 && fchmod(file->fd, file->mode) < 0)
    return failure_set(failure, FAILURE_IO, errno, file->path, "cannot set a file's mode");
  const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, file->time};
  if (futimens(file->fd, times) < 0)
    return failure_set(failure, FAILURE_IO, errno, file->path, "cannot set a file's time");
  int fd = file->fd;
  file->fd = -1;
  if (close(fd) < 0 && errno != EINTR) /* NFS and quotas report a full disk here */
    return failure_set(failure, FAILURE_IO, errno, file->path, "cannot write a file");
  return 0;
}

/* An overlay's own attributes would steer our mounts; those of other classes are not ours to set. */
static unsigned is_settable(const struct xattr *xattr)
{
  return strncmp(xattr->name, "user.", 5) == 0 && strncmp(xattr->name, "user.overlay.", 13) != 0;
}

size_t xattrs_size(const struct xattr *xattrs, size_t count)
{
  size_t size = 0;
  for (size_t i = 0; i < count; i++)
    if (is_settable(&xattrs[i]))
      size += sizeof(struct xattr) + strlen(xattrs[i].name) + 1 + xattrs[i].size;
  return size;
}

unsigned xattrs_set(int fd, const struct xattr *xattrs, size_t count)
{
  unsigned refused = 0;
  for (size_t i = 0; i < count; i++) {
    const struct xattr *xattr = &xattrs[i];
    if (!is_settable(xattr))
      continue;
    if (fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) < 0)
      refused++;
  }
  return refused;
}
