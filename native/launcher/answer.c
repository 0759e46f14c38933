#include "answer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { USED_AGAIN = 3600 }; /* seconds in which a second use is not written down */

/* Keeps what the answer stands on from being the first to be evicted. */
static void mark_used(const struct plan *plan) {
    const struct record *record = plan_find(plan, OP_USED);
    if (record == NULL) return;
    struct plan_list paths = record->field[0].l;
    time_t now = time(NULL);
    for (const char *path; (path = list_next(&paths)) != NULL;) {
        struct stat found;
        bool recent = stat(path, &found) != 0 || (found.st_mtim.tv_sec <= now && found.st_mtim.tv_sec > now - USED_AGAIN);
        if (!recent && utimensat(AT_FDCWD, path, NULL, 0) != 0) continue; /* a store that cannot be written */
    }
}

/* Writes all; false with errno set. A stream that the caller closed is nowhere: it takes everything. */
static bool write_all(int stream, struct plan_bytes text, bool *any) {
    if (fcntl(stream, F_GETFD) < 0) return true;
    for (uint32_t done = 0; done < text.length;) {
        ssize_t n = write(stream, text.bytes + done, text.length - done);
        if (n >= 0) {
            done += (uint32_t)n;
            *any = true;
        } else if (errno == EAGAIN) {
            struct pollfd until = {.fd = stream, .events = POLLOUT};
            poll(&until, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

enum answer answer_give(const struct plan *plan, struct failure *failure) {
    const struct record *record = plan_find(plan, OP_ANSWER);
    if (record == NULL) return ANSWER_NONE;
    bool any = false;
    void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* as Python has it: who reads no more is told apart by the status */
    bool whole = write_all(STDERR_FILENO, record->field[0].s, &any) && write_all(STDOUT_FILENO, record->field[1].s, &any);
    int error = errno;
    signal(SIGPIPE, before);
    if (!whole && !any) return ANSWER_NONE;
    mark_used(plan);
    if (whole) return ANSWER_GIVEN;
    failure_set(failure, STEP_ANSWER, error, "");
    return ANSWER_CUT;
}
