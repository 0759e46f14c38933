/* open() and its kin. */
#include <stdarg.h>

#include "../text.h"
#include "export.h"

/* What opening in a read-only area comes to: 0 and flags that suit, or the error. */
static long open_read_only(const struct place *at, int *flags) {
    struct kernel_stat found;
    bool creates = (*flags & KERNEL_CREATE) != 0, unnamed = (*flags & KERNEL_UNNAMED) != 0;
    bool writes = (*flags & KERNEL_ACCESS) != KERNEL_READ || (*flags & KERNEL_TRUNCATE) != 0;
    int answer = unnamed ? -KERNEL_EROFS : kernel_stat(KERNEL_CWD, at->path, &found, 0);
    if (answer == -KERNEL_ENOENT && creates) return place_refuse(at->path, PLACE_CREATES);
    if (answer != 0) return answer;
    if (creates && (*flags & KERNEL_EXCLUSIVE) != 0) return -KERNEL_EEXIST;
    unsigned type = found.mode & KERNEL_TYPE;
    if ((writes || creates) && type == KERNEL_IS_FOLDER) return -KERNEL_EISDIR;
    if (writes && type == KERNEL_IS_FILE) return -KERNEL_EROFS;
    *flags &= ~KERNEL_CREATE; /* it is there */
    return 0;
}

long open_at(int folder, const char *path, int flags, unsigned mode) {
    struct place at;
    bool handle = (flags & KERNEL_PATH) != 0;
    bool changes = !handle && ((flags & KERNEL_ACCESS) != KERNEL_READ ||
                               (flags & (KERNEL_CREATE | KERNEL_TRUNCATE | KERNEL_UNNAMED)) != 0);
    bool exclusive = (flags & KERNEL_CREATE) != 0 && (flags & KERNEL_EXCLUSIVE) != 0;
    bool no_link = (flags & KERNEL_NO_LINK) != 0 || exclusive;
    unsigned how = changes ? PLACE_AREA : 0;
    if (!no_link && (changes || handle)) how |= PLACE_FOLLOW;
    long found = place_find(view(), folder, path, how, &at);
    if (found == 0 && changes && at.read_only) found = open_read_only(&at, &flags);
    if (found < 0) return found;
    if (no_link || (how & PLACE_FOLLOW) != 0) return kernel(SYS_openat, at.folder, at.path, flags, mode);
    /* Most often there is no link at the end: the kernel says if there is. */
    found = kernel(SYS_openat, at.folder, at.path, flags | KERNEL_NO_LINK, mode);
    if (found != -KERNEL_ELOOP && (found != -KERNEL_ENOTDIR || (flags & KERNEL_FOLDER) == 0)) return found;
    found = place_find(view(), folder, path, PLACE_FOLLOW, &at);
    return found < 0 ? found : kernel(SYS_openat, at.folder, at.path, flags, mode);
}

static bool has_mode(int flags) { return (flags & (KERNEL_CREATE | KERNEL_UNNAMED)) != 0; }

EXPORT int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    unsigned mode = has_mode(flags) ? va_arg(more, unsigned) : 0;
    va_end(more);
    return (int)answer(open_at(KERNEL_CWD, path, flags, mode));
}

EXPORT int openat(int folder, const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    unsigned mode = has_mode(flags) ? va_arg(more, unsigned) : 0;
    va_end(more);
    return (int)answer(open_at(folder, path, flags, mode));
}

EXPORT int creat(const char *path, unsigned mode) {
    return (int)answer(open_at(KERNEL_CWD, path, KERNEL_CREATE | KERNEL_WRITE | KERNEL_TRUNCATE, mode));
}

/* What fortified programs call. */
EXPORT int __open_2(const char *path, int flags) { return (int)answer(open_at(KERNEL_CWD, path, flags, 0)); }
EXPORT int __openat_2(int folder, const char *path, int flags) { return (int)answer(open_at(folder, path, flags, 0)); }

ALIAS(open64, open);
ALIAS(__open, open);
ALIAS(__open64, open);
ALIAS(openat64, openat);
ALIAS(creat64, creat);
ALIAS(__open64_2, __open_2);
ALIAS(__openat64_2, __openat_2);
