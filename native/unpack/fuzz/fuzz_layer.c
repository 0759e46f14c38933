/* Any bytes as a layer, applied to a folder below the temporary directory; nothing may appear beside it.
 *
 * Checksums are set right before, else a fuzzer would never get past them.
 */
#include "layer.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct input {
  const unsigned char *data;
  size_t size, position;
};

static ssize_t input_read(void *context, void *buffer, size_t size)
{
  struct input *input = context;
  size_t left = input->size - input->position;
  size_t part = size < left ? size : left;
  memcpy(buffer, input->data + input->position, part);
  input->position += part;
  return (ssize_t)part;
}

static ssize_t nowhere_write(void *context, const void *data, size_t size)
{
  (void)context;
  (void)data;
  return (ssize_t)size;
}

static int entry_open(const char *path, const struct stat *status, int type, struct FTW *walk)
{
  (void)status;
  (void)walk;
  if (type == FTW_D || type == FTW_DNR)
    (void)chmod(path, 0700);
  return 0;
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *walk)
{
  (void)status;
  (void)type;
  (void)walk;
  return remove(path);
}

static void checksums_set(unsigned char *data, size_t size)
{
  for (size_t at = 0; at + 512 <= size; at += 512) {
    unsigned char *block = data + at;
    unsigned sum = 0;
    if (memcmp(block + 257, "ustar", 5) != 0)
      continue;
    for (size_t i = 0; i < 512; i++)
      sum += i >= 148 && i < 156 ? ' ' : block[i];
    (void)snprintf((char *)block + 148, 8, "%06o", sum);
  }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
  static struct stream stream;
  static struct layer layer;
  char outer[] = "/tmp/wherry-fuzz-XXXXXX";
  char inner[64];
  struct failure failure = {0};
  struct table table;
  if (size > 65536 || mkdtemp(outer) == NULL)
    return 0;
  (void)snprintf(inner, sizeof inner, "%s/tree", outer);
  if (mkdir(inner, 0700) < 0)
    abort();
  unsigned char *copy = malloc(size + 1);
  memcpy(copy, data, size);
  checksums_set(copy, size);
  struct input input = {.data = copy, .size = size};
  int root = open(inner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || stream_open(&stream, input_read, &input, 1 << 24, &failure) < 0 ||
      table_open(&table, nowhere_write, NULL, &failure) < 0)
    abort();
  (void)layer_apply(&layer, root, 1, &stream, &table, &failure);
  layer_close(&layer);
  table_close(&table);
  stream_close(&stream);
  free(copy);
  DIR *listing = opendir(outer);
  for (struct dirent *each = readdir(listing); each != NULL; each = readdir(listing))
    if (each->d_name[0] != '.' && strcmp(each->d_name, "tree") != 0)
      abort(); /* something has left the tree */
  (void)closedir(listing);
  (void)nftw(outer, entry_open, 16, FTW_PHYS);
  (void)nftw(outer, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
  return 0;
}
