#include "place.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "caller.h"

#define PROCESSES 0x9fa0 /* PROC_SUPER_MAGIC */

enum { LONG = PATH_MAX - 48 }; /* longer than this there is no room to say where it starts */

/* The length of "fd/N", "cwd" or "root" at the start of a path, 0 where it is none of them. */
static size_t own_length(const char *path) {
    size_t length = 0;
    if (strncmp(path, "fd/", 3) == 0 && isdigit((unsigned char)path[3]))
        for (length = 3; isdigit((unsigned char)path[length]); length++) continue;
    else if (strncmp(path, "cwd", 3) == 0)
        length = 3;
    else if (strncmp(path, "root", 4) == 0)
        length = 4;
    return path[length] == 0 || path[length] == '/' ? length : 0;
}

/* What stands behind /proc/self/ means the caller, where it is a link to one of its files. NULL for all else. */
static const char *own_part(const char *path) {
    static const struct {
        const char *from, *to;
    } all[] = {{"/proc/self/", ""},      {"/proc/thread-self/", ""}, {"/dev/fd/", "fd/"},
               {"/dev/stdin", "fd/0"},   {"/dev/stdout", "fd/1"},    {"/dev/stderr", "fd/2"}};
    static _Thread_local char part[PATH_MAX + 8];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t length = strlen(all[i].from);
        if (strncmp(path, all[i].from, length) != 0) continue;
        if (i > 2 && path[length] != 0) return NULL;
        snprintf(part, sizeof part, "%s%s", all[i].to, path + length);
        return own_length(part) > 0 ? part : NULL;
    }
    return NULL;
}

/* Goes to the caller's root where that is another than the container's: then absolute paths and links mean that. */
static int enter_root(const struct call *call, struct place *place) {
    struct world *world = call->world;
    struct stat found;
    char path[32];
    if (!atomic_load(&world->roots_differ)) return 0;
    snprintf(path, sizeof path, "%d/root", call->pid);
    int root = openat(world->processes, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -errno;
    int answer = fstat(root, &found) != 0 ? -errno : 0;
    if (answer == 0 && (found.st_dev != world->device || found.st_ino != world->root_number)) {
        place->other_root = true;
        if (!caller_waits(call) || fchdir(root) != 0 || chroot(".") != 0 || fchdir(world->folder) != 0) answer = -EACCES;
    }
    close(root);
    return answer;
}

void place_leave(const struct call *call, struct place *place) {
    if (place->opened >= 0) close(place->opened);
    if (!place->other_root) return;
    /* Should this fail, paths would be looked up in the wrong root from now on. */
    if (fchdir(call->world->root) != 0 || chroot(".") != 0 || fchdir(call->world->folder) != 0) _exit(1);
}

int place_of_file(const struct call *call, uint64_t file, struct place *place) {
    *place = (struct place){.folder = call->world->processes, .opened = -1};
    if ((int)file < 0) return -EBADF;
    place->start = (size_t)snprintf(place->path, sizeof place->path, "%d/fd/%d", call->pid, (int)file);
    return 0;
}

/* A path that starts somewhere: "PID/cwd/PATH" is one look, without a descriptor for the start, if it is not too long. */
static int start_from(const struct call *call, int folder, size_t length, struct place *place) {
    char start[48];
    int used = folder == AT_FDCWD ? snprintf(start, sizeof start, "%d/cwd/", call->pid)
                                  : snprintf(start, sizeof start, "%d/fd/%d/", call->pid, folder);
    place->folder = call->world->processes;
    if (length <= LONG) {
        memmove(place->path + used, place->path, length + 1);
        memcpy(place->path, start, (size_t)used);
        place->start = (size_t)used;
        return 0;
    }
    place->opened = place->folder = openat(call->world->processes, start, O_PATH | O_CLOEXEC);
    return place->opened < 0 ? -errno : 0;
}

int place_of_path(const struct call *call, uint64_t folder, uint64_t text, int flags, struct place *place) {
    struct place found = {.flags = flags & AT_SYMLINK_NOFOLLOW, .opened = -1};
    *place = found;
    int length = text == 0 && (flags & AT_EMPTY_PATH) != 0 ? 0 : caller_text(call, text, place->path, PATH_MAX);
    if (length < 0) return length;
    if (length == 0 && (flags & AT_EMPTY_PATH) == 0) return -ENOENT;
    if (length == 0 && (int)folder != AT_FDCWD) return place_of_file(call, folder, place);
    if (length == 0) strcpy(place->path, "."), length = 1;
    int answer = enter_root(call, place);
    if (answer != 0) return answer;
    if (place->path[0] != '/') return start_from(call, (int)folder, (size_t)length, place);
    const char *own = own_part(place->path);
    if (own == NULL) return 0;
    char start[16];
    int used = snprintf(start, sizeof start, "%d/", call->pid);
    memmove(place->path + used, own, strlen(own) + 1);
    memcpy(place->path, start, (size_t)used);
    place->start = (size_t)used + own_length(own);
    place->folder = call->world->processes;
    return 0;
}

/* The file, but that of a procfs. */
static int no_process(int file) {
    struct statfs system;
    if (file < 0 || (fstatfs(file, &system) == 0 && system.f_type != PROCESSES)) return file;
    close(file);
    return ANSWER_PASS;
}

int place_walk(int folder, const char *path, int flags) {
    struct kernel_how how = {.flags = (uint64_t)(unsigned)(O_PATH | O_CLOEXEC | flags), .resolve = RESOLVE_NO_MAGIC};
    int file = (int)syscall(KERNEL_OPENAT2, folder, path, &how, sizeof how);
    if (file < 0) return errno == ELOOP ? ANSWER_PASS : -errno;
    return no_process(file);
}

/* What `rest` of the place's path leads to from where this starts. */
static int walk_waiting(const struct call *call, const struct place *place, const char *rest, int flags) {
    int from = place->folder;
    if (place->start > 0) {
        char start[48];
        snprintf(start, sizeof start, "%.*s", (int)place->start, place->path);
        /* A link to one of the caller's own files: the only one of its kind that is taken. */
        from = openat(place->folder, start, O_PATH | O_CLOEXEC);
        if (from < 0) return -errno;
    }
    int file = *rest == 0 ? no_process(from) : place_walk(from, rest, flags);
    if (from != place->folder && *rest != 0) close(from);
    if (file < 0 || caller_waits(call)) return file;
    close(file);
    return -EINTR;
}

/* The path's part that is walked; empty where it is the start itself. */
static char *rest_of(struct place *place) {
    char *rest = place->path + place->start;
    while (place->start > 0 && *rest == '/') rest++;
    return rest;
}

int place_open(const struct call *call, struct place *place) {
    return walk_waiting(call, place, rest_of(place), place->flags != 0 ? O_NOFOLLOW : 0);
}

bool place_split(char *path, const char **folder, const char **name) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') path[--length] = 0; /* mkdir("a/") is fine */
    char *slash = strrchr(path, '/');
    *name = slash == NULL ? path : slash + 1;
    *folder = slash == NULL ? "" : slash == path ? "/" : path;
    if (**name == 0 || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) return false;
    if (slash != NULL && slash != path) *slash = 0;
    return true;
}

int place_open_parent(const struct call *call, struct place *place, const char **name) {
    const char *folder;
    if (!place_split(rest_of(place), &folder, name)) return -EEXIST;
    if (*folder == 0 && place->start == 0) folder = ".";
    return walk_waiting(call, place, folder, O_DIRECTORY);
}
