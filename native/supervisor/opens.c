#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "answers.h"
#include "caller.h"
#include "judging.h"
#include "place.h"

#ifndef __O_TMPFILE
#define __O_TMPFILE 020000000
#endif

/* What is to be opened: addresses, and flags of open(2). */
struct opening {
    uint64_t folder, text;
    uint32_t flags;
};

static struct opening opening_of(const struct call *call) {
    const uint64_t *args = call->args;
    struct kernel_how how = {0};
    switch (call->number) {
#ifdef SYS_open
    case SYS_open: return (struct opening){(uint64_t)AT_FDCWD, args[0], (uint32_t)args[1]};
    case SYS_creat: return (struct opening){(uint64_t)AT_FDCWD, args[0], O_CREAT | O_WRONLY | O_TRUNC};
#endif
    case SYS_openat: return (struct opening){args[0], args[1], (uint32_t)args[2]};
    default: /* openat2; what cannot be read the kernel refuses */
        if (args[3] < sizeof how || caller_read(call, args[2], &how, sizeof how) != 0) memset(&how, 0, sizeof how);
        return (struct opening){args[0], args[1], (uint32_t)how.flags};
    }
}

static unsigned wanted_of(uint32_t flags) {
    if ((flags & O_PATH) != 0) return 0;
    unsigned wanted = (flags & O_ACCMODE) == O_RDONLY ? 4 : (flags & O_ACCMODE) == O_WRONLY ? 2 : 6;
    return (flags & O_TRUNC) != 0 ? wanted | 2 : wanted;
}

/* What is there already and is to be used so: whether the caller may, and what a write will take away of it. 0, -errno, or
   ANSWER_PASS where it is not there or not ours. */
static int use(const struct call *call, uint64_t folder, uint64_t text, int flags, unsigned wanted) {
    struct place place;
    struct stat found;
    const struct person *person;
    bool judged = judging_needed(call, &person);
    int answer = place_of_path(call, folder, text, flags, &place);
    int file = answer != 0 ? ANSWER_PASS : place_open(call, &place);
    answer = file < 0 ? ANSWER_PASS : judged ? judging_use(call, person, file, wanted) : 0;
    place_leave(call, &place); /* not before: paths are those of the caller's root */
    if (answer == 0 && (wanted & 2) != 0 && fstat(file, &found) == 0)
        known_before_write(call->world->known, file, &found, !judged);
    if (file >= 0) close(file);
    return answer;
}

/* Root may do all; and nothing of what is known goes with a write, but in an image with file capabilities. */
static bool is_plain(const struct call *call, unsigned wanted) {
    const struct person *person;
    return !judging_needed(call, &person) && ((wanted & 2) == 0 || !known_capable(call->world->known));
}

long answer_open(const struct call *call) {
    struct opening opening = opening_of(call);
    unsigned wanted = wanted_of(opening.flags);
    bool makes = (opening.flags & O_CREAT) != 0 && (opening.flags & O_PATH) == 0;
    if ((opening.flags & __O_TMPFILE) != 0) return ANSWER_PASS; /* gets a name later, if ever */
    if (!is_plain(call, wanted)) {
        int follows = (opening.flags & O_NOFOLLOW) != 0 ? AT_SYMLINK_NOFOLLOW : 0;
        int answer = use(call, opening.folder, opening.text, follows, wanted);
        if (answer == -EACCES && !(makes && (opening.flags & O_EXCL) != 0)) return answer;
    }
    return makes ? answer_make(call) : ANSWER_PASS;
}

long answer_truncate(const struct call *call) {
    if (is_plain(call, 2)) return ANSWER_PASS;
    return use(call, (uint64_t)AT_FDCWD, call->args[0], 0, 2) == -EACCES ? -EACCES : ANSWER_PASS;
}

/* chdir(2) and execve(2), by persons who are not root. */
long answer_enter(const struct call *call) {
    if (is_plain(call, 1)) return ANSWER_PASS;
    return use(call, (uint64_t)AT_FDCWD, call->args[0], 0, 1) == -EACCES ? -EACCES : ANSWER_PASS;
}
