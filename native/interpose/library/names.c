/* Making, removing and renaming what paths name. */
#include "../facts.h"
#include "export.h"

CALL(int, mkdir, (const char *path, unsigned mode), KERNEL_CWD, path, PLACE_CREATES, SYS_mkdirat, at.folder, at.path,
     mode)
CALL(int, mkdirat, (int folder, const char *path, unsigned mode), folder, path, PLACE_CREATES, SYS_mkdirat, at.folder,
     at.path, mode)
CALL(int, mknodat, (int folder, const char *path, unsigned mode, unsigned long device), folder, path, PLACE_CREATES,
     SYS_mknodat, at.folder, at.path, mode, (unsigned)device)

EXPORT int mknod(const char *path, unsigned mode, unsigned long device) {
    return mknodat(KERNEL_CWD, path, mode, device);
}
EXPORT int __xmknod(int version, const char *path, unsigned mode, unsigned long *device) {
    return (void)version, mknodat(KERNEL_CWD, path, mode, *device);
}
EXPORT int __xmknodat(int version, int folder, const char *path, unsigned mode, unsigned long *device) {
    return (void)version, mknodat(folder, path, mode, *device);
}
EXPORT int mkfifoat(int folder, const char *path, unsigned mode) {
    return mknodat(folder, path, mode | 010000 /* S_IFIFO */, 0);
}
EXPORT int mkfifo(const char *path, unsigned mode) { return mkfifoat(KERNEL_CWD, path, mode); }

CALL(int, unlinkat, (int folder, const char *path, int flags), folder, path, PLACE_REMOVES, SYS_unlinkat, at.folder,
     at.path, flags)
EXPORT int unlink(const char *path) { return unlinkat(KERNEL_CWD, path, 0); }
EXPORT int rmdir(const char *path) { return unlinkat(KERNEL_CWD, path, KERNEL_REMOVE_FOLDER); }
EXPORT int remove(const char *path) {
    struct kernel_stat found;
    bool folder = stat_at(KERNEL_CWD, path, &found, KERNEL_NOFOLLOW) == 0 &&
                  (found.mode & KERNEL_TYPE) == KERNEL_IS_FOLDER;
    return unlinkat(KERNEL_CWD, path, folder ? KERNEL_REMOVE_FOLDER : 0);
}

static long rename_at(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    struct place source, target;
    struct kernel_stat moved;
    long result = place_find(view(), from_folder, from, PLACE_REMOVES, &source);
    if (result == 0) result = place_find(view(), to_folder, to, PLACE_AREA, &target);
    if (result < 0) return result;
    if (target.mount && !target.mount_closed) return -KERNEL_EBUSY;
    if (target.read_only || target.mount) return place_refuse(target.path, PLACE_REMOVES);
    bool known = kernel_stat(source.folder, source.path, &moved, KERNEL_NOFOLLOW) == 0;
    bool file = known && (moved.mode & KERNEL_TYPE) == KERNEL_IS_FILE && flags == 0;
    if (flags == 0) result = kernel(SYS_renameat, source.folder, source.path, target.folder, target.path);
    else result = kernel(SYS_renameat2, source.folder, source.path, target.folder, target.path, flags);
    if (!file) facts_changed(view()); /* a link, or a folder with links, may lie where another folder was */
    return result;
}

EXPORT int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    return (int)answer(rename_at(from_folder, from, to_folder, to, flags));
}
EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renameat2(from_folder, from, to_folder, to, 0);
}
EXPORT int rename(const char *from, const char *to) { return renameat2(KERNEL_CWD, from, KERNEL_CWD, to, 0); }

static long link_at(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    struct place source, target;
    unsigned follow = (flags & KERNEL_FOLLOW) != 0 ? PLACE_FOLLOW : 0;
    struct kernel_stat linked;
    long result = place_find(view(), from_folder, from, follow | PLACE_AREA, &source);
    if (result == 0) result = kernel_stat(source.folder, source.path, &linked, KERNEL_NOFOLLOW | KERNEL_EMPTY_PATH);
    if (result == 0) result = place_find(view(), to_folder, to, PLACE_CREATES, &target);
    if (result < 0) return result;
    if (source.read_only) return -18; /* EXDEV: and a file of the image could be changed through its other name */
    result = kernel(SYS_linkat, source.folder, source.path, target.folder, target.path, flags);
    facts_changed(view());
    return result;
}

EXPORT int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    return (int)answer(link_at(from_folder, from, to_folder, to, flags));
}
EXPORT int link(const char *from, const char *to) { return linkat(KERNEL_CWD, from, KERNEL_CWD, to, 0); }

EXPORT int symlinkat(const char *text, int folder, const char *path) {
    struct place at;
    long result = place_find(view(), folder, path, PLACE_CREATES, &at);
    if (result == 0) result = kernel(SYS_symlinkat, text, at.folder, at.path);
    facts_changed(view());
    return (int)answer(result);
}
EXPORT int symlink(const char *text, const char *path) { return symlinkat(text, KERNEL_CWD, path); }

/* Everybody's "/" is the image's already; a program that wants another one needs a real root. */
EXPORT int chroot(const char *path) { return (void)path, (int)answer(-KERNEL_EPERM); }
