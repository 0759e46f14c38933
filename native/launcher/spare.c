#include "spare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "slots.h"

enum { UPPER_MODE = 0755 }; /* as the plan makes it */
enum { MOST_USES = 64, PLACES = 4 };

/* <linux/fs.h>: top of a hierarchy, so that the file system spreads what is made in it (ext4). */
#define GET_FLAGS _IOR('f', 1, long)
#define SET_FLAGS _IOW('f', 2, long)
enum { FLAG_TOP = 0x20000 };

#define OVERLAYS_OWN "user.overlay."
#define HOSTS_LABEL "security.selinux" /* every file has one where SELinux is on */

static bool compose(char path[PATH_MAX], const char *folder, const char *rest) {
    return (size_t)snprintf(path, PATH_MAX, "%s%s", folder, rest) < PATH_MAX;
}

/* What the folder of such a plan holds: an overlay's directories; those that a program shows inside (PLAIN); or what is
   never used again, such as what others than we own. */
enum content { CONTENT_NONE, CONTENT_OVERLAY, CONTENT_SHOWN };

static enum content content_of(const struct plan *plan) {
    static const enum record_kind own[] = {OP_IDMAP, OP_COPY, OP_HANDOVER, OP_WRITE, OP_LINK, OP_POINT};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (plan_find(plan, own[i]) != NULL) return CONTENT_NONE;
    if (plan_find(plan, OP_OVERLAY) != NULL) return CONTENT_OVERLAY;
    return plan_find(plan, OP_PLAIN) != NULL ? CONTENT_SHOWN : CONTENT_NONE;
}

/* Moves `path` to a place that is free (`away`), or what waits in a place to `path`. Ours comes first; the neighbours' are
   for a process that came to another processor between its beginning and its end. */
static bool move(const char *parent, const char *path, enum content content, bool away) {
    char name[48], spare[PATH_MAX];
    int processor = sched_getcpu();
    if (processor < 0) processor = 0;
    for (int i = 0; i < PLACES; i++) {
        snprintf(name, sizeof name, "/spare.%s%d", content == CONTENT_SHOWN ? "shown." : "", processor ^ i);
        if (!compose(spare, parent, name)) return false;
        if ((away ? rename(path, spare) : rename(spare, path)) == 0) return true; /* none lies upon another: it is not empty */
    }
    return false;
}

/* Overlayfs refuses a work directory that a volatile overlay has used (work/incompat/volatile), and makes a new one where
   there is none. */
static bool set_old_work_aside(const char *path) {
    char work[PATH_MAX], old[PATH_MAX];
    if (!compose(work, path, "/work/work") || !compose(old, path, "/work/old")) return false;
    return rename(work, old) == 0 || errno == ENOENT;
}

bool spare_take(const struct plan *plan, const char *parent, const char *path) {
    enum content content = content_of(plan);
    if (content == CONTENT_NONE || !move(parent, path, content, false)) return false;
    if (content != CONTENT_OVERLAY || set_old_work_aside(path)) return true;
    files_remove_tree(path);
    return false;
}

/* Removes what overlayfs usually leaves, directories that nobody may enter, in a third of the calls that it takes to look. */
static bool remove_usual(const char *old) {
    char folder[PATH_MAX];
    static const char *const inside[] = {"", "/incompat", "/incompat/volatile"};
    for (size_t i = 0; i < 3; i++)
        if (!compose(folder, old, inside[i]) || chmod(folder, 0700) != 0) return false;
    if (!compose(folder, old, "/incompat/volatile/dirty") || unlink(folder) != 0) return false;
    for (size_t i = 3; i-- > 0;)
        if (!compose(folder, old, inside[i]) || rmdir(folder) != 0) return false;
    return true;
}

void spare_clear(const struct plan *plan, const char *path) {
    char old[PATH_MAX];
    if (content_of(plan) != CONTENT_OVERLAY || !compose(old, path, "/work/old")) return;
    if (!remove_usual(old)) files_remove_tree(old); /* what stays is seen by spare_give() */
}

void spare_spread(const char *parent) {
    int flags = 0, folder = open(parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return;
    if (syscall(SYS_ioctl, folder, GET_FLAGS, &flags) == 0 && (flags & FLAG_TOP) == 0) {
        flags |= FLAG_TOP;
        syscall(SYS_ioctl, folder, SET_FLAGS, &flags); /* it only saves time */
    }
    close(folder);
}

/* Without a journal ext4 does not give the number of a removed file away again for a minute or more, and passes each of them
   when it looks for a free one near by. So after some uses the next folder is made elsewhere. The time at which the work
   directory was last read, which nobody does, counts them. */
static bool is_worn(const char *path) {
    struct stat found;
    char work[PATH_MAX];
    if (!compose(work, path, "/work") || lstat(work, &found) != 0) return true;
    if (found.st_atim.tv_sec == MOST_USES) return true;
    time_t uses = found.st_atim.tv_sec > MOST_USES ? 1 : found.st_atim.tv_sec + 1;
    const struct timespec times[2] = {{.tv_sec = uses}, {.tv_nsec = UTIME_OMIT}};
    return utimensat(AT_FDCWD, work, times, 0) != 0;
}

/* No attribute but what overlayfs itself and the host set. */
static bool has_no_attributes(int folder) {
    char names[512];
    ssize_t length = flistxattr(folder, names, sizeof names);
    if (length < 0) return errno == ENOTSUP;
    for (const char *name = names; name < names + length; name += strlen(name) + 1)
        if (strncmp(name, OVERLAYS_OWN, strlen(OVERLAYS_OWN)) != 0 && strcmp(name, HOSTS_LABEL) != 0) return false;
    return true;
}

/* What was in the writable layer goes; false where something stays, or the directory itself was changed. */
static bool make_as_new(const char *upper) {
    struct stat found;
    int folder = open(upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return false;
    bool answer = fstat(folder, &found) == 0 && (found.st_mode & 07777) == UPPER_MODE &&
                  found.st_uid == geteuid() && found.st_gid == getegid() && has_no_attributes(folder) &&
                  files_empty(folder) == 0;
    close(folder);
    return answer;
}

/* The mode in which the plan makes the directory, a path within the scratch folder (0755 where it is on the way to one that
   the plan makes); 0: it makes none. */
static mode_t mode_in(const struct plan *plan, const char *path) {
    size_t length = strlen(path);
    mode_t mode = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const char *made = plan->records[i].field[0].s.bytes;
        if (plan->records[i].kind != OP_MKDIR || made[0] != SLOT_SCRATCH || strncmp(made + 1, path, length) != 0) continue;
        if (made[1 + length] == 0) return (mode_t)plan->records[i].field[1].u;
        if (made[1 + length] == '/') mode = UPPER_MODE;
    }
    return mode;
}

/* Leaves only directories that the plan makes, as it makes them; false where something stays. Closes the folder. */
static bool empty_shown(const struct plan *plan, int opened, const char *path) {
    char inside[PATH_MAX];
    struct stat found;
    bool answer = true;
    DIR *folder = opened < 0 ? NULL : fdopendir(opened);
    if (folder == NULL) return false;
    for (const struct dirent *entry; answer && (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        bool fits = (size_t)snprintf(inside, sizeof inside, "%s/%s", path, name) < sizeof inside;
        mode_t mode = fits ? mode_in(plan, inside) : 0;
        int next = mode == 0 ? -1 : openat(dirfd(folder), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        bool stays = next >= 0 && fstat(next, &found) == 0 && (found.st_mode & 07777) == mode &&
                     found.st_uid == geteuid() && has_no_attributes(next);
        if (stays)
            answer = empty_shown(plan, next, inside);
        else
            answer = files_remove_at(dirfd(folder), name) == 0;
        if (!stays && next >= 0) close(next);
    }
    closedir(folder);
    return answer;
}

static bool empty(const struct plan *plan, const char *path, enum content content) {
    char upper[PATH_MAX], old[PATH_MAX];
    if (content == CONTENT_SHOWN)
        return empty_shown(plan, open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "");
    if (!compose(upper, path, "/upper") || !compose(old, path, "/work/old")) return false;
    return access(old, F_OK) != 0 && make_as_new(upper) && !is_worn(path);
}

bool spare_give(const struct plan *plan, const char *path) {
    char parent[PATH_MAX];
    enum content content = content_of(plan);
    if (content == CONTENT_NONE || strlen(path) >= sizeof parent || !empty(plan, path, content)) return false;
    strcpy(parent, path);
    *strrchr(parent, '/') = 0;
    return move(parent, path, content, true);
}
