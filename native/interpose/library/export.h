/* What each file of interposed calls begins with.
 *
 * No header of a C library is used: its prototypes, macros and inline functions belong to one version of it. What is
 * taken from the C library that is there at run time has been in it, under this name, since the oldest one supported.
 */
#ifndef INTERPOSE_EXPORT_H
#define INTERPOSE_EXPORT_H

#include "../kernel.h"
#include "../place.h"

#define EXPORT __attribute__((visibility("default")))

/* Of the C library. Where there is none, for the loader (audit.c), it is not called. */
#define WEAK __attribute__((weak))

/* The same function under another name. */
#define ALIAS(name, of) extern EXPORT __typeof__(of) name __attribute__((alias(#of)))

/* A function that is one system call on one path: `at` is where the path leads. */
#define CALL(kind, name, parameters, folder, path, how, ...) \
    EXPORT kind name parameters { \
        struct place at; \
        int trouble = place_find(view(), folder, path, how, &at); \
        return (kind)answer(trouble < 0 ? trouble : kernel(__VA_ARGS__)); \
    }

/* What this process sees, read at the first use. */
struct view *view(void);

extern int *__errno_location(void) WEAK;

static inline long answer(long result) {
    if (result >= 0 || result <= -PATH_ROOM) return result;
    *__errno_location() = (int)-result;
    return -1;
}

/* Shared by several files. Kernel's answers: negative errors. */
long open_at(int folder, const char *path, int flags, unsigned mode);
long stat_at(int folder, const char *path, void *found, int flags);
long read_link_at(int folder, const char *path, char *text, size_t room);
long resolve(const char *path, char *guest);

#endif
