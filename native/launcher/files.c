#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_folder(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

int files_make_folders(const char *path, mode_t mode) {
    char partial[PATH_MAX];
    if (is_folder(path) || mkdir(path, mode) == 0) return 0; /* mostly it is there, and asking is cheaper than trying */
    if (errno == EEXIST) return is_folder(path) ? 0 : (errno = ENOTDIR, -1);
    if (errno != ENOENT) return -1;
    if (strlen(path) >= sizeof partial) return errno = ENAMETOOLONG, -1;
    strcpy(partial, path);
    for (char *slash = strchr(partial + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(partial, 0755) != 0 && errno != EEXIST) return -1;
        *slash = '/';
    }
    if (mkdir(path, mode) == 0 || (errno == EEXIST && is_folder(path))) return 0;
    return -1;
}

struct entry { /* what getdents64(2) fills in: without opendir()'s 32 KiB */
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

/* unlinkat(2), after giving ourselves the right to write the folder where it lacks: only then, for each change of a mode
   is one more write to a disk's journal. */
static int unlink_unlocked(int folder, const char *name, int flags) {
    if (unlinkat(folder, name, flags) == 0) return 0;
    if (errno != EACCES || folder == AT_FDCWD || fchmod(folder, 0700) != 0) return -1;
    return unlinkat(folder, name, flags);
}

enum { DEEPEST = 64 }; /* a level costs a descriptor and 2 KiB of stack, and a job may have made thousands of them */

/* A removal under way. Folders that lie deeper are moved to the top, and removed from there. */
struct removal {
    int top;        /* the folder that all is in, or -1 */
    int depth;
    unsigned moved; /* names the next one */
    bool again;     /* some were moved since the top was read */
    int first;      /* the first failure, errno */
};

static void note(struct removal *removal) {
    if (removal->first == 0) removal->first = errno;
}

/* Moves a folder out of the depth. One that its owner locked cannot be moved, for its `..` changes. */
static void move_up(struct removal *removal, int folder, const char *name) {
    char fresh[32];
    for (;;) {
        snprintf(fresh, sizeof fresh, ".gone-%u", removal->moved++);
        if (renameat(folder, name, removal->top, fresh) == 0) {
            removal->again = true;
            return;
        }
        if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) continue;
        if (errno != EACCES || fchmodat(folder, name, 0700, 0) != 0) return note(removal);
    }
}

static void remove_folder(struct removal *removal, int folder, const char *name);

static void remove_entry(struct removal *removal, int folder, const struct entry *entry) {
    if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) return;
    if (entry->type != DT_DIR) {
        if (unlink_unlocked(folder, entry->name, 0) == 0 || errno == ENOENT) return;
        if (errno != EISDIR && errno != EPERM) return note(removal); /* else: a file system that does not tell types */
    }
    remove_folder(removal, folder, entry->name);
}

/* Opens a folder whose owner (we) may have locked it. */
static int open_to_empty(int folder, const char *name) {
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int inside = openat(folder, name, flags);
    if (inside >= 0 || errno != EACCES || fchmodat(folder, name, 0700, 0) != 0) return inside;
    return openat(folder, name, flags);
}

static void empty_folder(struct removal *removal, int inside) {
    _Alignas(struct entry) char entries[2048];
    for (;;) {
        long length = syscall(SYS_getdents64, inside, entries, sizeof entries);
        if (length < 0) note(removal);
        if (length <= 0) return;
        for (long at = 0; at < length;) {
            struct entry *entry = (struct entry *)(entries + at);
            remove_entry(removal, inside, entry);
            at += entry->length;
        }
    }
}

/* Empties the folder that all is in, until nothing more was moved up into it. */
static void empty_top(struct removal *removal, int top) {
    removal->top = top;
    do {
        removal->again = false;
        if (lseek(top, 0, SEEK_SET) < 0) note(removal);
        empty_folder(removal, top);
    } while (removal->again);
}

static void remove_folder(struct removal *removal, int folder, const char *name) {
    if (unlink_unlocked(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (errno != ENOTEMPTY && errno != EEXIST) return note(removal);
    if (removal->depth == DEEPEST) return move_up(removal, folder, name);
    int inside = open_to_empty(folder, name);
    if (inside < 0) return note(removal);
    removal->depth++;
    if (removal->top < 0)
        empty_top(removal, inside);
    else
        empty_folder(removal, inside);
    removal->depth--;
    close(inside);
    if (unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT) note(removal);
}

static int answer_of(const struct removal *removal) {
    return removal->first == 0 ? 0 : (errno = removal->first, -1);
}

int files_remove_tree(const char *path) {
    struct removal removal = {.top = -1};
    remove_folder(&removal, AT_FDCWD, path);
    return answer_of(&removal);
}

int files_empty(int folder) {
    struct removal removal = {.top = -1};
    empty_top(&removal, folder);
    return answer_of(&removal);
}

int files_remove_at(int folder, const char *name) {
    struct removal removal = {.top = -1};
    if (unlinkat(folder, name, 0) == 0) return 0;
    remove_folder(&removal, folder, name);
    return answer_of(&removal);
}

int files_replace(const char *path, const char *bytes, size_t length) {
    char temporary[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary)
        return errno = ENAMETOOLONG, -1;
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return -1;
    ssize_t written = write(file, bytes, length);
    int error = written < 0 ? errno : ENOSPC;
    if (close(file) == 0 && written == (ssize_t)length) return rename(temporary, path);
    unlink(temporary);
    return errno = error, -1;
}
