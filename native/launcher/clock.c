#include "clock.h"

#include <limits.h>
#include <signal.h>
#include <time.h>

#include "bounds.h"
#include "plain.h"

enum {
    RENEWAL = 3600 * 1000,
    FIRST_LOOK = 50,
    LOOK = 250,
    CHECK = 1000,
    SHARE = 20, /* looking takes at most this part of one processor's time */
};

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

struct clock clock_start(const struct start *start, struct host *host, const struct child *child) {
    const struct bounds *bounds = &host->bounds;
    bool looks = bounds->bytes != 0 || bounds->tasks != 0, ends = host->until.pid != 0;
    struct clock clock = {.host = host, .child = child, .plain = start->plain != NULL, .end = -1};
    long long now = host->lease != NULL || looks || ends ? now_ms() : 0;
    clock.renewal = host->lease == NULL ? -1 : now + RENEWAL;
    clock.look = looks ? now + FIRST_LOOK : -1;
    clock.check = ends ? now + CHECK : -1;
    return clock;
}

static long long earlier(long long one, long long other) {
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

int clock_wait(const struct clock *clock) {
    long long due = earlier(earlier(clock->renewal, clock->look), earlier(clock->check, clock->end));
    if (due < 0) return -1;
    long long left = due - now_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static void kill_container(const struct clock *clock) {
    kill(clock->child->pid, clock->plain ? PLAIN_ORPHANED : SIGKILL);
}

void clock_tick(struct clock *clock) {
    long long now = now_ms();
    if (clock->renewal >= 0 && now >= clock->renewal) {
        host_renew_lease(clock->host);
        clock->renewal = now + RENEWAL;
    }
    if (clock->look >= 0 && now >= clock->look) {
        bool reached = bounds_reached(&clock->host->bounds, clock->child->pid);
        long long after = now_ms(), pause = SHARE * (after - now);
        if (reached) kill_container(clock);
        clock->look = reached ? -1 : after + (pause > LOOK ? pause : LOOK);
    }
    if (clock->check >= 0 && now >= clock->check) {
        bool over = until_over(&clock->host->until);
        if (over) child_tell(clock->child, clock->host->until.signal);
        clock->end = over ? now + clock->host->until.grace : -1;
        clock->check = over ? -1 : now + CHECK;
    }
    if (clock->end >= 0 && now >= clock->end) {
        kill_container(clock);
        clock->end = -1;
    }
}
