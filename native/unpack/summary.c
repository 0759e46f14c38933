/* What the summary will have to name, counted while it grows: an archive of some kilobytes, in which each entry lies two
 * thousand directories deep, would else make a summary of gigabytes. */
#include "tree.h"

#define PATH_COST 64U /* of each path, for whoever reads it */

uint32_t name_cost(const char *name)
{
  uint32_t cost = 1; /* a slash or a quote */
  for (const unsigned char *at = (const unsigned char *)name; *at != 0; at++)
    cost += *at < ' ' || *at > '~' || *at == '"' || *at == '\\' ? 6 : 1; /* as report.c writes it */
  return cost;
}

int summary_add(struct tree *tree, uint64_t cost, const char *path, struct failure *failure)
{
  tree->summary += cost + PATH_COST;
  if (tree->summary <= SUMMARY_LIMIT)
    return 0;
  return failure_set(failure, FAILURE_HOSTILE, 0, path,
                     "the layer leads into too many directories, or links to too many files, that it does not name");
}

void directory_named(struct tree *tree, struct directory *directory)
{
  if (!directory->named && directory->parent != NULL)
    tree->summary -= directory->cost + PATH_COST;
  directory->named = 1;
}
