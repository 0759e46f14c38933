/* Removing what an earlier entry of the same layer made, so that a later one can take its name. */
#include "tree.h"

#include "writers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int directory_remove(struct tree *tree, struct directory *directory, struct failure *failure);

int tree_make_room(struct tree *tree, struct directory *directory, const char *name, struct failure *failure)
{
  if (writers_drain(tree->writers, failure) < 0)
    return -1;
  struct directory *child = tree_child(tree, directory, name);
  if (child != NULL)
    return directory_remove(tree, child, failure) < 0 ? -1 : 1;
  int fd = directory_fd(tree, directory, failure);
  if (fd < 0)
    return -1;
  struct stat status;
  if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : failure_set(failure, FAILURE_IO, errno, name, "cannot look at a file");
  if (S_ISREG(status.st_mode) && status.st_size > 0)
    tree->rebuildable = 0;
  if (unlinkat(fd, name, 0) < 0)
    return failure_set(failure, FAILURE_IO, errno, name, "cannot replace a file");
  return 1;
}

static int files_remove(struct tree *tree, struct directory *directory, struct failure *failure);

static int directory_remove(struct tree *tree, struct directory *directory, struct failure *failure)
{
  struct directory *at = directory;
  tree->rebuildable = 0;
  for (;;) { /* down to the first leaf; what has been removed is dead */
    struct directory *child = at->child;
    while (child != NULL && child->dead)
      child = child->sibling;
    at->child = child;
    if (child != NULL) {
      at = child;
      continue;
    }
    struct directory *parent = at->parent;
    if (files_remove(tree, at, failure) < 0)
      return -1;
    int fd = directory_fd(tree, parent, failure);
    if (fd < 0)
      return -1;
    if (unlinkat(fd, at->name, AT_REMOVEDIR) < 0)
      return failure_set(failure, FAILURE_IO, errno, at->name, "cannot replace a directory");
    at->dead = 1;
    if (at == directory)
      return 0;
    at = parent;
  }
}

static int files_remove(struct tree *tree, struct directory *directory, struct failure *failure)
{
  int fd = directory_fd(tree, directory, failure);
  if (fd < 0)
    return -1;
  int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
  if (stream == NULL) {
    if (copy >= 0)
      (void)close(copy);
    return failure_set(failure, FAILURE_IO, errno, directory->name, "cannot list a directory of the layer");
  }
  size_t removed;
  do { /* again until nothing is found: network file systems skip entries while they are removed */
    removed = 0;
    rewinddir(stream);
    for (struct dirent *each = readdir(stream); each != NULL; each = readdir(stream)) {
      if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0)
        continue;
      if (unlinkat(fd, each->d_name, 0) < 0 && errno != EISDIR && errno != ENOENT) {
        (void)closedir(stream);
        return failure_set(failure, FAILURE_IO, errno, each->d_name, "cannot replace a file");
      }
      removed++;
    }
  } while (removed > 0);
  (void)closedir(stream);
  return 0;
}
