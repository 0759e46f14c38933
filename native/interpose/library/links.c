/* Paths that come back from the kernel: where a link leads, where we are, what a path really is. */
#include "../text.h"
#include "../walk.h"
#include "export.h"

extern void *malloc(size_t size) WEAK;
extern _Noreturn void __chk_fail(void) WEAK;

/* Links in /proc are told by the kernel, in the host's words. */
static __attribute__((noinline)) long read_proc_link(const struct place *at, char *text, size_t room) {
    char told[PATH_ROOM];
    struct place program;
    long length = kernel_readlink(at->folder, at->path, told, sizeof told - 1);
    if (length < 0) return length;
    told[length] = 0;
    if (told[0] == '/') {
        /* Of ourselves, the program: the kernel knows only its loader. */
        bool exe = text_same(text_base(at->path), "exe") && view()->program != NULL &&
                   place_find(view(), KERNEL_CWD, at->path, PLACE_FOLLOW, &program) == 0 && program.path != at->path;
        long guest = exe ? -1 : view_guest(view(), told, told);
        if (guest >= 0) length = guest;
        if (exe) {
            length = (long)text_length(view()->program);
            text_move(told, view()->program, (size_t)length);
        }
    }
    if ((size_t)length > room) length = (long)room;
    text_move(text, told, (size_t)length);
    return length;
}

long read_link_at(int folder, const char *path, char *text, size_t room) {
    struct place at;
    long result = place_find(view(), folder, path, 0, &at);
    if (result < 0) return result;
    if (at.path != NULL && text_starts(at.path, "/proc/") && view()->count > 0) return read_proc_link(&at, text, room);
    return kernel_readlink(at.folder, at.path, text, room);
}

EXPORT long readlink(const char *path, char *text, size_t room) {
    return answer(read_link_at(KERNEL_CWD, path, text, room));
}
EXPORT long readlinkat(int folder, const char *path, char *text, size_t room) {
    return answer(read_link_at(folder, path, text, room));
}
EXPORT long __readlink_chk(const char *path, char *text, size_t room, size_t there) {
    if (room > there) __chk_fail();
    return readlink(path, text, room);
}
EXPORT long __readlinkat_chk(int folder, const char *path, char *text, size_t room, size_t there) {
    if (room > there) __chk_fail();
    return readlinkat(folder, path, text, room);
}

/* What the kernel makes of a host path, as a guest path: for the host's own files, with the host's links. */
static long ask_kernel(const char *host, char *guest) {
    char link[40] = "/proc/self/fd/";
    int file = kernel_open(KERNEL_CWD, host, KERNEL_PATH);
    if (file < 0) return file;
    text_number(link + 14, (unsigned long)file);
    long length = kernel_readlink(KERNEL_CWD, link, guest, PATH_ROOM - 1);
    kernel_close(file);
    if (length < 0) return length;
    guest[length] = 0;
    long mapped = guest[0] == '/' ? view_guest(view(), guest, guest) : -KERNEL_ENOENT;
    return mapped < 0 ? length : mapped;
}

/* The guest path without links, if it exists. Its length or a negative error. */
long resolve(const char *path, char *guest) {
    struct place at;
    struct kernel_stat found;
    char asked[PATH_ROOM];
    if (path == NULL) return -KERNEL_EINVAL;
    if (path[0] == 0) return -KERNEL_ENOENT;
    int placed = place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at);
    if (placed < 0) return placed;
    long length = view()->count == 0 ? -1 : place_guest(view(), KERNEL_CWD, path, asked);
    if (length >= 0) length = walk(view(), asked, true, guest);
    if (length < 0 || (view_area(view(), guest, (size_t)length)->kind & AREA_HOST) != 0)
        return ask_kernel(at.path, guest);
    placed = kernel_stat(KERNEL_CWD, at.path, &found, 0);
    if (placed < 0) return placed;
    while (length > 1 && (guest[length - 1] == '/' || guest[length - 1] == '.')) { /* kept of "x/" and "x/." */
        bool dot = guest[length - 1] == '.';
        if (dot && guest[length - 2] != '/') break;
        length--;
    }
    guest[length] = 0;
    return length;
}

/* Puts the text where the caller wants it, or into memory of its own. */
static char *give(const char *text, long length, char *to, size_t room) {
    if (length < 0) return (void)answer(length), NULL;
    size_t size = (size_t)length + 1;
    if (to != NULL && size > room) return (void)answer(-KERNEL_ERANGE), NULL;
    if (to == NULL && (to = malloc(size > room ? size : room)) == NULL) return NULL;
    text_move(to, text, size);
    return to;
}

EXPORT char *realpath(const char *path, char *to) {
    char guest[PATH_ROOM];
    long length = resolve(path, guest);
    return give(guest, length, to, to == NULL ? 0 : PATH_ROOM);
}
EXPORT char *__realpath_chk(const char *path, char *to, size_t there) {
    if (there < PATH_ROOM) __chk_fail();
    return realpath(path, to);
}
EXPORT char *canonicalize_file_name(const char *path) { return realpath(path, NULL); }

static long working_folder(char *guest) {
    long length = kernel(SYS_getcwd, guest, PATH_ROOM);
    if (length < 0) return length;
    if (guest[0] != '/') return -KERNEL_ENOENT;
    long mapped = view()->count == 0 ? -1 : view_guest(view(), guest, guest);
    return mapped < 0 ? length - 1 : mapped;
}

EXPORT char *getcwd(char *to, size_t room) {
    char guest[PATH_ROOM];
    if (to != NULL && room == 0) return (void)answer(-KERNEL_EINVAL), NULL;
    long length = working_folder(guest);
    if (to == NULL && room != 0 && length >= (long)room) length = -KERNEL_ERANGE;
    return give(guest, length, to, room);
}
EXPORT char *__getcwd_chk(char *to, size_t room, size_t there) {
    if (room > there) __chk_fail();
    return getcwd(to, room);
}
EXPORT char *getwd(char *to) { return getcwd(to, PATH_ROOM); }
EXPORT char *__getwd_chk(char *to, size_t there) { return getcwd(to, there); }
EXPORT char *get_current_dir_name(void) { return getcwd(NULL, 0); }

CALL(int, chdir, (const char *path), KERNEL_CWD, path, PLACE_FOLLOW, SYS_chdir, at.path)
CALL(int, statfs, (const char *path, void *found), KERNEL_CWD, path, PLACE_FOLLOW, SYS_statfs, at.path, found)
ALIAS(statfs64, statfs);
ALIAS(__statfs, statfs);
CALL(int, name_to_handle_at, (int folder, const char *path, void *handle, int *mount, int flags), folder, path,
     (flags & KERNEL_FOLLOW) != 0 ? PLACE_FOLLOW : 0, SYS_name_to_handle_at, at.folder, at.path, handle, mount, flags)
CALL(int, inotify_add_watch, (int file, const char *path, unsigned mask), KERNEL_CWD, path,
     (mask & 0x02000000U /* IN_DONT_FOLLOW */) != 0 ? 0 : PLACE_FOLLOW, SYS_inotify_add_watch, file, at.path, mask)
