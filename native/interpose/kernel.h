/* System calls without a C library: the answer is the kernel's own, negative for an error.
 *
 * What is preloaded must fit the image's C library whatever its age, so nothing here uses one: numbers, constants and
 * layouts are the kernel's.
 */
#ifndef INTERPOSE_KERNEL_H
#define INTERPOSE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

enum {
    KERNEL_OPENAT2 = 437,
    KERNEL_FACCESSAT2 = 439,
    KERNEL_FCHMODAT2 = 452,

    KERNEL_CWD = -100, /* AT_FDCWD */
    KERNEL_NOFOLLOW = 0x100, /* AT_SYMLINK_NOFOLLOW */
    KERNEL_REMOVE_FOLDER = 0x200, /* AT_REMOVEDIR, and AT_EACCESS */
    KERNEL_FOLLOW = 0x400, /* AT_SYMLINK_FOLLOW */
    KERNEL_EMPTY_PATH = 0x1000, /* AT_EMPTY_PATH */

    KERNEL_READ = 0, /* O_* */
    KERNEL_WRITE = 1,
    KERNEL_BOTH = 2,
    KERNEL_ACCESS = 3, /* O_ACCMODE */
    KERNEL_CREATE = 0100,
    KERNEL_EXCLUSIVE = 0200,
    KERNEL_TRUNCATE = 01000,
    KERNEL_CLOSE = 02000000, /* O_CLOEXEC */
    KERNEL_PATH = 010000000,
    KERNEL_UNNAMED = 020000000, /* O_TMPFILE without O_DIRECTORY */
#if defined(__aarch64__)
    KERNEL_FOLDER = 040000, /* O_DIRECTORY */
    KERNEL_NO_LINK = 0100000, /* O_NOFOLLOW */
#else
    KERNEL_FOLDER = 0200000,
    KERNEL_NO_LINK = 0400000,
#endif

    KERNEL_NO_LINKS = 4, /* RESOLVE_NO_SYMLINKS */

    KERNEL_TYPE = 0170000, /* S_IFMT */
    KERNEL_IS_FOLDER = 040000,
    KERNEL_IS_FILE = 0100000,
    KERNEL_IS_LINK = 0120000,
};

/* The largest path, with its end: PATH_MAX. */
enum { PATH_ROOM = 4096 };

enum { /* errno's names are the kernel's too */
    KERNEL_EPERM = 1,
    KERNEL_ENOENT = 2,
    KERNEL_E2BIG = 7,
    KERNEL_ENOEXEC = 8,
    KERNEL_EBADF = 9,
    KERNEL_EAGAIN = 11,
    KERNEL_ENOMEM = 12,
    KERNEL_EACCES = 13,
    KERNEL_EBUSY = 16,
    KERNEL_EEXIST = 17,
    KERNEL_ENOTDIR = 20,
    KERNEL_EISDIR = 21,
    KERNEL_EINVAL = 22,
    KERNEL_EROFS = 30,
    KERNEL_ERANGE = 34,
    KERNEL_ENAMETOOLONG = 36,
    KERNEL_ENOSYS = 38,
    KERNEL_ELOOP = 40,
    KERNEL_ENOTSUP = 95,
};

struct kernel_stat {
    uint64_t device, inode;
#if defined(__x86_64__)
    uint64_t links;
    uint32_t mode, user, group, gap;
#else
    uint32_t mode, links, user, group;
#endif
    uint64_t special;
#if defined(__aarch64__)
    uint64_t gap;
#endif
    int64_t size;
    int64_t rest[12]; /* as large as the largest layout */
};

struct kernel_how { /* open_how */
    uint64_t flags, mode, resolve;
};

static inline long kernel_six(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    long answer;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(answer)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return answer;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "this processor's system calls are not described here"
#endif
}

/* kernel(SYS_x, up to six arguments of any scalar type). */
#define kernel(...) KERNEL_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define KERNEL_PAD(number, a, b, c, d, e, f, ...) \
    kernel_six((long)(number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline int kernel_open(int folder, const char *path, int flags) {
    return (int)kernel(SYS_openat, folder, path, flags | KERNEL_CLOSE, 0);
}

static inline void kernel_close(int file) { kernel(SYS_close, file); }

static inline long kernel_readlink(int folder, const char *path, char *text, size_t room) {
    return kernel(SYS_readlinkat, folder, path, text, room);
}

static inline int kernel_stat(int folder, const char *path, struct kernel_stat *found, int flags) {
    return (int)kernel(SYS_newfstatat, folder, path, found, flags);
}

static inline bool kernel_may(const char *path, int mode) {
    return kernel(SYS_faccessat, KERNEL_CWD, path, mode) == 0;
}

#endif
