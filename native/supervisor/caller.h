/* The process that made a call: its memory, who it is taken for. Whatever is read is the caller's, and may change while
 * we look: it is read once and then acted upon.
 */
#ifndef SUPERVISOR_CALLER_H
#define SUPERVISOR_CALLER_H

#include <stdbool.h>
#include <stddef.h>

#include "people.h"
#include "world.h"

/* Whether the caller still waits: only then does its number mean the process that called. */
bool caller_waits(const struct call *call);

/* 0, or -EFAULT. Writing asks first whether it waits. */
int caller_read(const struct call *call, uint64_t address, void *bytes, size_t length);
int caller_write(const struct call *call, uint64_t address, const void *bytes, size_t length);

/* A text that ends within `room` bytes; its length, or -EFAULT, or -ENAMETOOLONG. */
int caller_text(const struct call *call, uint64_t address, char *text, size_t room);

/* Who the caller is taken for. Stays valid; -errno where the process has gone. */
int caller_person(const struct call *call, const struct person **person);
/* Makes it somebody else: 0, or -errno. */
int caller_become(const struct call *call, const struct person *person);

/* Whether it may do this to a file (owner_allows). The kernel, to whom all are root, does not ask. */
bool caller_may(const struct person *person, const struct owner *owner, unsigned wanted);

/* Its umask. */
mode_t caller_umask(const struct call *call);

#endif
