#include "report.h"

#define OPEN_FOLDERS 256U /* more are a tree that was opened as a whole, in which nobody looks for this */

static void text_print(FILE *out, const char *text);
static void open_print(FILE *out, const struct tree *tree);

int report_summary(FILE *out, const struct layer *layer)
{
  const struct tree *tree = &layer->tree;
  (void)fprintf(out,
                "{\"entries\":%llu,\"bytes\":%llu,\"whiteouts\":%llu,\"devices\":%llu,\"refused\":%llu,"
                "\"overlay\":%s,\"rebuildable\":%s,\"closed\":%s,\"links\":[",
                (unsigned long long)layer->entries, (unsigned long long)layer->bytes,
                (unsigned long long)layer->whiteouts, (unsigned long long)layer->devices,
                (unsigned long long)layer->refused, layer->overlay ? "true" : "false",
                tree->rebuildable ? "true" : "false", tree->closed ? "true" : "false");
  for (size_t i = 0; i < layer->link_count; i++) {
    (void)fputs(i > 0 ? ",[" : "[", out);
    text_print(out, layer->links[i].path);
    (void)fputc(',', out);
    text_print(out, layer->links[i].target);
    (void)fputs(layer->links[i].own ? ",true]" : ",false]", out);
  }
  (void)fputs("],\"implicit\":[", out);
  int first = 1;
  for (size_t i = 1; i < tree->count; i++) {
    char path[NAME_LIMIT];
    struct failure ignored = {0};
    if (tree->list[i]->dead || tree->list[i]->named || directory_path(tree->list[i], NULL, path, &ignored) < 0)
      continue;
    if (!first)
      (void)fputc(',', out);
    first = 0;
    text_print(out, path);
  }
  (void)fputs("],\"open\":[", out);
  open_print(out, tree);
  (void)fputs("]}\n", out);
  return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}

/* The directories that everybody may write, as /tmp: a container shows them so. */
static void open_print(FILE *out, const struct tree *tree)
{
  unsigned count = 0;
  for (size_t i = 1; i < tree->count && count < OPEN_FOLDERS; i++) {
    const struct directory *each = tree->list[i];
    char path[NAME_LIMIT];
    struct failure ignored = {0};
    if (each->dead || (each->mode & 02) == 0 || directory_path(each, NULL, path, &ignored) < 0)
      continue;
    (void)fputs(count++ > 0 ? ",[" : "[", out);
    text_print(out, path);
    (void)fprintf(out, ",%u]", each->mode);
  }
}

int report_failure(FILE *out, const struct failure *failure)
{
  (void)fprintf(out, "{\"error\":{\"kind\":\"%s\",\"errno\":%d,\"path\":", failure_word(failure->kind), failure->error);
  text_print(out, failure->path);
  (void)fputs(",\"why\":", out);
  text_print(out, failure->why);
  (void)fputs("}}\n", out);
  return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}

static void text_print(FILE *out, const char *text)
{
  (void)fputc('"', out);
  for (const unsigned char *at = (const unsigned char *)text; *at != 0; at++) {
    if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
      (void)fprintf(out, "\\u%04x", *at);
    else
      (void)fputc(*at, out);
  }
  (void)fputc('"', out);
}
