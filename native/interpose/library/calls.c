/* syscall(): programs that name their calls by number, because an older C library had no function for them. */
#include <stdarg.h>

#include "../text.h"
#include "export.h"

extern int execve(const char *path, char *const *argv, char *const *envp);
extern int statx(int folder, const char *path, int flags, unsigned mask, void *found);
extern int faccessat(int folder, const char *path, int mode, int flags);
extern int unlinkat(int folder, const char *path, int flags);
extern int mkdirat(int folder, const char *path, unsigned mode);
extern int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags);
extern char *getcwd(char *to, size_t room);

#define TEXT(i) ((const char *)a[i])
#define INT(i) ((int)a[i])

static long open_as(int folder, const char *path, const struct kernel_how *how, size_t size) {
    struct place at;
    if (path != NULL && path[0] == '/' && (how->resolve & 0x18) == 0) { /* not RESOLVE_BENEATH, RESOLVE_IN_ROOT */
        bool no_link = ((int)how->flags & KERNEL_NO_LINK) != 0;
        bool writes = ((int)how->flags & (KERNEL_ACCESS | KERNEL_CREATE | KERNEL_TRUNCATE)) != 0;
        unsigned wanted = (no_link ? 0 : PLACE_FOLLOW) | (writes ? PLACE_CHANGES : 0);
        int found = place_find(view(), folder, path, wanted, &at);
        if (found < 0) return found;
        folder = at.folder, path = at.path;
    }
    return kernel(KERNEL_OPENAT2, folder, path, how, size);
}

EXPORT long syscall(long number, ...) {
    va_list more;
    long a[6];
    va_start(more, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(more, long);
    va_end(more);
    switch (view()->count == 0 ? -1 : number) {
    case SYS_openat: return answer(open_at(INT(0), TEXT(1), INT(2), (unsigned)a[3]));
    case KERNEL_OPENAT2: return answer(open_as(INT(0), TEXT(1), (const void *)a[2], (size_t)a[3]));
    case SYS_newfstatat: return answer(stat_at(INT(0), TEXT(1), (void *)a[2], INT(3)));
    case SYS_statx: return statx(INT(0), TEXT(1), INT(2), (unsigned)a[3], (void *)a[4]);
    case SYS_faccessat: return faccessat(INT(0), TEXT(1), INT(2), 0);
    case KERNEL_FACCESSAT2: return faccessat(INT(0), TEXT(1), INT(2), INT(3));
    case SYS_readlinkat: return answer(read_link_at(INT(0), TEXT(1), (char *)a[2], (size_t)a[3]));
    case SYS_unlinkat: return unlinkat(INT(0), TEXT(1), INT(2));
    case SYS_mkdirat: return mkdirat(INT(0), TEXT(1), (unsigned)a[2]);
    case SYS_renameat2: return renameat2(INT(0), TEXT(1), INT(2), TEXT(3), (unsigned)a[4]);
    case SYS_execve: return execve(TEXT(0), (char *const *)a[1], (char *const *)a[2]);
    case SYS_getcwd: return getcwd((char *)a[0], (size_t)a[1]) == NULL ? -1 : (long)text_length(TEXT(0)) + 1;
#if defined(__x86_64__)
    case SYS_open: return answer(open_at(KERNEL_CWD, TEXT(0), INT(1), (unsigned)a[2]));
    case SYS_stat: return answer(stat_at(KERNEL_CWD, TEXT(0), (void *)a[1], 0));
    case SYS_lstat: return answer(stat_at(KERNEL_CWD, TEXT(0), (void *)a[1], KERNEL_NOFOLLOW));
    case SYS_access: return faccessat(KERNEL_CWD, TEXT(0), INT(1), 0);
    case SYS_readlink: return answer(read_link_at(KERNEL_CWD, TEXT(0), (char *)a[1], (size_t)a[2]));
    case SYS_unlink: return unlinkat(KERNEL_CWD, TEXT(0), 0);
    case SYS_mkdir: return mkdirat(KERNEL_CWD, TEXT(0), (unsigned)a[1]);
#endif
    default: return answer(kernel(number, a[0], a[1], a[2], a[3], a[4], a[5]));
    }
}
