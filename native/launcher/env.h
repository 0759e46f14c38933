/* The command's environment: built from the caller's by the plan's ENV operations, in their order. */
#ifndef WHERRY_ENV_H
#define WHERRY_ENV_H

#include "start.h"

/* NULL-terminated NAME=value texts; they point into plan and caller's environment. NULL: failure set. */
char **env_build(const struct start *start, struct failure *failure);

/* Whether a NAME or NAME=value fits a pattern: a name, or a beginning followed by `*`. */
bool env_fits(const char *entry, const char *pattern);

#endif
