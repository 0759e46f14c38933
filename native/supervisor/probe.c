#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "kernel.h"
#include "place.h"

enum { ANSWER = 4242, PATIENCE_MS = 2000, LISTEN = 8, INSTALL = 1 };

/* What went wrong in the child, as the parent says it. */
struct word {
    int error;
    char step[28];
};

static void tell(int socket, const char *step) {
    struct word word = {.error = errno};
    snprintf(word.step, sizeof word.step, "%s", step);
    ssize_t ignored = write(socket, &word, sizeof word);
    (void)ignored;
    _exit(1);
}

static void send_listener(int socket, int listener) {
    struct word word = {0};
    char control[CMSG_SPACE(sizeof listener)] = {0};
    struct iovec part = {&word, sizeof word};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof listener);
    memcpy(CMSG_DATA(head), &listener, sizeof listener);
    if (sendmsg(socket, &message, MSG_NOSIGNAL) != (ssize_t)sizeof word) tell(socket, "sendmsg");
}

/* In a namespace of its own: asks for getppid(2) to be answered, and calls it with the address of a number. */
static void be_supervised(int socket) {
    struct kernel_step steps[] = {{STEP_LOAD, 0, 0, 0},
                                  {STEP_EQUAL, 0, 1, SYS_getppid},
                                  {STEP_RETURN, 0, 0, ACTION_NOTIFY},
                                  {STEP_RETURN, 0, 0, ACTION_ALLOW}};
    struct {
        unsigned short length;
        struct kernel_step *steps;
    } program = {sizeof steps / sizeof *steps, steps};
    uint32_t number = ANSWER;
    if (unshare(CLONE_NEWUSER) != 0) tell(socket, "unshare");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) tell(socket, "no_new_privs");
    int listener = (int)syscall(SYS_seccomp, INSTALL, LISTEN, &program);
    if (listener < 0) tell(socket, "seccomp");
    send_listener(socket, listener);
    close(listener);
    _exit(syscall(SYS_getppid, &number) == ANSWER ? 0 : 1);
}

static int receive_listener(int socket, struct word *word) {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {word, sizeof *word};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int listener = -1;
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_type == SCM_RIGHTS) memcpy(&listener, CMSG_DATA(head), sizeof listener);
    return listener;
}

/* NULL when all went well, else the step that did not, with errno. */
static const char *supervise(int listener) {
    struct kernel_notification notification = {0};
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    uint32_t number = 0;
    struct iovec ours = {&number, sizeof number};
    if (poll(&ready, 1, PATIENCE_MS) <= 0) return errno = ETIMEDOUT, "poll";
    if (kernel_ioctl(listener, KERNEL_RECEIVE, &notification) != 0) return "receive";
    struct iovec theirs = {(void *)(uintptr_t)notification.call.args[0], sizeof number};
    bool read = process_vm_readv((pid_t)notification.pid, &ours, 1, &theirs, 1, 0) == (ssize_t)sizeof number;
    int error = errno;
    struct kernel_add add = {.id = notification.id, .source = 0}; /* 5.9 */
    bool added = kernel_ioctl(listener, KERNEL_ADD, &add) >= 0;
    int add_error = errno;
    struct kernel_reply reply = {.id = notification.id, .value = number};
    if (kernel_ioctl(listener, KERNEL_SEND, &reply) != 0) return "send";
    if (!read) return errno = error, "process_vm_readv";
    if (!added) return errno = add_error, "addfd";
    return NULL;
}

int probe(void) {
    int ends[2], status = 0;
    struct word word = {.error = EPIPE, .step = "child"};
    if (place_walk(AT_FDCWD, "/", 0) < 0) return printf("no: openat2: %s\n", strerror(errno)), 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return printf("no: socketpair: %s\n", strerror(errno)), 1;
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        be_supervised(ends[1]);
    }
    close(ends[1]);
    int listener = child < 0 ? -1 : receive_listener(ends[0], &word);
    const char *failed = listener < 0 ? word.step : NULL;
    bool fast = false;
    if (listener < 0)
        errno = word.error;
    else {
        fast = kernel_ioctl(listener, KERNEL_SET_FLAGS, (const void *)(uintptr_t)WAKE_ON_THIS_CPU) == 0;
        failed = supervise(listener);
    }
    int error = errno;
    if (failed != NULL && child > 0) kill(child, SIGKILL);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (failed == NULL && status != 0) failed = "answer", error = EPROTO;
    if (failed != NULL) return printf("no: %s: %s\n", failed, strerror(error)), 1;
    puts(fast ? "fast" : "slow");
    return 0;
}
