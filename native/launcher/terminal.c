#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int send_descriptor(int socket, int descriptor) {
    char byte = 0;
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int terminal_receive(int socket) {
    char byte;
    int descriptor = -1;
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n;
    while ((n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) continue;
    struct cmsghdr *head = n == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head != NULL && head->cmsg_type == SCM_RIGHTS) memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
    return descriptor;
}

static int open_slave(int master) {
    int number, unlock = 0;
    char path[32];
    if (ioctl(master, TIOCSPTLCK, &unlock) != 0) return -1;
#ifdef TIOCGPTPEER
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave >= 0) return slave;
#endif
    if (syscall(SYS_ioctl, master, TIOCGPTN, &number) != 0) return -1; /* C libraries disagree on the type of requests */
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int terminal_make(int socket, struct failure *failure) {
    int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    /* Without namespaces it is the host's /dev: there this one may be nobody's. */
    if (master < 0 && errno == EACCES) master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) return failure_set(failure, STEP_TERMINAL, errno, "");
    int slave = open_slave(master);
    if (slave < 0) return failure_set(failure, STEP_TERMINAL, errno, "");
    terminal_resize(master); /* the command may ask before who gets it has a look */
    if (send_descriptor(socket, master) != 0) return failure_set(failure, STEP_TERMINAL, errno, "");
    close(master);
    return slave;
}

void terminal_raw(struct terminal *terminal) {
    struct termios raw;
    terminal->raw = tcgetattr(STDIN_FILENO, &terminal->before) == 0;
    if (!terminal->raw) return;
    raw = terminal->before;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

void terminal_restore(struct terminal *terminal) {
    if (terminal->raw) tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
    terminal->raw = false;
}

void terminal_resize(int master) {
    struct winsize size;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        ioctl(master, TIOCSWINSZ, &size);
}
