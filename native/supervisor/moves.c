#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "answers.h"
#include "caller.h"
#include "judging.h"
#include "place.h"

/* A name: the folder that it is in, as descriptor of ours (or -errno, ANSWER_PASS), and its last part, within the place. */
struct named {
    struct place place;
    int folder;
    const char *name;
};

static void find(const struct call *call, uint64_t folder, uint64_t text, struct named *named) {
    int answer = place_of_path(call, folder, text, AT_SYMLINK_NOFOLLOW, &named->place);
    named->folder = answer != 0 ? answer : place_open_parent(call, &named->place, &named->name);
}

static void leave(const struct call *call, struct named *named) {
    if (named->folder >= 0) close(named->folder);
    place_leave(call, &named->place);
}

/* What cannot be looked up the kernel refuses itself. */
static long judged(int answer) { return answer == 0 ? ANSWER_PASS : answer; }

long answer_remove(const struct call *call) {
    const struct person *person;
    struct named named;
    if (!judging_needed(call, &person)) return ANSWER_PASS;
    bool old = call->number != SYS_unlinkat;
    find(call, old ? (uint64_t)AT_FDCWD : call->args[0], call->args[old ? 0 : 1], &named);
    int answer = named.folder < 0 ? 0 : judging_remove(call, person, named.folder, named.name);
    leave(call, &named);
    return judged(answer);
}

/* A folder that comes into another gets another `..`, so it has to be writable itself. */
static int judge_moved(const struct call *call, const struct person *person, const struct named *from, const struct named *to) {
    struct stat one, other, found;
    if (fstat(from->folder, &one) != 0 || fstat(to->folder, &other) != 0) return 0;
    if (one.st_ino == other.st_ino && one.st_dev == other.st_dev) return 0;
    if (fstatat(from->folder, from->name, &found, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(found.st_mode)) return 0;
    int file = place_walk(from->folder, from->name, O_NOFOLLOW);
    int answer = file < 0 ? 0 : judging_use(call, person, file, 2);
    if (file >= 0) close(file);
    return answer;
}

long answer_rename(const struct call *call) {
    const struct person *person;
    const uint64_t *args = call->args;
    struct named from, to;
    bool old = false;
    if (!judging_needed(call, &person)) return ANSWER_PASS;
#ifdef SYS_rename
    old = call->number == SYS_rename;
#endif
    find(call, old ? (uint64_t)AT_FDCWD : args[0], old ? args[0] : args[1], &from);
    find(call, old ? (uint64_t)AT_FDCWD : args[2], old ? args[1] : args[3], &to);
    int answer = 0;
    if (from.folder >= 0 && to.folder >= 0) {
        answer = judging_remove(call, person, from.folder, from.name);
        if (answer == 0) answer = judging_remove(call, person, to.folder, to.name);
        if (answer == 0) answer = judge_moved(call, person, &from, &to);
    }
    leave(call, &from);
    leave(call, &to);
    return judged(answer);
}

/* Without rights over a file nobody gets another name for it (sysctl fs.protected_hardlinks). */
static int judge_link(const struct call *call, const struct person *person, int file, struct named *to) {
    struct stat found;
    struct owner owner;
    int answer = to->folder < 0 ? 0 : judging_use(call, person, to->folder, 3);
    if (answer != 0 || file < 0 || fstat(file, &found) != 0 || found.st_dev != call->world->device) return answer;
    known_get(call->world->known, file, &found, &owner);
    bool runs_as = (owner.mode & S_ISUID) != 0 || (owner.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    bool may = S_ISREG(found.st_mode) && !runs_as && caller_may(person, &owner, 6);
    return may || owner.uid == person->user.file ? 0 : -EPERM;
}

/* The new name would have a number of its own, by which nothing is known of the layers' file: it has to say it itself. */
static void keep_known(struct known *known, int file) {
    struct stat found;
    struct owner owner;
    if (fstat(file, &found) == 0 && !S_ISLNK(found.st_mode) && known_maybe(known, &found) && known_get(known, file, &found, &owner))
        known_set(known, file, &found, &owner);
}

long answer_link(const struct call *call) {
    const struct person *person;
    const uint64_t *args = call->args;
    struct place place;
    struct named to;
    bool old = call->number != SYS_linkat;
    int flags = old || (args[4] & AT_SYMLINK_FOLLOW) == 0 ? AT_SYMLINK_NOFOLLOW : 0, judgement = 0;
    if (!old) flags |= (int)(args[4] & AT_EMPTY_PATH);
    int answer = place_of_path(call, old ? (uint64_t)AT_FDCWD : args[0], old ? args[0] : args[1], flags, &place);
    int file = answer != 0 ? ANSWER_PASS : place_open(call, &place);
    if (judging_needed(call, &person)) {
        find(call, old ? (uint64_t)AT_FDCWD : args[2], old ? args[1] : args[3], &to);
        judgement = judge_link(call, person, file, &to);
        leave(call, &to);
    }
    place_leave(call, &place);
    if (judgement == 0 && file >= 0) keep_known(call->world->known, file);
    if (file >= 0) close(file);
    return judged(judgement);
}
