/* What <linux/seccomp.h>, <linux/filter.h> and <linux/audit.h> say, which not every C library's folder has, and thin
 * wrappers of what C libraries lack; errno as usual.
 */
#ifndef SUPERVISOR_KERNEL_H
#define SUPERVISOR_KERNEL_H

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct kernel_call { /* struct seccomp_data */
    int32_t number;
    uint32_t arch;
    uint64_t instruction, args[6];
};

struct kernel_notification { /* struct seccomp_notif */
    uint64_t id;
    uint32_t pid, flags;
    struct kernel_call call;
};

struct kernel_reply { /* struct seccomp_notif_resp */
    uint64_t id;
    int64_t value;
    int32_t error;
    uint32_t flags;
};

struct kernel_add { /* struct seccomp_notif_addfd */
    uint64_t id;
    uint32_t flags, source, target, target_flags;
};

struct kernel_step { /* struct sock_filter */
    uint16_t code;
    uint8_t yes, no;
    uint32_t k;
};

#define KERNEL_RECEIVE _IOWR('!', 0, struct kernel_notification)
#define KERNEL_SEND _IOWR('!', 1, struct kernel_reply)
#define KERNEL_IS_VALID _IOW('!', 2, uint64_t)
#define KERNEL_ADD _IOW('!', 3, struct kernel_add)
#define KERNEL_SET_FLAGS _IOW('!', 4, uint64_t)

enum {
    REPLY_CONTINUE = 1, /* SECCOMP_USER_NOTIF_FLAG_CONTINUE, 5.5 */
    ADD_AND_SEND = 2,   /* SECCOMP_ADDFD_FLAG_SEND, 5.14 */
    WAKE_ON_THIS_CPU = 1, /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, 6.6 */
};

enum {
    STEP_LOAD = 0x20,      /* BPF_LD | BPF_W | BPF_ABS */
    STEP_EQUAL = 0x15,     /* BPF_JMP | BPF_JEQ | BPF_K */
    STEP_ANY_OF = 0x45,    /* BPF_JMP | BPF_JSET | BPF_K */
    STEP_RETURN = 0x06,    /* BPF_RET | BPF_K */
};

#define ACTION_ALLOW 0x7fff0000U
#define ACTION_NOTIFY 0x7fc00000U
#define ACTION_ERROR 0x00050000U

#if defined(__x86_64__)
#define KERNEL_ARCH 0xc000003eU
#elif defined(__aarch64__)
#define KERNEL_ARCH 0xc00000b7U
#else
#error "the supervisor knows the system calls of x86-64 and aarch64"
#endif

struct kernel_time { /* struct statx_timestamp */
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t unused;
};

struct kernel_statx { /* struct statx */
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, unused;
    uint64_t number, size, blocks, attributes_mask;
    struct kernel_time accessed, born, changed, modified;
    uint32_t rdev_major, rdev_minor, device_major, device_minor;
    uint64_t more[14];
};

struct kernel_how { /* struct open_how */
    uint64_t flags, mode, resolve;
};

#define RESOLVE_NO_MAGIC 2 /* RESOLVE_NO_MAGICLINKS */
#define KERNEL_OPENAT2 437
#define KERNEL_FACCESSAT2 439
#define KERNEL_FCHMODAT2 452

/* What 32-bit offsets are not enough for: C libraries of 64-bit machines that say it at all say it always. */
#if defined(__x86_64__)
#define KERNEL_LARGEFILE 0100000
#else
#define KERNEL_LARGEFILE 0400000
#endif

enum { STATX_BORN = 0x800, STATX_SYNC = 0x6000 /* AT_STATX_SYNC_TYPE */ };

static inline int kernel_statx(int folder, const char *path, int flags, unsigned mask, struct kernel_statx *found) {
    return (int)syscall(SYS_statx, folder, path, flags, mask, found);
}

/* When a file was made, 0 where that is not kept: numbers of files are given again. */
static inline uint64_t kernel_born(int folder, const char *path, int flags) {
    struct kernel_statx found;
    if (kernel_statx(folder, path, flags, STATX_BORN, &found) != 0 || (found.mask & STATX_BORN) == 0) return 0;
    return (uint64_t)found.born.seconds * 1000000000U + found.born.nanoseconds;
}

static inline int kernel_ioctl(int file, unsigned long request, const void *argument) {
    return (int)syscall(SYS_ioctl, file, request, argument);
}

#endif
