#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

int failure_set(struct failure *failure, enum failure_kind kind, int error, const char *path, const char *why, ...)
{
  if (failure->kind != FAILURE_NONE)
    return -1;
  failure->kind = kind;
  failure->error = error;
  (void)snprintf(failure->path, sizeof failure->path, "%s", path != NULL ? path : "");
  va_list arguments;
  va_start(arguments, why);
  (void)vsnprintf(failure->why, sizeof failure->why, why, arguments);
  va_end(arguments);
  return -1;
}

const char *failure_word(enum failure_kind kind)
{
  switch (kind) {
  case FAILURE_HOSTILE:
    return "hostile";
  case FAILURE_BROKEN:
    return "broken";
  case FAILURE_IO:
    return "io";
  case FAILURE_NONE:
  default:
    return "none";
  }
}
