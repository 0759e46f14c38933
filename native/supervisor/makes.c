#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "answers.h"
#include "caller.h"
#include "judging.h"
#include "place.h"

#ifndef __O_TMPFILE
#define __O_TMPFILE 020000000
#endif

enum { LINKS_MOST = 8 }; /* a path each on the small stack of a worker */
enum what { MAKE_FILE, MAKE_FOLDER, MAKE_LINK, MAKE_NODE };

/* What is to be made, and where. */
struct making {
    enum what what;
    uint64_t folder, text, target; /* addresses; target is a symbolic link's content */
    uint32_t flags, mode;          /* of open(2); mode before the umask, with the kind of a node */
    dev_t device;
};

static bool is_device(const struct making *making) {
    return making->what == MAKE_NODE && (S_ISCHR(making->mode) || S_ISBLK(making->mode));
}

static struct making opening(uint64_t folder, uint64_t text, uint64_t flags, uint64_t mode) {
    return (struct making){MAKE_FILE, folder, text, 0, (uint32_t)flags, (uint32_t)mode & 07777, 0};
}

static struct making node(uint64_t folder, uint64_t text, uint64_t mode, uint64_t device) {
    return (struct making){MAKE_NODE, folder, text, 0, 0, (uint32_t)mode, (dev_t)(uint32_t)device};
}

/* 0, or what to answer. */
static int making_of(const struct call *call, struct making *making) {
    const uint64_t *args = call->args;
    struct kernel_how how = {0};
#ifdef SYS_open
    const uint64_t here = (uint64_t)AT_FDCWD;
#endif
    switch (call->number) {
#ifdef SYS_open
    case SYS_open: *making = opening(here, args[0], args[1], args[2]); return 0;
    case SYS_creat: *making = opening(here, args[0], O_CREAT | O_WRONLY | O_TRUNC, args[1]); return 0;
    case SYS_mkdir: *making = (struct making){MAKE_FOLDER, here, args[0], 0, 0, (uint32_t)args[1] & 01777, 0}; return 0;
    case SYS_symlink: *making = (struct making){MAKE_LINK, here, args[1], args[0], 0, 0777, 0}; return 0;
    case SYS_mknod: *making = node(here, args[0], args[1], args[2]); return 0;
#endif
    case SYS_openat: *making = opening(args[0], args[1], args[2], args[3]); return 0;
    case KERNEL_OPENAT2:
        if (args[3] < sizeof how || caller_read(call, args[2], &how, sizeof how) != 0) return ANSWER_PASS;
        if ((how.flags & O_CREAT) == 0 || how.resolve != 0) return ANSWER_PASS;
        *making = opening(args[0], args[1], how.flags, how.mode);
        return 0;
    case SYS_mkdirat: *making = (struct making){MAKE_FOLDER, args[0], args[1], 0, 0, (uint32_t)args[2] & 01777, 0}; return 0;
    case SYS_symlinkat: *making = (struct making){MAKE_LINK, args[1], args[2], args[0], 0, 0777, 0}; return 0;
    default: *making = node(args[0], args[1], args[2], args[3]); return 0;
    }
}

/* Whom something new in this folder belongs to (inode_init_owner). */
static struct owner new_owner(const struct owner *folder, const struct person *person) {
    struct owner owner = {.uid = person->user.file, .gid = person->group.file};
    if ((folder->mode & S_ISGID) == 0) return owner;
    owner.gid = folder->gid;
    owner.mode = S_ISGID; /* folders hand it on */
    return owner;
}

static int make_owned(const struct call *call, const struct making *making, int parent, const char *name,
                      const struct person *person, int links);

/* A link that leads to nothing: the file is made where it leads. */
static int make_behind(const struct call *call, const struct making *making, int parent, const char *link,
                       const struct person *person, int links) {
    char target[PATH_MAX];
    const char *folder, *name;
    ssize_t length = readlinkat(parent, link, target, sizeof target - 1);
    if (length <= 0 || links == LINKS_MOST) return ANSWER_PASS;
    target[length] = 0;
    if (target[length - 1] == '/' || !place_split(target, &folder, &name)) return ANSWER_PASS;
    int there = place_walk(parent, *folder == 0 ? "." : folder, O_DIRECTORY);
    if (there < 0) return ANSWER_PASS;
    int answer = make_owned(call, making, there, name, person, links + 1);
    close(there);
    return answer;
}

/* What opening something that is there already comes to: the caller may not, or the kernel does it. */
static int open_there(const struct call *call, const struct making *making, int parent, const char *name,
                      const struct person *person, int links) {
    struct stat found;
    struct owner owner;
    bool writes = (making->flags & O_ACCMODE) != O_RDONLY || (making->flags & O_TRUNC) != 0;
    if ((making->flags & O_EXCL) != 0) return ANSWER_PASS;
    int file = place_walk(parent, name, (int)(making->flags & O_NOFOLLOW));
    if (file == -ENOENT) return make_behind(call, making, parent, name, person, links);
    if (person->user.file == 0 || !writes) {
        if (file >= 0) close(file);
        return ANSWER_PASS;
    }
    bool may = file < 0 || fstat(file, &found) != 0 || !S_ISREG(found.st_mode);
    if (!may) {
        known_get(call->world->known, file, &found, &owner);
        may = caller_may(person, &owner, 2);
    }
    if (file >= 0) close(file);
    return may ? ANSWER_PASS : -EACCES;
}

/* Makes it with exactly this mode. A descriptor of what was made, of the kind that the caller wants of open(2); -errno. */
static int make(const struct call *call, const struct making *making, int parent, const char *name, uint32_t mode) {
    char target[PATH_MAX];
    int made = 0;
    switch (making->what) {
    case MAKE_FILE: {
        uint32_t flags = (making->flags & ~(uint32_t)(O_TRUNC | O_NOCTTY)) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        int file = openat(parent, name, (int)flags, mode);
        return file < 0 ? -errno : file;
    }
    case MAKE_FOLDER: made = mkdirat(parent, name, mode); break;
    case MAKE_LINK: {
        int length = caller_text(call, making->target, target, sizeof target);
        if (length < 0) return length;
        made = symlinkat(target, parent, name);
        break;
    }
    case MAKE_NODE: {
        /* A device is an empty file that says what it is; the kernel allows no other. */
        mode_t kind = is_device(making) ? S_IFREG : making->mode & S_IFMT;
        made = mknodat(parent, name, kind | mode, 0);
    }
    }
    if (made != 0) return -errno;
    int file = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return file < 0 ? -errno : file;
}

static int give_file(const struct call *call, int file, uint32_t flags) {
    struct kernel_add add = {
        .id = call->id, .flags = ADD_AND_SEND, .source = (uint32_t)file, .target_flags = flags & O_CLOEXEC};
    if (kernel_ioctl(call->world->listener, KERNEL_ADD, &add) >= 0) return ANSWER_SENT;
    if (errno != EINVAL) return -errno;
    add.flags = 0; /* before 5.14 */
    int number = kernel_ioctl(call->world->listener, KERNEL_ADD, &add);
    return number < 0 ? -errno : number;
}

static int make_owned(const struct call *call, const struct making *making, int parent, const char *name,
                      const struct person *person, int links) {
    struct owner folder, owner;
    struct stat found;
    if (fstat(parent, &found) != 0) return -errno;
    known_get(call->world->known, parent, &found, &folder);
    owner = new_owner(&folder, person);
    bool hands_on = owner.mode != 0;
    if (owner.uid == 0 && owner.gid == 0 && !is_device(making)) return ANSWER_PASS;
    if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0)
        return making->what == MAKE_FILE ? open_there(call, making, parent, name, person, links) : -EEXIST;
    if (person->user.file != 0 && judging_use(call, person, parent, 3) != 0) return -EACCES;
    uint32_t mode = making->mode & 07777;
    if (making->what != MAKE_LINK) mode &= ~(uint32_t)caller_umask(call);
    int file = make(call, making, parent, name, mode);
    if (file == -EEXIST && making->what == MAKE_FILE) return ANSWER_PASS;
    if (file < 0) return file;
    int answer = fstat(file, &found) == 0 ? 0 : -errno;
    owner.mode = found.st_mode & 07777;
    if (hands_on && S_ISDIR(found.st_mode)) owner.mode |= S_ISGID;
    if (is_device(making)) {
        owner.kind = S_ISCHR(making->mode) ? 'c' : 'b';
        owner.major = major(making->device);
        owner.minor = minor(making->device);
    }
    if (answer == 0) answer = known_set(call->world->known, file, &found, &owner);
    if (answer == 0 && making->what == MAKE_FILE) answer = give_file(call, file, making->flags);
    close(file);
    return answer;
}

long answer_make(const struct call *call) {
    struct making making;
    struct place place;
    const struct person *person;
    const char *name;
    struct world *world = call->world;
    bool plain = !atomic_load(&world->people_differ) && !atomic_load(&world->groups_inherit);
    bool is_node = false;
    switch (call->number) {
#ifdef SYS_mknod
    case SYS_mknod:
#endif
    case SYS_mknodat: is_node = true; break;
    default: break;
    }
    if (plain && !is_node) return ANSWER_PASS;
    int answer = making_of(call, &making);
    if (answer != 0 || (plain && !is_device(&making))) return answer != 0 ? answer : ANSWER_PASS;
    if ((making.flags & __O_TMPFILE) == __O_TMPFILE) return ANSWER_PASS; /* gets a name later, if ever */
    if ((answer = caller_person(call, &person)) != 0) return answer;
    if (is_device(&making) && person->user.effective != 0) return -EPERM;
    bool is_root = person->user.file == 0 && person->group.file == 0;
    if (is_root && !is_device(&making) && !atomic_load(&world->groups_inherit)) return ANSWER_PASS;
    answer = place_of_path(call, making.folder, making.text, AT_SYMLINK_NOFOLLOW, &place);
    int parent = answer != 0 ? ANSWER_PASS : place_open_parent(call, &place, &name);
    /* What cannot be looked up cannot be made either: the kernel says why. */
    answer = parent < 0 ? (is_device(&making) && parent != ANSWER_PASS ? parent : ANSWER_PASS)
                        : make_owned(call, &making, parent, name, person, 0);
    if (parent >= 0) close(parent);
    place_leave(call, &place);
    return answer;
}
