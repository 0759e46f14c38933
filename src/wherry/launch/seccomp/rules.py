"""Rules of a filter as values, and the default ones.

A system call's rules are tried in their order; the first whose conditions hold decides, else the profile's default.
"""

from __future__ import annotations

import msgspec

__all__ = ["DEFAULT", "EPERM", "PRETEND", "TIOCLINUX", "TIOCSTI", "Condition", "Profile", "Rule", "errno_action"]

ALLOW = 0x7FFF0000
LOG = 0x7FFC0000
TRAP = 0x00030000
KILL_THREAD = 0x00000000
KILL_PROCESS = 0x80000000
EPERM, ENOSYS = 1, 38

TIOCSTI, TIOCLINUX = 0x5412, 0x541C
_AF_VSOCK = 40
_FILE_TYPE, _CHAR, _BLOCK = 0o170000, 0o020000, 0o060000
"""Of a mode (inode(7))."""
_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_LOW_WORD = 0xFFFFFFFF
"""The kernel takes many arguments as 32-bit numbers and ignores the upper half; a rule that refuses must do so too
(CVE-2019-10063)."""


def errno_action(number: int) -> int:
    """The system call is not made, and fails with ``number``."""
    return 0x00050000 | number


class Condition(msgspec.Struct, frozen=True):
    """``(argument[index] & mask) OP value``; OP is one of ``== != < <= > >=``, on unsigned 64-bit numbers."""

    index: int
    operator: str
    value: int
    mask: int = (1 << 64) - 1


class Rule(msgspec.Struct, frozen=True):
    """What happens to system calls of these names when all conditions hold. Unknown names are passed over."""

    names: tuple[str, ...]
    action: int
    conditions: tuple[Condition, ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """``default`` for system calls without a rule that holds; ``newer`` for numbers that this Wherry does not know.

    ``newer`` is ENOSYS, so that C libraries fall back to older calls. ``compatible``: 32-bit programs may run.
    """

    rules: tuple[Rule, ...]
    default: int = errno_action(EPERM)
    newer: int = errno_action(ENOSYS)
    compatible: bool = True


_FILES = """
access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat
getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch lchown
lchown32 lgetxattr link linkat listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 mkdir
mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2
read readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile sendfile64
setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate
truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev fanotify_mark listmount
statmount cachestat file_getattr chroot
"""
_MEMORY = """
brk madvise membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync
munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages map_shadow_stack process_mrelease
"""
_PROCESSES = """
alarm arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area getcpu getegid
getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpgid getpgrp getpid getppid getpriority
getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid getuid32 ioprio_get ioprio_set kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self lsm_get_self_attr lsm_list_modules modify_ldt pause
pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid
setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 sigaltstack signalfd signalfd4 sigprocmask sigreturn
sysinfo tgkill tkill ugetrlimit uname uretprobe vfork wait4 waitid waitpid
"""
_TIME = """
adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 gettimeofday nanosleep time timer_create timer_delete timer_getoverrun timer_gettime
timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times getrandom
"""
_WAITING = """
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake io_cancel io_destroy io_getevents io_pgetevents
io_pgetevents_time64 io_setup io_submit _newselect pipe pipe2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select
"""
_MESSAGES = """
accept accept4 bind connect getpeername getsockname getsockopt ipc listen mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd recvfrom
recvmmsg recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 sendmmsg sendmsg sendto setsockopt
shmat shmctl shmdt shmget shutdown socketcall socketpair
"""
_SCIENCE = """
process_vm_readv process_vm_writev ptrace pidfd_getfd kcmp process_madvise get_mempolicy mbind set_mempolicy
set_mempolicy_home_node move_pages migrate_pages
"""
"""What MPI, debuggers and numactl need. Docker allows part of it only with CAP_SYS_PTRACE or CAP_SYS_NICE; the kernel
itself checks each (ptrace(2), "Ptrace access mode checking"); all that can be reached are the user's own processes."""


def _allow(text: str, *conditions: Condition) -> Rule:
    return Rule(tuple(text.split()), ALLOW, conditions)


def _refuse(text: str, number: int, *conditions: Condition) -> Rule:
    return Rule(tuple(text.split()), errno_action(number), conditions)


DEFAULT = Profile(
    (
        *map(_allow, (_FILES, _MEMORY, _PROCESSES, _TIME, _WAITING, _MESSAGES, _SCIENCE)),
        _refuse("ioctl", EPERM, Condition(1, "==", TIOCSTI, _LOW_WORD)),
        _refuse("ioctl", EPERM, Condition(1, "==", TIOCLINUX, _LOW_WORD)),
        _allow("ioctl"),
        _refuse("socket", EPERM, Condition(0, "==", _AF_VSOCK, _LOW_WORD)),
        _allow("socket"),
        _allow("clone", Condition(0, "==", 0, _NEW_NAMESPACES)),
        # clone3 hides its flags behind a pointer, which no filter can follow; with ENOSYS the C library takes clone.
        _refuse("clone3", ENOSYS),
        # PER_LINUX, PER_LINUX32, UNAME26, both, and asking.
        *(
            _allow("personality", Condition(0, "==", value, _LOW_WORD))
            for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)
        ),
    )
)

_OWNERS_AND_IDS = """
chown chown32 fchown fchown32 fchownat lchown lchown32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32
"""

PRETEND = (
    _refuse(_OWNERS_AND_IDS, 0),
    *(
        _refuse(name, 0, Condition(index, "==", kind, _FILE_TYPE))
        for name, index in (("mknod", 1), ("mknodat", 2))
        for kind in (_CHAR, _BLOCK)
    ),
)
"""An error of 0 is success: the call is not made, and nobody is told."""
