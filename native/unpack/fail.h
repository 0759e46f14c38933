/* What went wrong, as a value: the first failure of a run wins, main.c turns it into a report.
 *
 * A function that can fail takes a `struct failure *`, fills it and returns -1 (or NULL); its caller passes that on.
 * `kind` decides the class of error that the user sees: hostile (the archive tries something), broken (truncated,
 * corrupt, not a tar), io (this machine: `error` is an errno).
 */
#ifndef WHERRY_UNPACK_FAIL_H
#define WHERRY_UNPACK_FAIL_H

#include <stddef.h>

enum failure_kind { FAILURE_NONE, FAILURE_HOSTILE, FAILURE_BROKEN, FAILURE_IO };

struct failure {
  enum failure_kind kind;
  int error;       /* errno, 0 when there is none */
  char why[256];   /* a phrase, lower case */
  char path[1024]; /* the entry, cut if longer; empty when none is concerned */
};

/* Record a failure unless one is recorded already. Always returns -1, so that `return failure_set(...)` reads well. */
int failure_set(struct failure *failure, enum failure_kind kind, int error, const char *path, const char *why, ...)
    __attribute__((format(printf, 5, 6)));

/* "hostile", "broken", "io" */
const char *failure_word(enum failure_kind kind);

#endif
