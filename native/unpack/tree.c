#include "tree.h"

#include "writers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LINKS_LIMIT 40 /* as the kernel's */
#define OPEN_LIMIT 512U
#define SLOTS_START 1024U

static struct directory *directory_new(struct tree *tree, struct directory *parent, const char *name, size_t length,
                                       struct failure *failure);
static uint64_t name_hash(const struct tree *tree, uint64_t id, const char *name, size_t length);
static void newest_set(struct tree *tree, struct directory *directory);

int tree_open(struct tree *tree, int fd, struct writers *writers, struct failure *failure)
{
  *tree = (struct tree){.writers = writers, .rebuildable = 1, .overlay = 1, .open_limit = OPEN_LIMIT};
  if (getrandom(&tree->seed, sizeof tree->seed, GRND_NONBLOCK) < 0)
    tree->seed = (uint64_t)(uintptr_t)tree; /* only guards against archives made to be slow */
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
    rlim_t half = files.rlim_cur / 2;
    tree->open_limit = half < 8 ? 8 : half < OPEN_LIMIT ? (size_t)half : OPEN_LIMIT;
  }
  tree->slot_count = SLOTS_START;
  tree->seen_room = SLOTS_START;
  tree->slots = calloc(tree->slot_count, sizeof *tree->slots);
  tree->seen = calloc(tree->seen_room, sizeof *tree->seen);
  if (tree->slots == NULL || tree->seen == NULL)
    return failure_set(failure, FAILURE_IO, ENOMEM, NULL, "no memory for the tree");
  tree->root = directory_new(tree, NULL, "", 0, failure);
  if (tree->root == NULL)
    return -1;
  tree->root->fd = fd;
  /* Below a directory with a set-group-id bit, as project folders have, every directory would inherit it. */
  if (fchmod(fd, 0755) < 0)
    return failure_set(failure, FAILURE_IO, errno, NULL, "cannot set the mode of the layer's root");
  return 0;
}

void tree_close(struct tree *tree)
{
  for (size_t i = 0; i < tree->count; i++) {
    if (tree->list[i]->fd >= 0)
      (void)close(tree->list[i]->fd);
    free(tree->list[i]);
  }
  free(tree->list);
  free(tree->slots);
  free(tree->seen);
}

int path_clean(const char *name, char *path, struct failure *failure)
{
  size_t used = 0;
  const char *at = name;
  while (*at != 0) {
    size_t length = strcspn(at, "/");
    if (length == 2 && at[0] == '.' && at[1] == '.')
      return failure_set(failure, FAILURE_HOSTILE, 0, name, "its name has a '..' that leads out of its directory");
    if (length > 255)
      return failure_set(failure, FAILURE_BROKEN, 0, name, "a part of its name is longer than 255 bytes");
    if (length > 0 && !(length == 1 && at[0] == '.')) {
      if (used > 0)
        path[used++] = '/';
      memcpy(path + used, at, length); /* never longer than the name, which is shorter than NAME_LIMIT */
      used += length;
    }
    at += length;
    at += *at == '/';
  }
  path[used] = 0;
  return 0;
}

/* ---- finding ---------------------------------------------------------------------------------------------------- */

static int link_follow(struct tree *tree, struct directory **at, const char *name, int make, char *todo, int *links,
                       struct failure *failure);
static uint8_t is_below_opaque(const struct directory *directory);

int tree_find(struct tree *tree, const char *path, size_t length, int make, struct directory **found,
              struct failure *failure)
{
  char todo[2 * NAME_LIMIT + 2];
  char name[256];
  memcpy(todo, path, length);
  todo[length] = 0;
  struct directory *at = tree->root;
  int links = 0;
  const char *next = todo;
  *found = NULL;
  for (;;) {
    next += strspn(next, "/");
    if (*next == 0)
      break;
    size_t size = strcspn(next, "/");
    if (size > 255)
      return failure_set(failure, FAILURE_BROKEN, 0, path, "a symbolic link on its way has a name over 255 bytes");
    memcpy(name, next, size);
    name[size] = 0;
    next += size;
    if (strcmp(name, ".") == 0)
      continue;
    if (strcmp(name, "..") == 0) { /* only from symbolic links: path_clean refuses it in names */
      at = at->parent != NULL ? at->parent : at;
      continue;
    }
    struct directory *child = tree_child(tree, at, name);
    if (child == NULL && !tree_used(tree, at, name)) {
      if (!make)
        return 0;
      if (tree_use(tree, at, name, failure) < 0)
        return -1;
      child = tree_make(tree, at, name, size, failure);
      if (child == NULL)
        return -1;
      if (is_below_opaque(child))
        directory_named(tree, child);
    }
    if (child != NULL) {
      at = child;
      continue;
    }
    memmove(todo, next, strlen(next) + 1);
    int followed = link_follow(tree, &at, name, make, todo, &links, failure);
    if (followed < 0)
      return -1;
    if (followed == 0)
      return 0;
    next = todo;
  }
  *found = at;
  return 0;
}

static uint8_t is_below_opaque(const struct directory *directory)
{
  for (const struct directory *above = directory->parent; above != NULL; above = above->parent)
    if (above->opaque)
      return 1;
  return 0;
}

/* `name` in *at was used and is no directory. 1: go on with `todo`, which now begins with a link's target, or in *at,
 * a directory that replaced a whiteout; 0: nothing there and `make` is 0. */
static int link_follow(struct tree *tree, struct directory **at, const char *name, int make, char *todo, int *links,
                       struct failure *failure)
{
  char target[NAME_LIMIT];
  char path[NAME_LIMIT];
  if (directory_path(*at, name, path, failure) < 0 || writers_drain(tree->writers, failure) < 0)
    return -1;
  int fd = directory_fd(tree, *at, failure);
  if (fd < 0)
    return -1;
  ssize_t length = readlinkat(fd, name, target, sizeof target - 1);
  if (length >= 0) {
    if (++*links > LINKS_LIMIT)
      return failure_set(failure, FAILURE_HOSTILE, 0, path, "symbolic links lead in a circle");
    size_t rest = strlen(todo);
    if ((size_t)length + rest + 2 > 2 * NAME_LIMIT)
      return failure_set(failure, FAILURE_BROKEN, 0, path, "symbolic links make a path too long");
    memmove(todo + length + 1, todo, rest + 1);
    memcpy(todo, target, (size_t)length);
    todo[length] = '/';
    if (target[0] == '/')
      *at = tree->root;
    return 1;
  }
  if (!make)
    return 0;
  struct stat status;
  if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(status.st_mode))
    return failure_set(failure, FAILURE_BROKEN, 0, path, "something is to be put into it, but it is no directory");
  /* a whiteout of the lower layers' directory, then something in a new one */
  if (tree_make_room(tree, *at, name, failure) < 0)
    return -1;
  struct directory *made = tree_make(tree, *at, name, strlen(name), failure);
  if (made == NULL || directory_opaque(tree, made, failure) < 0)
    return -1;
  directory_named(tree, made); /* it takes nothing over from the directory that was removed */
  *at = made;
  return 1;
}

int directory_fd(struct tree *tree, struct directory *directory, struct failure *failure)
{
  if (directory->parent == NULL)
    return directory->fd;
  if (directory->fd >= 0) {
    newest_set(tree, directory);
    return directory->fd;
  }
  int parent = directory_fd(tree, directory->parent, failure);
  if (parent < 0)
    return -1;
  int fd = openat(parent, directory->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return failure_set(failure, FAILURE_IO, errno, directory->name, "cannot open a directory of the layer");
  if (tree->open_count >= tree->open_limit) {
    struct directory *victim = tree->oldest;
    while (victim != NULL && __atomic_load_n(&victim->pins, __ATOMIC_ACQUIRE) > 0)
      victim = victim->newer;
    if (victim == NULL) {
      if (writers_drain(tree->writers, failure) < 0) {
        (void)close(fd);
        return -1;
      }
      victim = tree->oldest;
    }
    if (victim->newer != NULL)
      victim->newer->older = victim->older;
    else
      tree->newest = victim->older;
    if (victim->older != NULL)
      victim->older->newer = victim->newer;
    else
      tree->oldest = victim->newer;
    (void)close(victim->fd);
    victim->fd = -1;
    victim->newer = victim->older = NULL;
    tree->open_count--;
  }
  directory->fd = fd;
  tree->open_count++;
  directory->older = tree->newest;
  directory->newer = NULL;
  if (tree->newest != NULL)
    tree->newest->newer = directory;
  tree->newest = directory;
  if (tree->oldest == NULL)
    tree->oldest = directory;
  return fd;
}

static void newest_set(struct tree *tree, struct directory *directory)
{
  if (tree->newest == directory)
    return;
  directory->newer->older = directory->older; /* it is not the newest, so it has a newer one */
  if (directory->older != NULL)
    directory->older->newer = directory->newer;
  else
    tree->oldest = directory->newer;
  directory->older = tree->newest;
  directory->newer = NULL;
  tree->newest->newer = directory;
  tree->newest = directory;
}

int directory_path(const struct directory *directory, const char *name, char *path, struct failure *failure)
{
  size_t size = name != NULL ? strlen(name) : 0;
  for (const struct directory *at = directory; at->parent != NULL; at = at->parent)
    size += strlen(at->name) + 1;
  if (size >= NAME_LIMIT)
    return failure_set(failure, FAILURE_BROKEN, 0, name != NULL ? name : directory->name,
                       "its path is longer than 4095 bytes");
  char *end = path + size;
  *end = 0;
  if (name != NULL) {
    end -= strlen(name);
    memcpy(end, name, strlen(name));
  }
  for (const struct directory *at = directory; at->parent != NULL; at = at->parent) {
    if (end != path + size || name != NULL)
      *--end = '/';
    end -= strlen(at->name);
    memcpy(end, at->name, strlen(at->name));
  }
  if (end > path) /* without `name`, one slash fewer than counted */
    memmove(path, end, strlen(end) + 1);
  return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static uint64_t name_hash(const struct tree *tree, uint64_t id, const char *name, size_t length)
{
  uint64_t hash = tree->seed ^ (id + 1) * UINT64_C(0x9e3779b97f4a7c15);
  for (size_t i = 0; i < length; i++) {
    hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 32;
  }
  hash *= UINT64_C(0xc4ceb9fe1a85ec53);
  hash ^= hash >> 29;
  return hash != 0 ? hash : 1;
}

static size_t seen_slot(const uint64_t *seen, size_t room, uint64_t hash)
{
  size_t slot = (size_t)hash & (room - 1);
  while (seen[slot] != 0 && seen[slot] != hash)
    slot = (slot + 1) & (room - 1);
  return slot;
}

int tree_used(const struct tree *tree, const struct directory *directory, const char *name)
{
  uint64_t hash = name_hash(tree, directory->id, name, strlen(name));
  return tree->seen[seen_slot(tree->seen, tree->seen_room, hash)] != 0;
}

int tree_use(struct tree *tree, const struct directory *directory, const char *name, struct failure *failure)
{
  uint64_t hash = name_hash(tree, directory->id, name, strlen(name));
  size_t slot = seen_slot(tree->seen, tree->seen_room, hash);
  if (tree->seen[slot] != 0)
    return 1;
  tree->seen[slot] = hash;
  if (++tree->seen_count * 3 < tree->seen_room * 2)
    return 0;
  size_t room = tree->seen_room * 2;
  uint64_t *grown = calloc(room, sizeof *grown);
  if (grown == NULL)
    return failure_set(failure, FAILURE_IO, ENOMEM, NULL, "no memory for the tree");
  for (size_t i = 0; i < tree->seen_room; i++)
    if (tree->seen[i] != 0)
      grown[seen_slot(grown, room, tree->seen[i])] = tree->seen[i];
  free(tree->seen);
  tree->seen = grown;
  tree->seen_room = room;
  return 0;
}

static size_t child_slot(const struct tree *tree, const struct directory *parent, const char *name, size_t length)
{
  size_t slot = (size_t)name_hash(tree, parent->id, name, length) & (tree->slot_count - 1);
  for (; tree->slots[slot] != NULL; slot = (slot + 1) & (tree->slot_count - 1)) {
    const struct directory *candidate = tree->slots[slot];
    if (candidate->parent == parent && strncmp(candidate->name, name, length) == 0 && candidate->name[length] == 0)
      break;
  }
  return slot;
}

struct directory *tree_child(const struct tree *tree, const struct directory *directory, const char *name)
{
  struct directory *child = tree->slots[child_slot(tree, directory, name, strlen(name))];
  return child != NULL && !child->dead ? child : NULL;
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

struct directory *tree_make(struct tree *tree, struct directory *parent, const char *name, size_t length,
                            struct failure *failure)
{
  int fd = directory_fd(tree, parent, failure);
  if (fd < 0)
    return NULL;
  struct directory *directory = directory_new(tree, parent, name, length, failure);
  if (directory == NULL)
    return NULL;
  if (mkdirat(fd, directory->name, 0755) < 0) {
    directory->dead = 1;
    (void)failure_set(failure, FAILURE_IO, errno, directory->name, "cannot make a directory");
    return NULL;
  }
  return directory;
}

static int slots_grow(struct tree *tree);

static struct directory *directory_new(struct tree *tree, struct directory *parent, const char *name, size_t length,
                                       struct failure *failure)
{
  struct directory *directory = calloc(1, sizeof *directory + length + 1);
  if (directory == NULL)
    goto no_memory;
  memcpy(directory->name, name, length);
  directory->cost = parent != NULL ? parent->cost + name_cost(directory->name) : 0;
  tree->memory += sizeof *directory + length + 1;
  if (tree->memory > DIRECTORIES_LIMIT)
    (void)failure_set(failure, FAILURE_HOSTILE, 0, name, "the layer has too many directories (%zu)", tree->count);
  else if (parent != NULL)
    (void)summary_add(tree, directory->cost, name, failure);
  if (failure->kind != FAILURE_NONE) {
    free(directory);
    return NULL;
  }
  directory->parent = parent;
  directory->id = tree->count;
  directory->mode = 0755;
  directory->fd = -1;
  if (tree->count == tree->room) {
    size_t room = tree->room == 0 ? 256 : tree->room * 2;
    struct directory **grown = realloc(tree->list, room * sizeof(struct directory *));
    if (grown == NULL)
      goto no_memory;
    tree->list = grown;
    tree->room = room;
  }
  if (tree->count * 2 > tree->slot_count && slots_grow(tree) < 0)
    goto no_memory;
  tree->list[tree->count++] = directory;
  if (parent != NULL) {
    directory->sibling = parent->child;
    parent->child = directory;
    tree->slots[child_slot(tree, parent, directory->name, length)] = directory; /* in a dead one's place, too */
  }
  return directory;
no_memory:
  free(directory);
  (void)failure_set(failure, FAILURE_IO, ENOMEM, name, "no memory for the tree");
  return NULL;
}

static int slots_grow(struct tree *tree)
{
  struct directory **grown = calloc(tree->slot_count * 2, sizeof *grown);
  if (grown == NULL)
    return -1;
  free(tree->slots);
  tree->slots = grown;
  tree->slot_count *= 2;
  for (size_t i = 1; i < tree->count; i++) {
    struct directory *each = tree->list[i];
    if (!each->dead)
      tree->slots[child_slot(tree, each->parent, each->name, strlen(each->name))] = each;
  }
  return 0;
}

int directory_opaque(struct tree *tree, struct directory *directory, struct failure *failure)
{
  directory->opaque = 1;
  int fd = directory_fd(tree, directory, failure);
  if (fd < 0)
    return -1;
  if (fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) == 0)
    return 0;
  if (errno == ENOSPC || errno == EDQUOT)
    return failure_set(failure, FAILURE_IO, errno, directory->name, "cannot mark a directory");
  tree->overlay = 0;
  return 0;
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

int tree_finish(struct tree *tree, struct failure *failure)
{
  for (size_t i = tree->count; i-- > 0;) {
    struct directory *each = tree->list[i];
    if (each->dead)
      continue;
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)each->seconds, .tv_nsec = (long)each->nanoseconds},
    };
    uint32_t mode = each->mode & ~OTHERS_WRITE;
    tree->closed |= mode != each->mode;
    int result;
    if (each->parent == NULL) {
      result = mode != 0755 && fchmod(each->fd, mode) < 0 ? -1 : futimens(each->fd, times);
    } else {
      int fd = directory_fd(tree, each->parent, failure);
      if (fd < 0)
        return -1;
      result = mode != 0755 && fchmodat(fd, each->name, mode, 0) < 0
                   ? -1
                   : utimensat(fd, each->name, times, AT_SYMLINK_NOFOLLOW);
    }
    if (result < 0)
      return failure_set(failure, FAILURE_IO, errno, each->name, "cannot set a directory's mode or time");
  }
  return 0;
}
