#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel.h"

enum { SOCKET = 3, TEXTS = 3, WORDS = 5, MESSAGE = 8192 };
enum { NEW_LISTENER = 8, SPEC_ALLOW = 4, WAIT_KILLABLE = 32 }; /* SECCOMP_FILTER_FLAG_* */

/* What it sends: 0 and the filter, or an errno and text (native/supervisor/join.h). */
struct message {
    int32_t error;
    uint32_t unused;
    union {
        struct kernel_filter_step steps[MESSAGE / sizeof(struct kernel_filter_step)];
        char text[MESSAGE];
    };
};

static char **words_of(const struct start *start, const struct record *record, struct failure *failure) {
    struct plan_list groups = record->field[5].l;
    char **words = calloc(WORDS + groups.left + 1, sizeof *words);
    if (words == NULL) return failure_set(failure, STEP_MEMORY, errno, ""), NULL;
    for (int i = 0; i < TEXTS; i++)
        if ((words[i] = (char *)start_text(start, record, i, failure)) == NULL) return NULL;
    for (int i = TEXTS; i < WORDS; i++)
        if (asprintf(&words[i], "%llu", (unsigned long long)record->field[i].u) < 0)
            return failure_set(failure, STEP_MEMORY, errno, ""), NULL;
    size_t count = WORDS;
    for (const char *group; (group = list_next(&groups)) != NULL;) words[count++] = (char *)group;
    return words;
}

int supervise_start(struct start *start, const struct record *record, struct failure *failure) {
    int ends[2], on = 1;
    char **words = words_of(start, record, failure);
    if (words == NULL) return -1;
    const char *program = words[0];
    if (access(program, X_OK) != 0) return failure_set(failure, STEP_SUPERVISE, errno, program);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return failure_set(failure, STEP_SUPERVISE, errno, program);
    /* Now, since who sends a message is noted only where it is asked for already. */
    if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return failure_set(failure, STEP_SUPERVISE, errno, program);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ends[0] == SOCKET)
            fcntl(SOCKET, F_SETFD, 0);
        else
            dup2(ends[0], SOCKET);
        execve(program, words, (char *[]){NULL});
        _exit(STATUS_WHERRY_FAILED);
    }
    int error = errno;
    close(ends[0]);
    start->supervisor = ends[1];
    start->supervisor_process = child;
    return child > 0 ? 0 : failure_set(failure, STEP_SUPERVISE, error, program);
}

void supervise_leave(struct start *start) {
    if (start->supervisor >= 0) close(start->supervisor);
    start->supervisor = -1;
}

/* Its next message; false with the failure set when it is none, or says that something failed. */
static bool await_word(int socket, struct message *message, ssize_t *length, struct failure *failure) {
    do *length = recv(socket, message, sizeof *message - 1, 0);
    while (*length < 0 && errno == EINTR);
    if (*length < (ssize_t)offsetof(struct message, text)) return failure_detail(failure, STEP_SUPERVISE, EPIPE, "", "it has gone"), false;
    if (message->error == 0) return true;
    ((char *)message)[*length] = 0;
    return failure_set(failure, STEP_SUPERVISE, message->error, message->text), false;
}

static int install(struct message *message, size_t length) {
    static const unsigned ways[] = {NEW_LISTENER | SPEC_ALLOW | WAIT_KILLABLE, NEW_LISTENER | SPEC_ALLOW, NEW_LISTENER};
    struct kernel_filter program = {
        .length = (unsigned short)((length - offsetof(struct message, steps)) / sizeof *message->steps),
        .steps = message->steps};
    int listener = -1;
    for (size_t i = 0; listener < 0 && i < sizeof ways / sizeof *ways && (i == 0 || errno == EINVAL); i++)
        listener = (int)syscall(SYS_seccomp, KERNEL_SET_FILTER, ways[i], &program);
    return listener;
}

static bool hand_over(int socket, int listener) {
    char byte = 0, control[CMSG_SPACE(sizeof listener)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof listener);
    memcpy(CMSG_DATA(head), &listener, sizeof listener);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

static int enter(int socket, struct message *message, struct failure *failure) {
    ssize_t length;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure_set(failure, STEP_NO_NEW_PRIVS, errno, "");
    if (send(socket, "hello", 5, MSG_NOSIGNAL) != 5) return failure_set(failure, STEP_SUPERVISE, errno, "");
    if (!await_word(socket, message, &length, failure)) return -1;
    int listener = install(message, (size_t)length);
    if (listener < 0) return failure_set(failure, STEP_SUPERVISE, errno, "");
    bool handed = hand_over(socket, listener);
    int error = errno;
    close(listener);
    if (!handed) return failure_set(failure, STEP_SUPERVISE, error, "");
    return await_word(socket, message, &length, failure) ? 0 : -1;
}

int supervise_enter(const struct start *start, struct failure *failure) {
    if (start->supervisor < 0) return 0;
    struct message *message = malloc(sizeof *message);
    if (message == NULL) return failure_set(failure, STEP_MEMORY, errno, "");
    int answer = enter(start->supervisor, message, failure);
    free(message);
    close(start->supervisor); /* of our own table alone */
    return answer;
}

int supervise_own(const char *folder, uint64_t uid, uint64_t gid) {
    struct stat found;
    char text[64];
    if (stat(folder, &found) != 0) return -1;
    int length = snprintf(text, sizeof text, "%llu:%llu:%04o", (unsigned long long)uid, (unsigned long long)gid, found.st_mode & 07777);
    return setxattr(folder, "user.wherry.owner", text, (size_t)length, 0);
}

void supervise_end(const struct start *start, struct outcome *outcome, struct failure *failure) {
    int status = 0;
    char how[64];
    if (start->supervisor_process <= 0) return;
    while (waitpid(start->supervisor_process, &status, 0) < 0 && errno == EINTR) continue;
    if (status == 0 || outcome->failed) return;
    outcome->failed = true;
    snprintf(how, sizeof how, WIFSIGNALED(status) ? "signal %d ended it" : "its status was %d",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    failure_detail(failure, STEP_SUPERVISED, 0, "", how);
}
