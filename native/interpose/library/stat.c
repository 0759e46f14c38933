/* stat() and access() with their kin. */
#include "export.h"

long stat_at(int folder, const char *path, void *found, int flags) {
    struct place at;
    long answer = place_find(view(), folder, path, 0, &at);
    if (answer < 0) return answer;
    answer = kernel(SYS_newfstatat, at.folder, at.path, found, flags | KERNEL_NOFOLLOW);
    bool link = answer == 0 && (((struct kernel_stat *)found)->mode & KERNEL_TYPE) == KERNEL_IS_LINK;
    if (!link || (flags & KERNEL_NOFOLLOW) != 0) return answer;
    answer = place_find(view(), folder, path, PLACE_FOLLOW, &at);
    return answer < 0 ? answer : kernel(SYS_newfstatat, at.folder, at.path, found, flags);
}

EXPORT int stat(const char *path, void *found) { return (int)answer(stat_at(KERNEL_CWD, path, found, 0)); }

EXPORT int lstat(const char *path, void *found) {
    return (int)answer(stat_at(KERNEL_CWD, path, found, KERNEL_NOFOLLOW));
}

EXPORT int fstatat(int folder, const char *path, void *found, int flags) {
    return (int)answer(stat_at(folder, path, found, flags));
}

/* Before glibc 2.33 programs called these; on 64-bit processors all versions of the layout are one. */
EXPORT int __xstat(int version, const char *path, void *found) { return (void)version, stat(path, found); }
EXPORT int __lxstat(int version, const char *path, void *found) { return (void)version, lstat(path, found); }
EXPORT int __fxstatat(int version, int folder, const char *path, void *found, int flags) {
    return (void)version, fstatat(folder, path, found, flags);
}

ALIAS(stat64, stat);
ALIAS(lstat64, lstat);
ALIAS(fstatat64, fstatat);
ALIAS(__xstat64, __xstat);
ALIAS(__lxstat64, __lxstat);
ALIAS(__fxstatat64, __fxstatat);

struct statx_head {
    uint32_t mask, block;
    uint64_t attributes;
    uint32_t links, user, group;
    uint16_t mode;
};

EXPORT int statx(int folder, const char *path, int flags, unsigned mask, void *found) {
    struct place at;
    long result = place_find(view(), folder, path, 0, &at);
    if (result < 0) return (int)answer(result);
    result = kernel(SYS_statx, at.folder, at.path, flags | KERNEL_NOFOLLOW, mask | 1 /* STATX_TYPE */, found);
    bool link = result == 0 && (((struct statx_head *)found)->mode & KERNEL_TYPE) == KERNEL_IS_LINK;
    if (!link || (flags & KERNEL_NOFOLLOW) != 0) return (int)answer(result);
    result = place_find(view(), folder, path, PLACE_FOLLOW, &at);
    return (int)answer(result < 0 ? result : kernel(SYS_statx, at.folder, at.path, flags, mask, found));
}

enum { MAY_WRITE = 2 };

static long may(int folder, const char *path, int mode, int flags) {
    struct place at;
    unsigned how = (flags & KERNEL_NOFOLLOW) != 0 ? 0 : PLACE_FOLLOW;
    long result = place_find(view(), folder, path, how | ((mode & MAY_WRITE) != 0 ? PLACE_AREA : 0), &at);
    if (result < 0) return result;
    if (at.read_only && (mode & MAY_WRITE) != 0) {
        result = kernel(SYS_faccessat, at.folder, at.path, 0);
        return result < 0 ? result : -KERNEL_EROFS;
    }
    if (flags == 0) return kernel(SYS_faccessat, at.folder, at.path, mode);
    result = kernel(KERNEL_FACCESSAT2, at.folder, at.path, mode, flags);
    /* Kernels before 5.8: with effective ids that are the real ones, as ours are, the old call says the same. */
    if (result != -KERNEL_ENOSYS && result != -KERNEL_EPERM) return result;
    return kernel(SYS_faccessat, at.folder, at.path, mode);
}

EXPORT int access(const char *path, int mode) { return (int)answer(may(KERNEL_CWD, path, mode, 0)); }

EXPORT int faccessat(int folder, const char *path, int mode, int flags) {
    return (int)answer(may(folder, path, mode, flags));
}

EXPORT int euidaccess(const char *path, int mode) { return access(path, mode); }
ALIAS(eaccess, euidaccess);
