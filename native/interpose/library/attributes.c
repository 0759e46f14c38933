/* What belongs to files beside their content: mode, owner, times, size, extended attributes. */
#include "export.h"

#define BY_FILE(name, parameters, file, ...) \
    EXPORT int name parameters { \
        if (!place_open_to_change(view(), file)) return (int)answer(-KERNEL_EROFS); \
        return (int)answer(kernel(__VA_ARGS__)); \
    }

enum { CHANGES = PLACE_CHANGES, CHANGES_TARGET = PLACE_CHANGES | PLACE_FOLLOW };

static unsigned changes(int flags) { return (flags & KERNEL_NOFOLLOW) != 0 ? CHANGES : CHANGES_TARGET; }

/* A descriptor of a file in the image may be read-only, yet its attributes could be changed through it. */
static long empty_path(int folder, const char *path, int flags) {
    bool itself = (flags & KERNEL_EMPTY_PATH) != 0 && path != NULL && path[0] == 0;
    return itself && !place_open_to_change(view(), folder) ? -KERNEL_EROFS : 0;
}

CALL(int, chmod, (const char *path, unsigned mode), KERNEL_CWD, path, CHANGES_TARGET, SYS_fchmodat, at.folder, at.path,
     mode)
BY_FILE(fchmod, (int file, unsigned mode), file, SYS_fchmod, file, mode)

EXPORT int fchmodat(int folder, const char *path, unsigned mode, int flags) {
    struct place at;
    long result = place_find(view(), folder, path, changes(flags), &at);
    if (result == 0) result = empty_path(folder, path, flags);
    if (result < 0) return (int)answer(result);
    if (flags == 0) return (int)answer(kernel(SYS_fchmodat, at.folder, at.path, mode));
    result = kernel(KERNEL_FCHMODAT2, at.folder, at.path, mode, flags);
    if (result != -KERNEL_ENOSYS && result != -KERNEL_EPERM) return (int)answer(result);
    /* Kernels before 6.6: what is no link can be done as ever, a link not at all. */
    struct kernel_stat found;
    result = kernel_stat(at.folder, at.path, &found, KERNEL_NOFOLLOW);
    if (result == 0 && (found.mode & KERNEL_TYPE) == KERNEL_IS_LINK) result = -KERNEL_ENOTSUP;
    return (int)answer(result < 0 ? result : kernel(SYS_fchmodat, at.folder, at.path, mode));
}
EXPORT int lchmod(const char *path, unsigned mode) { return fchmodat(KERNEL_CWD, path, mode, KERNEL_NOFOLLOW); }

EXPORT int fchownat(int folder, const char *path, unsigned user, unsigned group, int flags) {
    struct place at;
    long result = place_find(view(), folder, path, changes(flags), &at);
    if (result == 0) result = empty_path(folder, path, flags);
    return (int)answer(result < 0 ? result : kernel(SYS_fchownat, at.folder, at.path, user, group, flags));
}
EXPORT int chown(const char *path, unsigned user, unsigned group) { return fchownat(KERNEL_CWD, path, user, group, 0); }
EXPORT int lchown(const char *path, unsigned user, unsigned group) {
    return fchownat(KERNEL_CWD, path, user, group, KERNEL_NOFOLLOW);
}
BY_FILE(fchown, (int file, unsigned user, unsigned group), file, SYS_fchown, file, user, group)

struct moment {
    int64_t seconds, part; /* nanoseconds, or microseconds */
};

EXPORT int futimens(int file, const struct moment *times) {
    if (!place_open_to_change(view(), file)) return (int)answer(-KERNEL_EROFS);
    return (int)answer(kernel(SYS_utimensat, file, NULL, times, 0));
}
EXPORT int utimensat(int folder, const char *path, const struct moment *times, int flags) {
    struct place at;
    if (path == NULL) return futimens(folder, times);
    long result = place_find(view(), folder, path, changes(flags), &at);
    if (result == 0) result = empty_path(folder, path, flags);
    return (int)answer(result < 0 ? result : kernel(SYS_utimensat, at.folder, at.path, times, flags));
}

static int set_times(int folder, const char *path, const struct moment *micro, int flags) {
    struct moment nano[2];
    for (int i = 0; i < 2 && micro != NULL; i++) nano[i] = (struct moment){micro[i].seconds, micro[i].part * 1000};
    return utimensat(folder, path, micro == NULL ? NULL : nano, flags);
}
EXPORT int utimes(const char *path, const struct moment *times) { return set_times(KERNEL_CWD, path, times, 0); }
EXPORT int lutimes(const char *path, const struct moment *times) {
    return set_times(KERNEL_CWD, path, times, KERNEL_NOFOLLOW);
}
EXPORT int futimesat(int folder, const char *path, const struct moment *times) {
    return set_times(folder, path, times, 0);
}
EXPORT int futimes(int file, const struct moment *times) { return set_times(file, NULL, times, 0); }
EXPORT int utime(const char *path, const int64_t *seconds) {
    struct moment times[2] = {{0, 0}, {0, 0}};
    if (seconds == NULL) return utimensat(KERNEL_CWD, path, NULL, 0);
    times[0].seconds = seconds[0], times[1].seconds = seconds[1];
    return utimensat(KERNEL_CWD, path, times, 0);
}

EXPORT int truncate(const char *path, long size) {
    struct place at;
    struct kernel_stat found;
    long result = place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW | PLACE_AREA, &at);
    if (result == 0 && at.read_only) {
        result = kernel_stat(at.folder, at.path, &found, 0);
        if (result == 0) result = (found.mode & KERNEL_TYPE) == KERNEL_IS_FOLDER ? -KERNEL_EISDIR : -KERNEL_EROFS;
    }
    return (int)answer(result < 0 ? result : kernel(SYS_truncate, at.path, size));
}
ALIAS(truncate64, truncate);

CALL(int, setxattr, (const char *path, const char *name, const void *value, size_t size, int flags), KERNEL_CWD, path,
     CHANGES_TARGET, SYS_setxattr, at.path, name, value, size, flags)
CALL(int, lsetxattr, (const char *path, const char *name, const void *value, size_t size, int flags), KERNEL_CWD, path,
     CHANGES, SYS_lsetxattr, at.path, name, value, size, flags)
BY_FILE(fsetxattr, (int file, const char *name, const void *value, size_t size, int flags), file, SYS_fsetxattr, file,
        name, value, size, flags)
CALL(int, removexattr, (const char *path, const char *name), KERNEL_CWD, path, CHANGES_TARGET, SYS_removexattr, at.path,
     name)
CALL(int, lremovexattr, (const char *path, const char *name), KERNEL_CWD, path, CHANGES, SYS_lremovexattr, at.path,
     name)
BY_FILE(fremovexattr, (int file, const char *name), file, SYS_fremovexattr, file, name)
CALL(long, getxattr, (const char *path, const char *name, void *value, size_t size), KERNEL_CWD, path, PLACE_FOLLOW,
     SYS_getxattr, at.path, name, value, size)
CALL(long, lgetxattr, (const char *path, const char *name, void *value, size_t size), KERNEL_CWD, path, 0,
     SYS_lgetxattr, at.path, name, value, size)
CALL(long, listxattr, (const char *path, char *names, size_t size), KERNEL_CWD, path, PLACE_FOLLOW, SYS_listxattr,
     at.path, names, size)
CALL(long, llistxattr, (const char *path, char *names, size_t size), KERNEL_CWD, path, 0, SYS_llistxattr, at.path,
     names, size)
