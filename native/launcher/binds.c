#include "binds.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kernel.h"
#include "mounts.h"
#include "targets.h"

int binds_open(struct binds *binds, const struct start *start, struct failure *failure) {
    size_t count = start->plan->count;
    *binds = (struct binds){.start = start, .new_root = -1};
    binds->trees = malloc(count * sizeof *binds->trees);
    binds->paths = calloc(count, sizeof *binds->paths);
    if (binds->trees == NULL || binds->paths == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    for (size_t i = 0; i < count; i++) binds->trees[i] = -1;
    binds->old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (binds->old_root < 0) return failure_set(failure, STEP_ROOT, errno, "/");
    binds->classic = kernel_is_old();
    return 0;
}

static uint64_t attributes_of(uint64_t bits) {
    return (bits & BIND_READ_ONLY ? ATTRIBUTE_READ_ONLY : 0U) | (bits & BIND_NOSUID ? ATTRIBUTE_NOSUID : 0U) |
           (bits & BIND_NODEV ? ATTRIBUTE_NODEV : 0U) | (bits & BIND_NOEXEC ? ATTRIBUTE_NOEXEC : 0U);
}

/* Whether a clone must be changed: a file can carry no mount below it, so that its propagation matters to nobody. */
static bool changes(uint64_t bits, bool folder) {
    return attributes_of(bits) != 0 || (folder && (bits & BIND_SLAVE) == 0);
}

/* A detached copy of what `source` shows, from `at` on (an empty one is that itself), with its flags; -1 with errno. */
static int clone_tree(int at, const char *source, uint64_t bits, bool folder) {
    unsigned recursive = bits & BIND_SINGLE ? 0 : TREE_RECURSIVE;
    struct kernel_mount_attr attributes = {.set = attributes_of(bits),
                                           .propagation = bits & BIND_SLAVE ? MS_SLAVE : MS_PRIVATE};
    int tree = kernel_open_tree(at, source, TREE_CLONE | recursive | (*source == 0 ? TREE_EMPTY_PATH : 0U));
    if (tree < 0 || !changes(bits, folder)) return tree;
    if (kernel_mount_setattr(tree, "", TREE_EMPTY_PATH | recursive, &attributes) == 0) return tree;
    int error = errno;
    close(tree);
    return errno = error, -1;
}

/* The path of an open file, which is closed, without symbolic links. */
static char *resolve(int file) {
    char magic[40], path[PATH_MAX];
    if (file < 0) return NULL;
    snprintf(magic, sizeof magic, "/proc/self/fd/%d", file);
    ssize_t length = readlink(magic, path, sizeof path - 1);
    int error = errno;
    close(file);
    if (length < 0) return errno = error, NULL;
    path[length] = 0;
    return strdup(path);
}

/* The directory of a layer that BIND_PLAIN shows where it lies there. Since the plan was made, a program that may write to
   an unpacked image may have put a symbolic link in its place, which would lead to the host's own files. */
static int open_plain(const char *source, const char *target) {
    char part[PATH_MAX];
    size_t whole = strlen(source), length = strlen(target);
    if (whole <= length || whole >= sizeof part || strcmp(source + whole - length, target) != 0) return -1;
    snprintf(part, sizeof part, "%.*s", (int)(whole - length), source);
    int folder = open(part, O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (folder >= 0 && *target != 0) {
        length = strcspn(++target, "/");
        snprintf(part, sizeof part, "%.*s", (int)length, target);
        int next = openat(folder, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(folder);
        folder = next;
        target += length;
    }
    return folder;
}

/* As take_source(), for BIND_PLAIN: what cannot be had is left to the overlay. */
static int take_plain(struct binds *binds, size_t index, struct failure *failure) {
    const struct record *record = &binds->start->plan->records[index];
    const char *source = start_text(binds->start, record, 0, failure), *target = start_text(binds->start, record, 1, failure);
    int folder = source == NULL || target == NULL ? -1 : open_plain(source, target);
    if (!binds->classic && folder >= 0) {
        binds->trees[index] = clone_tree(folder, "", record->field[2].u, true);
        binds->classic = binds->trees[index] < 0 && kernel_lacks_it();
    }
    if (binds->classic)
        binds->paths[index] = resolve(folder);
    else if (folder >= 0)
        close(folder);
    if (binds->trees[index] < 0 && binds->paths[index] == NULL) binds->start->source_kinds[index] = SOURCE_NONE;
    return source == NULL || target == NULL ? -1 : 0;
}

/* Takes hold of one source, in the new way or, when the kernel lacks that, the classic one. */
static int take_source(struct binds *binds, size_t index, struct failure *failure) {
    const struct record *record = &binds->start->plan->records[index];
    if (record->kind == OP_BIND && (record->field[2].u & BIND_PLAIN) != 0) return take_plain(binds, index, failure);
    bool is_mask = record->kind == OP_MASK, folder = binds->start->source_kinds[index] == SOURCE_DIRECTORY;
    const char *source = is_mask ? "/dev/null" : start_text(binds->start, record, 0, failure);
    if (source == NULL) return -1;
    if (!binds->classic) {
        binds->trees[index] = clone_tree(AT_FDCWD, source, is_mask ? BIND_SINGLE : record->field[2].u, folder);
        if (binds->trees[index] >= 0) return 0;
        if (!kernel_lacks_it()) return failure_set(failure, STEP_SOURCE, errno, source);
        binds->classic = true;
    }
    binds->paths[index] = resolve(open(source, O_PATH | O_CLOEXEC));
    return binds->paths[index] != NULL ? 0 : failure_set(failure, STEP_SOURCE, errno, source);
}

int binds_before_root(struct binds *binds, struct failure *failure) {
    const struct start *start = binds->start;
    bool after = false;
    for (size_t i = 0; i < start->plan->count; i++) {
        const struct record *record = &start->plan->records[i];
        after |= record->kind == OP_ROOT;
        bool wanted = record->kind == OP_MASK || (record->kind == OP_BIND && start->source_kinds[i] != SOURCE_NONE);
        if (!after || !wanted) continue;
        if (take_source(binds, i, failure) != 0) return -1;
    }
    return 0;
}

static unsigned long classic_flags(uint64_t bits) {
    return (bits & BIND_READ_ONLY ? MS_RDONLY : 0UL) | (bits & BIND_NOSUID ? MS_NOSUID : 0UL) |
           (bits & BIND_NODEV ? MS_NODEV : 0UL) | (bits & BIND_NOEXEC ? MS_NOEXEC : 0UL);
}

int binds_remount(const char *target, uint64_t bits) {
    static const struct {
        unsigned long seen, flag;
    } locked[] = {{ST_RDONLY, MS_RDONLY}, {ST_NOSUID, MS_NOSUID},   {ST_NODEV, MS_NODEV},
                  {ST_NOEXEC, MS_NOEXEC}, {ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME},
                  {ST_RELATIME, MS_RELATIME}};
    struct statvfs now;
    unsigned long flags = MS_REMOUNT | MS_BIND | classic_flags(bits);
    if (statvfs(target, &now) != 0) return -1;
    for (size_t i = 0; i < sizeof locked / sizeof *locked; i++)
        if (now.f_flag & locked[i].seen) flags |= locked[i].flag;
    return mount(NULL, target, NULL, flags, NULL);
}

/* Undoes mountinfo's octal escapes (\040 for a blank), in place; ends at the first blank. */
static void unescape(char *text) {
    char *to = text;
    while (*text != 0 && *text != ' ') {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] != 0 && text[3] != 0) {
            *to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 4;
        } else {
            *to++ = *text++;
        }
    }
    *to = 0;
}

/* The fifth field of a mountinfo line (proc(5)), where it is mounted; NULL for a line without. */
static char *mount_point_of(char *line) {
    for (int blanks = 0; blanks < 4; blanks++) {
        line = strchr(line, ' ');
        if (line == NULL) return NULL;
        line++;
    }
    unescape(line);
    return line;
}

/* Sets flags on the mount at `target` (its real path) and on all below. */
static int remount_below(struct binds *binds, const char *target, uint64_t bits) {
    char line[2 * PATH_MAX + 512];
    size_t length = strlen(target);
    int file = openat(binds->old_root, "proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    FILE *mounts = file < 0 ? NULL : fdopen(file, "r");
    if (mounts == NULL) return -1;
    int answer = 0;
    while (answer == 0 && fgets(line, sizeof line, mounts) != NULL) {
        char *point = mount_point_of(line);
        if (point == NULL || strncmp(point, target, length) != 0 || (point[length] != 0 && point[length] != '/'))
            continue;
        answer = binds_remount(point, bits);
    }
    int error = errno;
    fclose(mounts);
    return errno = error, answer;
}

static int bind_classic(struct binds *binds, const char *source, const char *target, uint64_t bits) {
    char real[PATH_MAX], path[PATH_MAX];
    unsigned long recursive = bits & BIND_SINGLE ? 0UL : MS_REC;
    const char *from = source;
    if (binds->new_root >= 0) {
        if (fchdir(binds->old_root) != 0) return -1;
        snprintf(path, sizeof path, ".%s", source);
        from = path;
    }
    int answer = mount(from, target, NULL, MS_BIND | recursive, NULL);
    int error = errno;
    if (binds->new_root >= 0 && chdir("/") != 0) return -1;
    if (answer != 0) return errno = error, -1;
    if (mount(NULL, target, NULL, recursive | (bits & BIND_SLAVE ? MS_SLAVE : MS_PRIVATE), NULL) != 0) return -1;
    if (classic_flags(bits) == 0) return 0;
    if (realpath(target, real) == NULL) return -1;
    return recursive ? remount_below(binds, real, bits) : binds_remount(real, bits);
}

static int attach(struct binds *binds, size_t index, const char *target, uint64_t bits) {
    if (binds->trees[index] < 0) return bind_classic(binds, binds->paths[index], target, bits);
    return kernel_move_mount(binds->trees[index], target, bits & BIND_REPLACE_LINK ? 0 : MOVE_TO_FOLLOW);
}

/* A symbolic link as target that must not be followed gives way to an empty file or directory. */
static int replace_link(const char *target) {
    struct stat found;
    if (lstat(target, &found) != 0 || !S_ISLNK(found.st_mode)) return 0;
    return unlink(target);
}

/* Whether the target lies in a tmpfs that the plan mounted: then it is missing, and made before it is tried. */
static bool is_fresh(const struct binds *binds, size_t index, const char *target) {
    for (size_t i = 0; i < index; i++) {
        const struct record *record = &binds->start->plan->records[i];
        if (record->kind != OP_MOUNT || strcmp(record->field[0].s.bytes, "tmpfs") != 0) continue;
        struct plan_bytes point = record->field[4].s;
        if (strncmp(target, point.bytes, point.length) == 0 && target[point.length] == '/') return true;
    }
    return false;
}

/* Whether the target exists and is of another kind than the source. */
static bool differs(const char *target, bool folder, uint64_t bits) {
    struct stat found;
    int answer = bits & BIND_REPLACE_LINK ? lstat(target, &found) : stat(target, &found);
    return answer == 0 && S_ISDIR(found.st_mode) != folder;
}

static int bind_taken(struct binds *binds, size_t index, const char *target, uint64_t bits, struct failure *failure) {
    bool folder = binds->start->source_kinds[index] == SOURCE_DIRECTORY;
    bool classic_link = binds->trees[index] < 0 && (bits & BIND_REPLACE_LINK) != 0;
    if (classic_link && replace_link(target) != 0) return failure_set(failure, STEP_TARGET, errno, target);
    if (is_fresh(binds, index, target) && target_make(target, folder) != 0)
        return failure_set(failure, STEP_TARGET, errno, target);
    if (attach(binds, index, target, bits) == 0) return 0;
    if (errno == EINVAL && differs(target, folder, bits)) errno = ENOTDIR; /* move_mount(2) calls it so */
    if (errno == ENOTDIR && (bits & BIND_REPLACE_LINK) != 0 && folder) {
        if (replace_link(target) != 0) return failure_set(failure, STEP_TARGET, errno, target);
    } else if (errno != ENOENT) {
        return failure_set(failure, STEP_BIND, errno, target);
    }
    if (target_make(target, folder) != 0) return failure_set(failure, STEP_TARGET, errno, target);
    return attach(binds, index, target, bits) == 0 ? 0 : failure_set(failure, STEP_BIND, errno, target);
}

/* Whether a symbolic link of the image is on the way to where the current directory will be shown. */
static bool is_here_behind_link(const struct start *start) {
    char path[PATH_MAX];
    struct stat found;
    const char *here = mounts_here(start);
    for (const char *end = here; end != NULL && *end != 0;) {
        end = strchrnul(end + 1, '/');
        snprintf(path, sizeof path, "%.*s", (int)(end - here), here);
        if (lstat(path, &found) != 0) return false;
        if (S_ISLNK(found.st_mode)) return true;
    }
    return false;
}

int binds_bind(struct binds *binds, size_t index, struct failure *failure) {
    const struct record *record = &binds->start->plan->records[index];
    if (binds->start->source_kinds[index] == SOURCE_NONE) return 0; /* optional, and missing */
    struct stat found;
    const char *target = start_text(binds->start, record, 1, failure);
    if (target == NULL) return -1;
    if (binds->new_root < 0 && take_source(binds, index, failure) != 0) return -1;
    bool absent = (record->field[2].u & BIND_ABSENT) != 0;
    bool needless = (record->field[2].u & BIND_PLAIN) != 0 && is_here_behind_link(binds->start);
    int answer = needless || (absent && lstat(target, &found) == 0)
                     ? 0
                     : bind_taken(binds, index, target, record->field[2].u, failure);
    if (binds->trees[index] >= 0) close(binds->trees[index]);
    if (!absent || answer == 0 || failure->step != STEP_TARGET) return answer;
    failure->step = STEP_NONE;
    return 0;
}

int binds_tree(struct binds *binds, const struct record *record, struct failure *failure) {
    const char *tree = start_text(binds->start, record, 0, failure),
               *point = start_text(binds->start, record, 1, failure);
    uint64_t bits = record->field[2].u;
    if (tree == NULL || point == NULL) return -1;
    if (!binds->classic) {
        int clone = clone_tree(AT_FDCWD, tree, bits, true);
        int answer = clone < 0 ? -1 : kernel_move_mount(clone, point, MOVE_TO_FOLLOW);
        int error = errno;
        if (clone >= 0) close(clone);
        errno = error;
        if (answer == 0) return 0;
        if (!kernel_lacks_it()) return failure_set(failure, STEP_TREE, errno, tree);
        binds->classic = true;
    }
    return bind_classic(binds, tree, point, bits) == 0 ? 0 : failure_set(failure, STEP_TREE, errno, tree);
}

int binds_null(struct binds *binds, size_t index, const char *target) {
    if (binds->trees[index] < 0) return bind_classic(binds, "/dev/null", target, BIND_SINGLE);
    return kernel_move_mount(binds->trees[index], target, MOVE_TO_FOLLOW);
}
