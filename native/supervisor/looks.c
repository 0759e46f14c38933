#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "answers.h"
#include "caller.h"
#include "judging.h"
#include "place.h"

/* Which file, how it is looked at, and where the answer goes. */
struct look {
    uint64_t folder, text, buffer;
    int flags;
    bool by_file, extended;
};

static struct look look_of(const struct call *call) {
    const uint64_t *args = call->args;
    switch (call->number) {
#ifdef SYS_stat
    case SYS_stat: return (struct look){(uint64_t)AT_FDCWD, args[0], args[1], 0, false, false};
    case SYS_lstat: return (struct look){(uint64_t)AT_FDCWD, args[0], args[1], AT_SYMLINK_NOFOLLOW, false, false};
#endif
    case SYS_fstat: return (struct look){args[0], 0, args[1], 0, true, false};
    case SYS_statx: return (struct look){args[0], args[1], args[4], (int)args[2], false, true};
    default: return (struct look){args[0], args[1], args[2], (int)args[3], false, false};
    }
}

static int write_stat(const struct call *call, const struct look *look, int file, const struct owner *owner) {
    struct stat found;
    memset(&found, 0, sizeof found);
    if (fstat(file, &found) != 0) return -errno;
    found.st_mode = owner_mode(owner, found.st_mode);
    found.st_uid = owner->uid;
    found.st_gid = owner->gid;
    if (owner->kind != 0) found.st_rdev = makedev(owner->major, owner->minor);
    return caller_write(call, look->buffer, &found, sizeof found);
}

static int write_statx(const struct call *call, const struct look *look, int file, const struct owner *owner) {
    struct kernel_statx found = {0};
    if (kernel_statx(file, "", AT_EMPTY_PATH | (look->flags & STATX_SYNC), (unsigned)call->args[3], &found) != 0) return -errno;
    found.mode = (uint16_t)owner_mode(owner, found.mode);
    found.uid = owner->uid;
    found.gid = owner->gid;
    if (owner->kind != 0) {
        found.rdev_major = owner->major;
        found.rdev_minor = owner->minor;
    }
    return caller_write(call, look->buffer, &found, sizeof found);
}

long answer_access(const struct call *call) {
    const uint64_t *args = call->args;
    const struct person *person;
    struct place place;
    bool old = false;
    if (!atomic_load(&call->world->people_differ)) return ANSWER_PASS;
#ifdef SYS_access
    old = call->number == SYS_access;
#endif
    uint64_t folder = old ? (uint64_t)AT_FDCWD : args[0], wanted = old ? args[1] : args[2];
    int flags = call->number == KERNEL_FACCESSAT2 ? (int)args[3] : 0;
    if (caller_person(call, &person) != 0 || wanted == 0) return ANSWER_PASS;
    struct person asks = *person;
    if ((flags & AT_EACCESS) == 0) asks.user.file = person->user.real, asks.group.file = person->group.real;
    if (asks.user.file == 0) return ANSWER_PASS;
    int answer = place_of_path(call, folder, old ? args[0] : args[1], flags, &place);
    int file = answer != 0 ? answer : place_open(call, &place);
    answer = file < 0 ? 0 : judging_use(call, &asks, file, (unsigned)wanted & 7);
    if (file >= 0) close(file);
    place_leave(call, &place); /* not before: paths are those of the caller's root */
    return answer == 0 ? ANSWER_PASS : answer;
}

long answer_stat(const struct call *call) {
    struct look look = look_of(call);
    struct place place;
    struct stat found;
    struct owner owner;
    struct known *known = call->world->known;
    int answer = look.by_file ? place_of_file(call, look.folder, &place)
                              : place_of_path(call, look.folder, look.text, look.flags, &place);
    /* Most files are what the kernel says of them, and so are all errors. */
    if (answer != 0 || fstatat(place.folder, place.path, &found, place.flags | AT_NO_AUTOMOUNT) != 0 ||
        !known_maybe(known, &found)) {
        place_leave(call, &place);
        return ANSWER_PASS;
    }
    int file = place_open(call, &place);
    place_leave(call, &place);
    if (file < 0) return ANSWER_PASS;
    answer = ANSWER_PASS;
    if (fstat(file, &found) == 0 && known_get(known, file, &found, &owner))
        answer = look.extended ? write_statx(call, &look, file, &owner) : write_stat(call, &look, file, &owner);
    close(file);
    return answer;
}
