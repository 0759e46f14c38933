#include "use.h"

#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

void use_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGCHLD);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
}

static bool is_later(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* flock(2) can be waited for, or a child's end, not both: so once a second both are looked at. */
void use_await_end(const struct place *place, struct server *server) {
    const struct timespec second = {.tv_sec = 1};
    struct timespec now, idle = {0}, seen = {0};
    struct stat lock;
    bool is_idle = false, hurry = false;
    sigset_t signals;
    use_signals(&signals);
    for (;;) {
        int number = sigtimedwait(&signals, NULL, &second);
        hurry = hurry || number == SIGTERM || number == SIGINT;
        if (server_ended(server)) return;
        if (flock(place->lock, LOCK_EX | LOCK_NB) != 0) {
            is_idle = false;
            continue;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        bool was_used = fstat(place->lock, &lock) == 0 && is_later(&lock.st_mtim, &seen);
        if (was_used) seen = lock.st_mtim; /* users touch it: somebody came and went since we looked */
        if (was_used || !is_idle) idle = now;
        is_idle = true;
        if (hurry || now.tv_sec - idle.tv_sec >= place->grace) return;
        flock(place->lock, LOCK_UN);
    }
}
