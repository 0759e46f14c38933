#include "spare.h"

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

enum { UPPER_MODE = 0755 }; /* as the plan makes it */
enum { MOST_USES = 64 };

/* <linux/fs.h>: top of a hierarchy, so that the file system spreads what is made in it (ext4). */
#define GET_FLAGS _IOR('f', 1, long)
#define SET_FLAGS _IOW('f', 2, long)
enum { FLAG_TOP = 0x20000 };

#define OVERLAYS_OWN "user.overlay."
#define HOSTS_LABEL "security.selinux" /* every file has one where SELinux is on */

static bool compose(char path[PATH_MAX], const char *folder, const char *rest) {
    return (size_t)snprintf(path, PATH_MAX, "%s%s", folder, rest) < PATH_MAX;
}

static bool spare_path(char path[PATH_MAX], const char *parent) {
    char name[32];
    int processor = sched_getcpu();
    snprintf(name, sizeof name, "/spare.%d", processor < 0 ? 0 : processor);
    return compose(path, parent, name);
}

/* Overlayfs refuses a work directory that a volatile overlay has used (work/incompat/volatile), and makes a new one where
   there is none. */
static bool set_old_work_aside(const char *path) {
    char work[PATH_MAX], old[PATH_MAX];
    if (!compose(work, path, "/work/work") || !compose(old, path, "/work/old")) return false;
    return rename(work, old) == 0 || errno == ENOENT;
}

bool spare_take(const char *parent, const char *path) {
    char spare[PATH_MAX];
    if (!spare_path(spare, parent) || rename(spare, path) != 0) return false;
    if (set_old_work_aside(path)) return true;
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

void spare_clear(const char *path) {
    char old[PATH_MAX];
    if (compose(old, path, "/work/old") && !remove_usual(old)) files_remove_tree(old); /* what stays is seen by spare_give() */
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

bool spare_give(const char *path) {
    char upper[PATH_MAX], old[PATH_MAX], parent[PATH_MAX], spare[PATH_MAX];
    if (!compose(upper, path, "/upper") || !compose(old, path, "/work/old") || strlen(path) >= sizeof parent) return false;
    if (access(old, F_OK) == 0 || !make_as_new(upper) || is_worn(path)) return false;
    strcpy(parent, path);
    *strrchr(parent, '/') = 0;
    return spare_path(spare, parent) && rename(path, spare) == 0; /* fails where there is one: it is not empty */
}
