/* wherry-unpack TREE LIMIT [WRITERS]: make a layer's tree from an uncompressed tar stream.
 *
 *   0  the tar stream                      3  the layer's table (docs/design/layer-table.md)
 *   1  unused                              4  one line of JSON: the summary, or the error
 *
 * TREE is an existing empty directory. More than LIMIT bytes of stream are refused. Ends with 0, or with 1 and an
 * error on descriptor 4. Nothing is synced: whoever publishes the tree does that once for all layers. The caller
 * verifies the stream's digest; this program trusts no byte of it.
 */
#include "layer.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t source_read(void *context, void *buffer, size_t size);
static ssize_t sink_write(void *context, const void *data, size_t size);
static int number_read(const char *text, uint64_t *value);
static void files_allow(void);

int main(int argc, char **argv)
{
  static struct stream stream; /* too large for a stack that a user may have limited */
  static struct layer layer;
  struct table table;
  struct failure failure = {0};
  uint64_t limit = 0, writers = 2;
  if (argc < 3 || argc > 4 || number_read(argv[2], &limit) < 0 || (argc == 4 && number_read(argv[3], &writers) < 0)) {
    (void)fputs("usage: wherry-unpack TREE LIMIT [WRITERS] <tar 3>table 4>summary\n", stderr);
    return 2;
  }
  FILE *report = fdopen(4, "w");
  if (report == NULL || fcntl(3, F_GETFD) < 0) {
    (void)fputs("wherry-unpack: descriptors 3 and 4 must be open\n", stderr);
    return 2;
  }
  (void)signal(SIGPIPE, SIG_IGN);
  (void)umask(0);
  files_allow();
  int root = open(argv[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (root < 0) {
    (void)failure_set(&failure, FAILURE_IO, errno, argv[1], "cannot open the folder to unpack into");
    (void)report_failure(report, &failure);
    return 1;
  }
  int input = 0, output = 3;
  int done = stream_open(&stream, source_read, &input, limit, &failure) == 0 &&
             table_open(&table, sink_write, &output, &failure) == 0 &&
             layer_apply(&layer, root, (size_t)writers, &stream, &table, &failure) == 0;
  if (!done) {
    (void)report_failure(report, &failure);
    return 1; /* the kernel frees faster than we could */
  }
  return report_summary(report, &layer) == 0 ? 0 : 1;
}

static ssize_t source_read(void *context, void *buffer, size_t size)
{
  return read(*(const int *)context, buffer, size);
}

static ssize_t sink_write(void *context, const void *data, size_t size)
{
  return write(*(const int *)context, data, size);
}

static int number_read(const char *text, uint64_t *value)
{
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != 0 || *text == '-' || number == 0)
    return -1;
  *value = number;
  return 0;
}

/* Directories are kept open; the soft limit is often 1024. */
static void files_allow(void)
{
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0)
    return;
  files.rlim_cur = files.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &files);
}
