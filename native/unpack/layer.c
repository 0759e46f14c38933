#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ROOM_STEPS 4096U /* entries, directories, or times ROOM_BYTES, between two looks at the disk */
#define ROOM_BYTES (16U << 10)
#define BYTES_RESERVED (16U << 20)
#define FILES_RESERVED 2048U
#define XATTRS_WAITING (16U << 10) /* bytes */

static int entry_apply(struct layer *layer, const struct entry *entry, struct failure *failure);
static uint32_t mode_closed(struct layer *layer, const struct entry *entry);
static int room_check(struct layer *layer, struct failure *failure);

int layer_apply(struct layer *layer, int root, size_t writers, struct stream *stream, struct table *table,
                struct failure *failure)
{
  memset(layer, 0, sizeof *layer);
  layer->overlay = 1;
  archive_open(&layer->archive, stream, table);
  if (writers_open(&layer->writers, writers, failure) < 0 ||
      tree_open(&layer->tree, root, &layer->writers, failure) < 0)
    return -1;
  struct entry entry;
  int got;
  while ((got = archive_next(&layer->archive, &entry, failure)) > 0) {
    if (++layer->entries > ENTRIES_LIMIT)
      return failure_set(failure, FAILURE_HOSTILE, 0, entry.name, "the layer has more than %u entries", ENTRIES_LIMIT);
    if (room_check(layer, failure) < 0 || entry_apply(layer, &entry, failure) < 0 ||
        writers_check(&layer->writers, failure) < 0)
      return -1;
  }
  if (got < 0 || writers_drain(&layer->writers, failure) < 0 || tree_finish(&layer->tree, failure) < 0)
    return -1;
  layer->overlay = layer->overlay && layer->tree.overlay;
  return table_finish(table, failure);
}

/* How many steps of work the disk has room for, apart from the reserve. */
static int steps_left(const struct layer *layer, uint64_t *files, uint64_t *bytes)
{
  struct statvfs found;
  if (fstatvfs(layer->tree.root->fd, &found) < 0)
    return -1;
  uint64_t room = (uint64_t)found.f_bavail * found.f_frsize;
  *files = found.f_files == 0 ? UINT64_MAX : found.f_favail > FILES_RESERVED ? found.f_favail - FILES_RESERVED : 0;
  *bytes = found.f_blocks == 0 ? UINT64_MAX : room > BYTES_RESERVED ? (room - BYTES_RESERVED) / ROOM_BYTES : 0;
  return 0;
}

/* The last of a disk is not ours to take: others write there, too, and what they could not write would be lost. Asked
 * again and again, for what the archive claims is not what it will take; the more often the nearer the end is. */
static int room_check(struct layer *layer, struct failure *failure)
{
  uint64_t work = layer->entries + layer->tree.count + layer->archive.stream->consumed / ROOM_BYTES;
  uint64_t files, bytes;
  if (work < layer->room_next)
    return 0;
  layer->room_next = work + ROOM_STEPS;
  if (steps_left(layer, &files, &bytes) < 0)
    return 0;
  uint64_t left = files < bytes ? files : bytes;
  if (left > 2 * ROOM_STEPS)
    return 0;
  /* What the writers still have to make counts, too. */
  if (writers_drain(&layer->writers, failure) < 0)
    return -1;
  if (steps_left(layer, &files, &bytes) < 0)
    return 0;
  if (files == 0)
    return failure_set(failure, FAILURE_IO, ENOSPC, NULL, "fewer than %u files (inodes) can still be made",
                       FILES_RESERVED);
  if (bytes == 0)
    return failure_set(failure, FAILURE_IO, ENOSPC, NULL, "less than %u MiB are free", BYTES_RESERVED >> 20);
  left = files < bytes ? files : bytes;
  layer->room_next = work + (left / 2 < ROOM_STEPS ? left / 2 : ROOM_STEPS);
  return 0;
}

void layer_close(struct layer *layer)
{
  writers_close(&layer->writers);
  tree_close(&layer->tree);
  archive_close(&layer->archive);
  for (size_t i = 0; i < layer->link_count; i++) {
    free(layer->links[i].path);
    free(layer->links[i].target);
  }
  free(layer->links);
}

struct place {
  struct directory *parent;
  const char *name; /* in the parent */
  const char *path; /* below the root, with symbolic links resolved */
};

static int whiteout_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                          struct failure *failure);
static int directory_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                           struct failure *failure);
static int file_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                      struct failure *failure);
static int sparse_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                        struct failure *failure);
static int link_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                      struct failure *failure);
static int special_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                         struct failure *failure);
static void root_apply(struct layer *layer, const struct entry *entry);

static int entry_apply(struct layer *layer, const struct entry *entry, struct failure *failure)
{
  char clean[NAME_LIMIT];
  char path[NAME_LIMIT];
  if (path_clean(entry->name, clean, failure) < 0)
    return -1;
  if (clean[0] == 0) {
    if (entry->name[0] == 0 || entry->type != '5')
      return failure_set(failure, FAILURE_HOSTILE, 0, entry->name, "it would replace the layer's root");
    root_apply(layer, entry);
    return 0;
  }
  char *slash = strrchr(clean, '/');
  size_t length = slash != NULL ? (size_t)(slash - clean) : 0;
  struct place place = {.name = slash != NULL ? slash + 1 : clean, .path = path};
  if (layer->last != NULL && layer->last_length == length && memcmp(layer->last_path, clean, length) == 0) {
    place.parent = layer->last;
  } else {
    if (tree_find(&layer->tree, clean, length, 1, &place.parent, failure) < 0)
      return -1;
    layer->last = place.parent;
    layer->last_length = length;
    memcpy(layer->last_path, clean, length);
  }
  if (strncmp(place.name, ".wh.", 4) == 0)
    return whiteout_apply(layer, entry, &place, failure);
  if (directory_path(place.parent, place.name, path, failure) < 0)
    return -1;
  switch (entry->type) {
  case '0':
    return entry->sparse ? sparse_apply(layer, entry, &place, failure) : file_apply(layer, entry, &place, failure);
  case '1':
    return link_apply(layer, entry, &place, failure);
  case '5':
    return directory_apply(layer, entry, &place, failure);
  default:
    return special_apply(layer, entry, &place, failure);
  }
}

static void directory_describe(struct tree *tree, struct directory *directory, const struct entry *entry)
{
  directory_named(tree, directory);
  directory->mode = entry->mode & 01777; /* tree_finish takes what others may write */
  directory->seconds = entry->seconds;
  directory->nanoseconds = entry->nanoseconds;
}

static void root_apply(struct layer *layer, const struct entry *entry)
{
  struct directory *root = layer->tree.root;
  directory_describe(&layer->tree, root, entry);
  layer->refused += xattrs_set(root->fd, entry->xattrs, entry->xattr_count);
}

/* 1 when something was there and has been removed. */
static int room_make(struct layer *layer, const struct place *place, struct failure *failure)
{
  int used = tree_use(&layer->tree, place->parent, place->name, failure);
  if (used <= 0)
    return used;
  layer->last = NULL;
  return tree_make_room(&layer->tree, place->parent, place->name, failure);
}

/* ---- whiteouts -------------------------------------------------------------------------------------------------- */

static int whiteout_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                          struct failure *failure)
{
  if (archive_inline(&layer->archive, entry->size, failure) < 0)
    return -1;
  if (strcmp(place->name, ".wh..wh..opq") == 0) {
    layer->whiteouts++;
    return directory_opaque(&layer->tree, place->parent, failure);
  }
  if (strncmp(place->name, ".wh..wh.", 8) == 0) /* what AUFS kept for itself; Docker ignores it too */
    return 0;
  const char *name = place->name + 4;
  if (name[0] == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return failure_set(failure, FAILURE_HOSTILE, 0, entry->name, "it removes a directory that it stands in");
  layer->whiteouts++;
  int used = tree_use(&layer->tree, place->parent, name, failure);
  if (used < 0)
    return -1;
  if (used > 0) {
    /* The layer has such a thing itself: it stays, since a whiteout is for lower layers only, and hides theirs; a
     * directory only if it is opaque. */
    struct directory *child = tree_child(&layer->tree, place->parent, name);
    return child != NULL ? directory_opaque(&layer->tree, child, failure) : 0;
  }
  int fd = directory_fd(&layer->tree, place->parent, failure);
  if (fd < 0)
    return -1;
  if (mknodat(fd, name, S_IFCHR, makedev(0, 0)) < 0) {
    if (errno == ENOSPC || errno == EDQUOT)
      return failure_set(failure, FAILURE_IO, errno, entry->name, "cannot make a whiteout");
    layer->overlay = 0; /* before Linux 5.8, and on some network file systems; the table has it */
  }
  return 0;
}

/* ---- directories ------------------------------------------------------------------------------------------------ */

static int directory_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                           struct failure *failure)
{
  struct tree *tree = &layer->tree;
  struct directory *directory = tree_child(tree, place->parent, place->name);
  if (directory == NULL) {
    int removed = room_make(layer, place, failure);
    if (removed < 0)
      return -1;
    directory = tree_make(tree, place->parent, place->name, strlen(place->name), failure);
    if (directory == NULL)
      return -1;
    /* What stood there hid the lower layers' directory; its successor goes on doing so. */
    if (removed > 0 && directory_opaque(tree, directory, failure) < 0)
      return -1;
  }
  directory_describe(tree, directory, entry);
  if (entry->xattr_count > 0) {
    int fd = directory_fd(tree, directory, failure);
    if (fd < 0)
      return -1;
    layer->refused += xattrs_set(fd, entry->xattrs, entry->xattr_count);
  }
  return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static uint32_t mode_closed(struct layer *layer, const struct entry *entry)
{
  layer->tree.closed |= (entry->mode & OTHERS_WRITE) != 0;
  return entry->mode & 01777 & ~OTHERS_WRITE;
}

static struct file_facts facts_of(struct layer *layer, int fd, const struct entry *entry, const struct place *place)
{
  return (struct file_facts){
      .directory = fd,
      .pins = &place->parent->pins,
      .name = place->name,
      .path = place->path,
      .mode = mode_closed(layer, entry),
      .seconds = entry->seconds,
      .nanoseconds = entry->nanoseconds,
      .xattrs = entry->xattrs,
      .xattr_count = entry->xattr_count,
  };
}

static int file_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                      struct failure *failure)
{
  struct archive *archive = &layer->archive;
  /* A file that its owner may not read cannot give its content back: that goes into the table. */
  int elide = (entry->mode & 0400) != 0;
  if (room_make(layer, place, failure) < 0)
    return -1;
  int fd = directory_fd(&layer->tree, place->parent, failure);
  if (fd < 0)
    return -1;
  if (elide && entry->size > 0 && table_elide(archive->table, entry->size, place->path, failure) < 0)
    return -1;
  const struct file_facts facts = facts_of(layer, fd, entry, place);
  struct file *file = file_new(&facts, failure);
  if (file == NULL)
    return -1;
  struct writer *writer = writers_choose(&layer->writers);
  uint64_t left = entry->size;
  layer->bytes += left;
  do {
    const unsigned char *part = NULL;
    struct slab *slab = NULL;
    ssize_t got = 0;
    if (left > 0)
      got = stream_part(archive->stream, left < SLAB_SIZE ? (size_t)left : SLAB_SIZE, &part, &slab, failure);
    if (left > 0 && got == 0)
      got = failure_set(failure, FAILURE_BROKEN, 0, entry->name, "the archive ends in the middle of this file");
    if (got > 0 && !elide && table_raw(archive->table, part, (size_t)got, failure) < 0)
      got = -1;
    left -= got > 0 ? (uint64_t)got : 0;
    if (writer_add(writer, file, slab, part, got > 0 ? (size_t)got : 0, left == 0 || got < 0, failure) < 0 || got < 0)
      return -1;
  } while (left > 0 && writers_check(&layer->writers, failure) == 0 && room_check(layer, failure) == 0);
  if (left > 0)
    return -1;
  /* Files that wait have copies of their attributes: a thousand with a megabyte each would be a gigabyte. */
  if (xattrs_size(entry->xattrs, entry->xattr_count) > XATTRS_WAITING && writers_drain(&layer->writers, failure) < 0)
    return -1;
  return archive_padding(archive, entry->size, failure);
}

/* A sparse file's stored form is not in the tree, so its content goes into the table; it is rare enough to be written
 * by the reader itself. */
static int sparse_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                        struct failure *failure)
{
  struct archive *archive = &layer->archive;
  if (room_make(layer, place, failure) < 0)
    return -1;
  int directory = directory_fd(&layer->tree, place->parent, failure);
  if (directory < 0)
    return -1;
  int fd = openat(directory, place->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return failure_set(failure, FAILURE_IO, errno, place->path, "cannot make a file");
  const struct timespec times[2] = {
      {.tv_nsec = UTIME_OMIT},
      {.tv_sec = (time_t)entry->seconds, .tv_nsec = (long)entry->nanoseconds},
  };
  int result = 0;
  if (ftruncate(fd, (off_t)entry->real_size) < 0)
    result = failure_set(failure, FAILURE_IO, errno, place->path, "cannot make a sparse file of %llu bytes",
                         (unsigned long long)entry->real_size);
  for (size_t i = 0; result == 0 && i < entry->parts->count; i++) {
    uint64_t at = entry->parts->list[i].offset, left = entry->parts->list[i].size;
    while (result == 0 && left > 0) {
      const unsigned char *part;
      ssize_t got = stream_part(archive->stream, left < SLAB_SIZE ? (size_t)left : SLAB_SIZE, &part, NULL, failure);
      if (got == 0)
        got = failure_set(failure, FAILURE_BROKEN, 0, entry->name, "the archive ends in the middle of this file");
      if (got < 0 || table_raw(archive->table, part, (size_t)got, failure) < 0)
        result = -1;
      for (ssize_t done = 0; result == 0 && done < got;) {
        ssize_t wrote = pwrite(fd, part + done, (size_t)(got - done), (off_t)at);
        if (wrote < 0 && errno != EINTR)
          result = failure_set(failure, FAILURE_IO, errno, place->path, "cannot write a file");
        if (wrote > 0) {
          done += wrote;
          at += (uint64_t)wrote;
          left -= (uint64_t)wrote;
        }
      }
    }
  }
  if (result == 0) {
    layer->refused += xattrs_set(fd, entry->xattrs, entry->xattr_count);
    if (fchmod(fd, mode_closed(layer, entry)) < 0 || futimens(fd, times) < 0)
      result = failure_set(failure, FAILURE_IO, errno, place->path, "cannot set a file's mode or time");
  }
  layer->bytes += entry->size;
  if (close(fd) < 0 && errno != EINTR && result == 0)
    result = failure_set(failure, FAILURE_IO, errno, place->path, "cannot write a file");
  return result < 0 ? -1 : archive_padding(archive, entry->size, failure);
}

/* ---- links ------------------------------------------------------------------------------------------------------ */

static int link_leave(struct layer *layer, const char *path, const char *target, int own, struct failure *failure);

static int link_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                      struct failure *failure)
{
  char target[NAME_LIMIT];
  struct tree *tree = &layer->tree;
  struct directory *directory;
  if (path_clean(entry->link, target, failure) < 0)
    return -1;
  if (target[0] == 0)
    return failure_set(failure, FAILURE_BROKEN, 0, entry->name, "it is a hard link to a directory");
  char *slash = strrchr(target, '/');
  const char *name = slash != NULL ? slash + 1 : target;
  if (tree_find(tree, target, slash != NULL ? (size_t)(slash - target) : 0, 0, &directory, failure) < 0)
    return -1;
  if (directory == place->parent && strcmp(name, place->name) == 0) /* to itself: nothing to do */
    return tree_used(tree, directory, name) ? 0 : link_leave(layer, place->path, target, 0, failure);
  if (directory != NULL && tree_child(tree, directory, name) != NULL)
    return failure_set(failure, FAILURE_BROKEN, 0, entry->name, "it is a hard link to a directory");
  if (room_make(layer, place, failure) < 0)
    return -1;
  if (directory == NULL || directory->dead || !tree_used(tree, directory, name))
    return link_leave(layer, place->path, target, 0, failure);

  __atomic_add_fetch(&directory->pins, 1, __ATOMIC_RELAXED); /* so that both descriptors are good at once */
  int from = directory_fd(tree, directory, failure);
  int to = from < 0 ? -1 : directory_fd(tree, place->parent, failure);
  __atomic_sub_fetch(&directory->pins, 1, __ATOMIC_RELAXED);
  if (to < 0)
    return -1;
  struct stat status;
  if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
    if (writers_drain(&layer->writers, failure) < 0) /* perhaps still to be made */
      return -1;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
      return link_leave(layer, place->path, target, 1, failure);
  }
  if (!S_ISCHR(status.st_mode) && linkat(from, name, to, place->name, 0) == 0)
    return 0;
  if (S_ISCHR(status.st_mode) || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP || errno == EXDEV) {
    /* a whiteout; or this file system has no (more) hard links: a copy will have to do */
    return link_leave(layer, place->path, target, 1, failure);
  }
  return failure_set(failure, FAILURE_IO, errno, place->path, "cannot make a hard link");
}

static int link_leave(struct layer *layer, const char *path, const char *target, int own, struct failure *failure)
{
  if (summary_add(&layer->tree, name_cost(path) + name_cost(target), path, failure) < 0)
    return -1;
  if (layer->link_count == layer->link_room) {
    size_t room = layer->link_room == 0 ? 16 : layer->link_room * 2;
    struct link_left *grown = realloc(layer->links, room * sizeof *grown);
    if (grown == NULL)
      return failure_set(failure, FAILURE_IO, ENOMEM, path, "no memory for hard links");
    layer->links = grown;
    layer->link_room = room;
  }
  struct link_left *link = &layer->links[layer->link_count];
  *link = (struct link_left){.path = strdup(path), .target = strdup(target), .own = own};
  layer->link_count++;
  if (link->path == NULL || link->target == NULL)
    return failure_set(failure, FAILURE_IO, ENOMEM, path, "no memory for hard links");
  return 0;
}

/* ---- symbolic links, fifos, devices ----------------------------------------------------------------------------- */

static int special_apply(struct layer *layer, const struct entry *entry, const struct place *place,
                         struct failure *failure)
{
  if (room_make(layer, place, failure) < 0)
    return -1;
  if (entry->type == '3' || entry->type == '4') { /* only root makes devices; the table has them */
    layer->devices++;
    return 0;
  }
  int fd = directory_fd(&layer->tree, place->parent, failure);
  if (fd < 0)
    return -1;
  if (entry->type == '2' && entry->link[0] == 0)
    return failure_set(failure, FAILURE_BROKEN, 0, entry->name, "it is a symbolic link to nothing");
  int made = entry->type == '2' ? symlinkat(entry->link, fd, place->name)
                                : mkfifoat(fd, place->name, mode_closed(layer, entry));
  if (made < 0)
    return failure_set(failure, FAILURE_IO, errno, place->path, "cannot make a %s",
                       entry->type == '2' ? "symbolic link" : "fifo");
  const struct timespec times[2] = {
      {.tv_nsec = UTIME_OMIT},
      {.tv_sec = (time_t)entry->seconds, .tv_nsec = (long)entry->nanoseconds},
  };
  if (utimensat(fd, place->name, times, AT_SYMLINK_NOFOLLOW) < 0)
    return failure_set(failure, FAILURE_IO, errno, place->path, "cannot set a time");
  return 0;
}
