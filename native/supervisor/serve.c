#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "filter.h"

enum { WORKERS_MOST = 16, LOOK_MS = 250, STACK = 256 << 10 };

/* 0, or -1 where nobody is left. */
static int next(struct world *world, struct kernel_notification *notification) {
    for (;;) {
        memset(notification, 0, sizeof *notification);
        if (kernel_ioctl(world->listener, KERNEL_RECEIVE, notification) == 0) return 0;
        struct pollfd left = {.fd = world->listener};
        if (errno != EINTR && poll(&left, 1, 0) > 0) return -1; /* else who asked has gone: the next */
    }
}

static void reply(struct world *world, const struct kernel_notification *notification, long value) {
    struct kernel_reply reply = {.id = notification->id};
    if (value == ANSWER_SENT) return;
    if (value == ANSWER_PASS)
        reply.flags = REPLY_CONTINUE;
    else if (value < 0)
        reply.error = (int32_t)value;
    else
        reply.value = value;
    kernel_ioctl(world->listener, KERNEL_SEND, &reply); /* fails where the caller has gone */
}

static void *work(void *given) {
    struct world *world = given;
    struct kernel_notification notification;
    /* Our own current directory, root and umask. */
    if (unshare(CLONE_FS) != 0) _exit(1);
    umask(0);
    for (;;) {
        atomic_fetch_add(&world->receiving, 1);
        bool over = next(world, &notification) != 0;
        atomic_fetch_sub(&world->receiving, 1);
        if (over) return NULL;
        struct call call = {.world = world,
                            .pid = (pid_t)notification.pid,
                            .id = notification.id,
                            .number = notification.call.number,
                            .args = notification.call.args};
        answer how = filter_answer(call.number);
        reply(world, &notification, how == NULL ? -ENOSYS : how(&call));
        atomic_fetch_add(&world->answered, 1);
        /* Another was started while we hung. */
        if (atomic_load(&world->receiving) > 0) return NULL;
    }
}

static bool start_worker(struct world *world) {
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&small, STACK);
    bool started = pthread_create(&thread, &small, work, world) == 0;
    pthread_attr_destroy(&small);
    return started;
}

bool serve(struct world *world) {
    struct pollfd left = {.fd = world->listener}; /* POLLHUP comes unasked */
    unsigned long long before = 0;
    if (!start_worker(world)) return false;
    for (int workers = 1; poll(&left, 1, LOOK_MS) <= 0;) {
        unsigned long long answered = atomic_load(&world->answered);
        bool hangs = answered == before && atomic_load(&world->receiving) == 0;
        before = answered;
        if (hangs && workers < WORKERS_MOST && start_worker(world)) workers++;
    }
    return true;
}
