/* System calls newer than the oldest C library that we build with: thin wrappers, errno as usual.
 *
 * The numbers are the same on every architecture since 5.1 (unistd.h, "asm-generic"). A kernel without the call answers
 * ENOSYS; an outer container's filter may answer EPERM instead.
 */
#ifndef WHERRY_KERNEL_H
#define WHERRY_KERNEL_H

#include <stdbool.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define KERNEL_OPEN_TREE 428
#define KERNEL_MOVE_MOUNT 429
#define KERNEL_FSOPEN 430
#define KERNEL_FSCONFIG 431
#define KERNEL_FSMOUNT 432
#define KERNEL_PIDFD_OPEN 434
#define KERNEL_CLOSE_RANGE 436
#define KERNEL_MOUNT_SETATTR 442

enum {
    TREE_CLONE = 1,               /* OPEN_TREE_CLONE */
    TREE_RECURSIVE = 0x8000,      /* AT_RECURSIVE */
    TREE_EMPTY_PATH = 0x1000,     /* AT_EMPTY_PATH */
    MOVE_FROM_EMPTY_PATH = 4,     /* MOVE_MOUNT_F_EMPTY_PATH */
    MOVE_TO_FOLLOW = 0x10,        /* MOVE_MOUNT_T_SYMLINKS */
    CONFIG_FLAG = 0,              /* FSCONFIG_SET_FLAG */
    CONFIG_STRING = 1,            /* FSCONFIG_SET_STRING */
    CONFIG_CREATE = 6,            /* FSCONFIG_CMD_CREATE */
    ATTRIBUTE_READ_ONLY = 1,      /* MOUNT_ATTR_* */
    ATTRIBUTE_NOSUID = 2,
    ATTRIBUTE_NODEV = 4,
    ATTRIBUTE_NOEXEC = 8,
    RANGE_CLOEXEC = 4,            /* CLOSE_RANGE_CLOEXEC */
};

/* What <linux/capability.h>, <linux/filter.h> and <linux/seccomp.h> say, which not every C library's folder has. */
#define KERNEL_CAPABILITY_VERSION 0x20080522 /* 3 */
#define KERNEL_FILTER_MODE 2                 /* SECCOMP_MODE_FILTER */
#define KERNEL_SET_FILTER 1                  /* SECCOMP_SET_MODE_FILTER */
#define KERNEL_FILTER_MOST 4096              /* BPF_MAXINSNS */

struct kernel_cap_header {
    uint32_t version;
    int pid;
};

struct kernel_cap_data {
    uint32_t effective, permitted, inheritable;
};

struct kernel_filter_step { /* struct sock_filter */
    uint16_t code;
    uint8_t jump_true, jump_false;
    uint32_t k;
};

struct kernel_filter { /* struct sock_fprog */
    unsigned short length;
    struct kernel_filter_step *steps;
};

struct kernel_mount_attr {
    uint64_t set, clear, propagation, userns_fd;
};

static inline int kernel_open_tree(int folder, const char *path, unsigned flags) {
    return (int)syscall(KERNEL_OPEN_TREE, folder, path, flags | 02000000U /* OPEN_TREE_CLOEXEC */);
}

static inline int kernel_move_mount(int tree, const char *to, unsigned flags) {
    return (int)syscall(KERNEL_MOVE_MOUNT, tree, "", -100 /* AT_FDCWD */, to, flags | MOVE_FROM_EMPTY_PATH);
}

static inline int kernel_fsopen(const char *type) { return (int)syscall(KERNEL_FSOPEN, type, 1U /* CLOEXEC */); }

static inline int kernel_fsconfig(int fs, unsigned command, const char *key, const char *value) {
    return (int)syscall(KERNEL_FSCONFIG, fs, command, key, value, 0);
}

static inline int kernel_fsmount(int fs) { return (int)syscall(KERNEL_FSMOUNT, fs, 1U /* CLOEXEC */, 0U); }

static inline int kernel_mount_setattr(int folder, const char *path, unsigned flags,
                                       const struct kernel_mount_attr *attributes) {
    return (int)syscall(KERNEL_MOUNT_SETATTR, folder, path, flags, attributes, sizeof *attributes);
}

static inline int kernel_pidfd_open(pid_t pid) { return (int)syscall(KERNEL_PIDFD_OPEN, pid, 0U); }

static inline int kernel_close_range(unsigned first, unsigned last, unsigned flags) {
    return (int)syscall(KERNEL_CLOSE_RANGE, first, last, flags);
}

/* For tests, built with WHERRY_TEST_HOOKS alone: to do as on a kernel without the calls above. */
static inline bool kernel_is_old(void) {
#ifdef WHERRY_TEST_HOOKS
    return getenv("WHERRY_TEST_CLASSIC_MOUNTS") != NULL;
#else
    return false;
#endif
}

/* True when the last call failed because this kernel (or a filter around us) does not have it. */
static inline bool kernel_lacks_it(void) { return errno == ENOSYS || errno == EPERM; }

#endif
