#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "answers.h"
#include "caller.h"
#include "place.h"


/* Opens the file that a change is for. Only what is known of, or would become so, is ours; -errno, or ANSWER_PASS. */
static int open_changed(const struct call *call, struct place *place, int placed, bool always, struct stat *found) {
    int file = placed;
    struct known *known = call->world->known;
    if (placed == 0 && !always &&
        (fstatat(place->folder, place->path, found, place->flags) != 0 ||
         !known_maybe(known, found)))
        file = ANSWER_PASS; /* and all errors are the kernel's */
    else if (placed == 0)
        file = place_open(call, place);
    place_leave(call, place);
    if (file < 0 || fstat(file, found) == 0) return file;
    close(file);
    return -EIO;
}

/* What set-group-ID directories hand on has to be seen from now on, if this is one of another group. */
static void note_folder(struct world *world, const struct stat *found, const struct owner *owner) {
    if (S_ISDIR(found->st_mode) && (owner->mode & S_ISGID) != 0 && owner->gid != 0)
        atomic_store(&world->groups_inherit, true);
}

/* Root may do what the kernel lets it do; of anybody else it has to be judged. */
static bool is_judged(const struct call *call) {
    const struct person *person;
    return caller_person(call, &person) != 0 || person->user.file != 0;
}

static bool may_give(const struct person *person, const struct owner *owner, uint32_t uid, uint32_t gid) {
    if (person->user.file == 0) return true;
    bool keeps_user = uid == (uint32_t)OWNER_KEEP || uid == owner->uid;
    bool own_group = gid == (uint32_t)OWNER_KEEP || gid == owner->gid || person_in(person, gid);
    return owner->uid == person->user.file && keeps_user && own_group;
}

static int give(const struct call *call, int file, const struct stat *found, uint32_t uid, uint32_t gid) {
    struct world *world = call->world;
    const struct person *person;
    struct owner owner;
    bool is_known = known_get(world->known, file, found, &owner);
    int answer = caller_person(call, &person);
    if (answer != 0) return answer;
    if (!may_give(person, &owner, uid, gid)) return -EPERM;
    /* The real call first: it copies the file up, sets its time, and knows read-only and immutable files. */
    uid_t own_uid = uid == (uint32_t)OWNER_KEEP ? (uid_t)-1 : 0;
    gid_t own_gid = gid == (uint32_t)OWNER_KEEP ? (gid_t)-1 : 0;
    if (fchownat(file, "", own_uid, own_gid, AT_EMPTY_PATH) != 0) return -errno;
    struct owner given = owner_given(owner, uid, gid, S_ISDIR(found->st_mode));
    if (!is_known && given.uid == 0 && given.gid == 0) return 0;
    answer = known_set(world->known, file, found, &given);
    /* As the kernel does it: what was allowed to the old content's owner is not to the new one's. */
    if (answer == 0 && is_known && S_ISREG(found->st_mode))
        known_foreign_remove(world->known, file, found, "security.capability");
    note_folder(world, found, &given);
    return answer;
}

long answer_chown(const struct call *call) {
    const uint64_t *args = call->args, *ids = args + 1;
    struct place place;
    struct stat found;
    int placed;
    switch (call->number) {
#ifdef SYS_chown
    case SYS_chown: placed = place_of_path(call, (uint64_t)AT_FDCWD, args[0], 0, &place); break;
    case SYS_lchown: placed = place_of_path(call, (uint64_t)AT_FDCWD, args[0], AT_SYMLINK_NOFOLLOW, &place); break;
#endif
    case SYS_fchown: placed = place_of_file(call, args[0], &place); break;
    default:
        if ((args[4] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return -EINVAL;
        placed = place_of_path(call, args[0], args[1], (int)args[4], &place);
        ids = args + 2;
    }
    uint32_t uid = (uint32_t)ids[0], gid = (uint32_t)ids[1];
    bool always = (uid != 0 && uid != (uint32_t)OWNER_KEEP) || (gid != 0 && gid != (uint32_t)OWNER_KEEP) || is_judged(call);
    int file = open_changed(call, &place, placed, always, &found);
    if (file < 0) return file;
    int answer = give(call, file, &found, uid, gid);
    close(file);
    return answer;
}

static bool is_special(uint64_t mode) { return (mode & (S_ISUID | S_ISGID)) != 0; }

static int change_mode(const struct call *call, int file, const struct stat *found, uint32_t mode) {
    struct world *world = call->world;
    const struct person *person;
    struct owner owner;
    char path[16];
    bool is_known = known_get(world->known, file, found, &owner);
    int answer = caller_person(call, &person);
    if (answer != 0) return answer;
    if (S_ISLNK(found->st_mode)) return -EOPNOTSUPP;
    if (person->user.file != 0 && owner.uid != person->user.file) return -EPERM;
    if (person->user.file != 0 && !person_in(person, owner.gid) && !S_ISDIR(found->st_mode)) mode &= ~(uint32_t)S_ISGID;
    snprintf(path, sizeof path, "%d", file);
    if (fchmodat(AT_FDCWD, path, mode, 0) != 0) return -errno;
    bool special = S_ISREG(found->st_mode) && is_special(mode); /* a write takes these away */
    if (!is_known && !special) return 0;
    owner.mode = mode;
    answer = known_set(world->known, file, found, &owner);
    note_folder(world, found, &owner);
    return answer;
}

long answer_chmod(const struct call *call) {
    const uint64_t *args = call->args;
    struct place place;
    struct stat found;
    uint64_t mode = args[1];
    int placed;
    switch (call->number) {
#ifdef SYS_chmod
    case SYS_chmod: placed = place_of_path(call, (uint64_t)AT_FDCWD, args[0], 0, &place); break;
#endif
    case SYS_fchmod: placed = place_of_file(call, args[0], &place); break;
    default: {
        int flags = call->number == KERNEL_FCHMODAT2 ? (int)args[3] : 0;
        placed = place_of_path(call, args[0], args[1], flags, &place);
        mode = args[2];
    }
    }
    int file = open_changed(call, &place, placed, is_special(mode) || is_judged(call), &found);
    if (file < 0) return file;
    int answer = change_mode(call, file, &found, (uint32_t)(mode & 07777));
    close(file);
    return answer;
}

long answer_chroot(const struct call *call) {
    atomic_store(&call->world->roots_differ, true);
    return ANSWER_PASS;
}
