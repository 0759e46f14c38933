/* Whole layers, applied to a folder below the temporary directory. */
#include "layer.h"

#include "make_tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHECK(condition)                                                                        \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      (void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);       \
      exit(1);                                                                                  \
    }                                                                                           \
  } while (0)

static ssize_t bytes_read(void *context, void *buffer, size_t size)
{
  struct bytes *bytes = context;
  size_t left = bytes->size - bytes->position;
  size_t part = size < left ? size : left;
  if (part > 0)
    memcpy(buffer, bytes->data + bytes->position, part);
  bytes->position += part;
  return (ssize_t)part;
}

static ssize_t bytes_write(void *context, const void *data, size_t size)
{
  bytes_add(context, data, size);
  return (ssize_t)size;
}

static struct stream stream;
static struct layer layer;
static struct failure failure;
static struct bytes table_bytes;
static char root[] = "/tmp/wherry-test-layer-XXXXXX";

static int apply(struct bytes *tar)
{
  struct table table;
  memcpy(root + sizeof root - 7, "XXXXXX", 6);
  CHECK(mkdtemp(root) != NULL);
  failure = (struct failure){0};
  table_bytes = (struct bytes){0};
  CHECK(stream_open(&stream, bytes_read, tar, UINT64_C(1) << 30, &failure) == 0);
  CHECK(table_open(&table, bytes_write, &table_bytes, &failure) == 0);
  int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(fd >= 0);
  int result = layer_apply(&layer, fd, 2, &stream, &table, &failure);
  layer_close(&layer);
  table_close(&table);
  stream_close(&stream);
  free(tar->data);
  *tar = (struct bytes){0};
  return result;
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *walk)
{
  (void)status;
  (void)type;
  (void)walk;
  return remove(path);
}

static void clean(void)
{
  CHECK(nftw(root, entry_remove, 32, FTW_DEPTH | FTW_PHYS) == 0);
  free(table_bytes.data);
}

static const char *at(const char *name)
{
  static char path[4200];
  (void)snprintf(path, sizeof path, "%s/%s", root, name);
  return path;
}

static void files_get_content_mode_and_time(void)
{
  struct bytes tar = {0};
  struct stat status;
  entry_add(&tar, '5', "bin/", "", 0750, "", 0);
  entry_add(&tar, '0', "bin/tool", "", 04755, "#!/bin/sh\n", 10);
  end_add(&tar);
  CHECK(apply(&tar) == 0);
  CHECK(stat(at("bin/tool"), &status) == 0 && status.st_size == 10);
  CHECK((status.st_mode & 07777) == 0755); /* set-id bits are for the table only */
  CHECK(status.st_mtim.tv_sec == 1700000000);
  CHECK(stat(at("bin"), &status) == 0 && (status.st_mode & 07777) == 0750 && status.st_mtim.tv_sec == 1700000000);
  clean();
}

static void directories_may_end_without_permissions(void)
{
  struct bytes tar = {0};
  struct stat status;
  entry_add(&tar, '5', "closed/", "", 0, "", 0);
  entry_add(&tar, '5', "closed/inner/", "", 0111, "", 0);
  entry_add(&tar, '0', "closed/inner/file", "", 0, "x", 1);
  end_add(&tar);
  CHECK(apply(&tar) == 0);
  CHECK(stat(at("closed"), &status) == 0 && (status.st_mode & 07777) == 0);
  CHECK(chmod(at("closed"), 0700) == 0);
  CHECK(stat(at("closed/inner"), &status) == 0 && (status.st_mode & 07777) == 0111);
  CHECK(chmod(at("closed/inner"), 0700) == 0);
  clean();
}

static void nothing_is_made_outside(void)
{
  static const char *const names[] = {"../out", "a/../../out", "..", "a/..", "/../out"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    struct bytes tar = {0};
    entry_add(&tar, '0', names[i], "", 0644, "x", 1);
    end_add(&tar);
    CHECK(apply(&tar) < 0 && failure.kind == FAILURE_HOSTILE);
    clean();
  }
  struct bytes tar = {0};
  struct stat status;
  (void)unlink("/tmp/wherry-test-out");
  entry_add(&tar, '2', "link", "/tmp", 0777, "", 0);
  entry_add(&tar, '2', "up", "../../../../tmp", 0777, "", 0);
  entry_add(&tar, '0', "link/wherry-test-out", "", 0644, "x", 1);
  entry_add(&tar, '0', "up/second", "", 0644, "x", 1);
  entry_add(&tar, '0', "/absolute", "", 0644, "x", 1);
  end_add(&tar);
  CHECK(apply(&tar) == 0);
  CHECK(access("/tmp/wherry-test-out", F_OK) != 0);
  CHECK(stat(at("tmp/wherry-test-out"), &status) == 0);
  CHECK(stat(at("tmp/second"), &status) == 0);
  CHECK(stat(at("absolute"), &status) == 0);
  clean();
}

static void links_in_a_circle_are_refused(void)
{
  struct bytes tar = {0};
  entry_add(&tar, '2', "a", "b", 0777, "", 0);
  entry_add(&tar, '2', "b", "a", 0777, "", 0);
  entry_add(&tar, '0', "a/file", "", 0644, "", 0);
  end_add(&tar);
  CHECK(apply(&tar) < 0 && failure.kind == FAILURE_HOSTILE);
  clean();
}

static void files_and_directories_replace_each_other(void)
{
  struct bytes tar = {0};
  struct stat status;
  char value[4];
  entry_add(&tar, '5', "a/", "", 0755, "", 0);
  entry_add(&tar, '5', "a/b/", "", 0755, "", 0);
  entry_add(&tar, '0', "a/b/c", "", 0644, "xyz", 3);
  entry_add(&tar, '0', "a", "", 0644, "now a file", 10);
  entry_add(&tar, '0', "d", "", 0644, "", 0);
  entry_add(&tar, '5', "d/", "", 0755, "", 0);
  entry_add(&tar, '0', "d/e", "", 0644, "", 0);
  end_add(&tar);
  CHECK(apply(&tar) == 0);
  CHECK(stat(at("a"), &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 10);
  CHECK(stat(at("d/e"), &status) == 0);
  /* a file hid the lower layers' directory, so its successor does */
  CHECK(getxattr(at("d"), "user.overlay.opaque", value, sizeof value) == 1 || !layer.overlay);
  CHECK(!layer.tree.rebuildable);
  clean();
}

static void whiteouts_are_in_the_overlays_form(void)
{
  struct bytes tar = {0};
  struct stat status;
  char value[4];
  entry_add(&tar, '5', "a/", "", 0755, "", 0);
  entry_add(&tar, '0', "a/.wh.gone", "", 0644, "", 0);
  entry_add(&tar, '5', "o/", "", 0755, "", 0);
  entry_add(&tar, '0', "o/.wh..wh..opq", "", 0644, "", 0);
  entry_add(&tar, '0', "o/stays", "", 0644, "1", 1);
  entry_add(&tar, '0', "o/.wh.stays", "", 0644, "", 0);
  end_add(&tar);
  CHECK(apply(&tar) == 0 && layer.whiteouts == 3);
  if (layer.overlay) {
    CHECK(lstat(at("a/gone"), &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == 0);
    CHECK(getxattr(at("o"), "user.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y');
  }
  CHECK(lstat(at("o/stays"), &status) == 0 && S_ISREG(status.st_mode));
  CHECK(lstat(at("a/.wh.gone"), &status) < 0);
  clean();
}

static void hard_links_into_lower_layers_are_left(void)
{
  struct bytes tar = {0};
  struct stat one, two;
  entry_add(&tar, '0', "a", "", 0644, "same", 4);
  entry_add(&tar, '1', "b", "a", 0644, "", 0);
  entry_add(&tar, '1', "c", "lower/file", 0644, "", 0);
  end_add(&tar);
  CHECK(apply(&tar) == 0);
  CHECK(stat(at("a"), &one) == 0 && stat(at("b"), &two) == 0 && one.st_ino == two.st_ino);
  CHECK(layer.link_count == 1); /* freed, but still counted */
  clean();
}

static void the_overlays_own_attributes_are_never_set(void)
{
  struct bytes tar = {0};
  char records[512];
  char value[16];
  size_t used = record_make(records, sizeof records, "SCHILY.xattr.user.overlay.opaque", "y");
  used += record_make(records + used, sizeof records - used, "SCHILY.xattr.user.kept", "v");
  entry_add(&tar, 'x', "PaxHeaders/d", "", 0644, records, used);
  entry_add(&tar, '5', "d/", "", 0755, "", 0);
  end_add(&tar);
  CHECK(apply(&tar) == 0);
  CHECK(getxattr(at("d"), "user.overlay.opaque", value, sizeof value) < 0);
  CHECK(getxattr(at("d"), "user.kept", value, sizeof value) == 1 || errno == ENOTSUP);
  clean();
}

static void cut_and_joined_streams_are_refused(void)
{
  for (size_t cut = 1; cut < 1024; cut += 100) {
    struct bytes tar = {0};
    entry_add(&tar, '0', "a", "", 0644, "content", 7);
    tar.size -= cut;
    CHECK(apply(&tar) < 0 && failure.kind == FAILURE_BROKEN);
    clean();
  }
  struct bytes tar = {0};
  entry_add(&tar, '0', "a", "", 0644, "content", 7);
  end_add(&tar);
  entry_add(&tar, '0', "b", "", 0644, "content", 7);
  end_add(&tar);
  CHECK(apply(&tar) < 0 && failure.kind == FAILURE_BROKEN);
  clean();
}

static void a_large_file_keeps_its_content(void)
{
  struct bytes tar = {0};
  size_t size = 3 * SLAB_SIZE * SLAB_COUNT / 2 + 12345;
  unsigned char *content = malloc(size);
  for (size_t i = 0; i < size; i++)
    content[i] = (unsigned char)(i * 2654435761U >> 13);
  entry_add(&tar, '0', "first", "", 0644, content, size);
  for (int i = 0; i < 300; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "small%d", i);
    entry_add(&tar, '0', name, "", 0644, content + i, (size_t)i * 7);
  }
  end_add(&tar);
  CHECK(apply(&tar) == 0);
  FILE *file = fopen(at("first"), "rb");
  unsigned char *found = malloc(size + 1);
  CHECK(file != NULL && fread(found, 1, size + 1, file) == size && memcmp(found, content, size) == 0);
  CHECK(fclose(file) == 0);
  free(found);
  file = fopen(at("small299"), "rb");
  found = malloc(3000);
  CHECK(file != NULL && fread(found, 1, 3000, file) == 299 * 7 && memcmp(found, content + 299, 299 * 7) == 0);
  CHECK(fclose(file) == 0);
  free(found);
  free(content);
  clean();
}

int main(void)
{
  (void)umask(0);
  files_get_content_mode_and_time();
  directories_may_end_without_permissions();
  nothing_is_made_outside();
  links_in_a_circle_are_refused();
  files_and_directories_replace_each_other();
  whiteouts_are_in_the_overlays_form();
  hard_links_into_lower_layers_are_left();
  the_overlays_own_attributes_are_never_set();
  cut_and_joined_streams_are_refused();
  a_large_file_keeps_its_content();
  return 0;
}
