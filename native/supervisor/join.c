#include "join.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "filter.h"

/* One message, with whom it comes from and the descriptor that may come with it. False at the end. */
/* (Not by CMSG_NXTHDR: musl's own mixes signs, which our warnings refuse.) */
static bool receive(struct ucred *from, int *file) {
    char bytes[16], control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n;
    do n = recvmsg(JOIN_SOCKET, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0) return false;
    const char *at = control, *end = control + message.msg_controllen;
    for (struct cmsghdr head; (size_t)(end - at) >= sizeof head; at += (head.cmsg_len + sizeof(long) - 1) / sizeof(long) * sizeof(long)) {
        memcpy(&head, at, sizeof head);
        if (head.cmsg_len < sizeof head || head.cmsg_len > (size_t)(end - at)) break;
        if (head.cmsg_type == SCM_RIGHTS) memcpy(file, at + CMSG_LEN(0), sizeof *file);
        if (head.cmsg_type == SCM_CREDENTIALS) memcpy(from, at + CMSG_LEN(0), sizeof *from);
    }
    return true;
}

pid_t join_await(void) {
    struct ucred from = {0};
    int file = -1;
    return receive(&from, &file) ? from.pid : 0;
}

static int open_of(const struct world *world, pid_t pid, const char *name, int flags) {
    char path[40];
    snprintf(path, sizeof path, "%d/%s", pid, name);
    return openat(world->processes, path, flags | O_CLOEXEC);
}

const char *join_enter(struct world *world, pid_t pid) {
    struct stat found;
    pid_t parent = getppid();
    int user = open_of(world, pid, "ns/user", O_RDONLY), mounts = open_of(world, pid, "ns/mnt", O_RDONLY);
    int root = open_of(world, pid, "root", O_PATH | O_DIRECTORY);
    world->folder = openat(world->processes, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (user < 0 || mounts < 0 || root < 0 || world->folder < 0) return "cannot look at the container";
    if (setns(user, CLONE_NEWUSER) != 0 || setns(mounts, CLONE_NEWNS) != 0) return "cannot join the container";
    if (fchdir(root) != 0 || chroot(".") != 0 || fchdir(world->folder) != 0 || fstat(root, &found) != 0)
        return "cannot enter the container's root";
    world->root = root;
    world->device = found.st_dev;
    world->root_number = found.st_ino;
    close(user);
    close(mounts);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* other credentials had cleared it */
    return getppid() == parent ? NULL : "the launcher has gone";
}

bool join_exchange(struct world *world) {
    struct {
        int32_t error;
        uint32_t unused;
        struct kernel_step steps[FILTER_ROOM];
    } message = {0};
    struct ucred from;
    size_t length = filter_make(message.steps, people_get(world->people, 0)->user.file != 0);
    size_t size = offsetof(__typeof__(message), steps) + length * sizeof *message.steps;
    uint64_t wake = WAKE_ON_THIS_CPU;
    world->listener = -1;
    if (send(JOIN_SOCKET, &message, size, MSG_NOSIGNAL) != (ssize_t)size) return false;
    if (!receive(&from, &world->listener) || world->listener < 0) return false;
    kernel_ioctl(world->listener, KERNEL_SET_FLAGS, (const void *)(uintptr_t)wake); /* 6.6: without, it is only slower */
    return true;
}

void join_say(int error, const char *what) {
    char message[256] = {0};
    int32_t number = error;
    memcpy(message, &number, sizeof number);
    int used = snprintf(message + 8, sizeof message - 8, "%s", what);
    ssize_t ignored = send(JOIN_SOCKET, message, 8 + (size_t)used + 1, MSG_NOSIGNAL);
    (void)ignored;
    close(JOIN_SOCKET);
}
