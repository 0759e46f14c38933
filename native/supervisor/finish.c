#include "finish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Where the walk is: names below the upper directory, which are the same below the container's root. */
struct walk {
    struct world *world;
    FILE *lines;
    char path[PATH_MAX];
    size_t length;
    int error; /* the first */
};

/* A byte of a name that is no UTF-8 stands as Python's surrogateescape has it. The length of a character, 0 if it is none. */
static size_t character(const unsigned char *at) {
    size_t length = *at < 0x80 ? 1 : *at >= 0xc2 && *at < 0xe0 ? 2 : *at >= 0xe0 && *at < 0xf0 ? 3 : *at >= 0xf0 && *at < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if (length == 3 && ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f))) return 0;
    if (length == 4 && ((*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))) return 0;
    return length;
}

static void write_text(FILE *lines, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    putc('"', lines);
    while (*at != 0) {
        size_t length = character(at);
        if (length == 0)
            fprintf(lines, "\\udc%02x", *at++);
        else if (*at < 0x20 || *at == '"' || *at == '\\')
            fprintf(lines, "\\u%04x", *at++);
        else
            for (; length > 0; length--) putc(*at++, lines);
    }
    putc('"', lines);
}

static void write_line(struct walk *walk, const struct owner *owner) {
    FILE *lines = walk->lines;
    fputs("{\"path\":", lines);
    write_text(lines, walk->path);
    fprintf(lines, ",\"uid\":%u,\"gid\":%u,\"mode\":%u", owner->uid, owner->gid, owner->mode);
    if (owner->kind != 0)
        fprintf(lines, ",\"kind\":\"%c\",\"major\":%u,\"minor\":%u", owner->kind, owner->major, owner->minor);
    fputs(",\"xattrs\":{}}\n", lines);
}

static void keep_error(struct walk *walk) {
    if (walk->error == 0) walk->error = errno;
}

/* The current directory is that of the entry. */
static void mark_copied(struct walk *walk, const char *name, const struct owner *owner, const struct foreign *foreign) {
    char text[OWNER_TEXT], full[OWNER_NAME];
    size_t length = owner_write(owner, text);
    for (; foreign != NULL; foreign = foreign->next)
        if (snprintf(full, sizeof full, OWNER_FOREIGN "%s", foreign->name) >= (int)sizeof full ||
            lsetxattr(name, full, foreign->value, foreign->length, 0) != 0)
            keep_error(walk);
    if (lsetxattr(name, OWNER_ATTRIBUTE, text, length, 0) == 0) {
        if (fchmodat(AT_FDCWD, name, owner->mode, 0) != 0) keep_error(walk);
    } else if (errno == ENOTSUP)
        write_line(walk, owner);
    else
        keep_error(walk);
}

/* A capability that stayed on disk: nobody but us could take it away there. */
static void note_capability(struct walk *walk, const char *name) {
    char value[OWNER_VALUE];
    ssize_t length = lgetxattr(name, OWNER_CAPABILITY, value, sizeof value);
    if (length <= 0) return;
    if (lsetxattr(name, OWNER_FOREIGN OWNER_CAPABILITY, value, (size_t)length, 0) != 0 || lremovexattr(name, OWNER_CAPABILITY) != 0)
        keep_error(walk);
}

/* What the entry says itself; its mode as it is now. False when it says nothing. */
static bool renew(struct walk *walk, const char *name, const struct stat *disk) {
    char text[OWNER_TEXT];
    struct owner owner;
    ssize_t length = lgetxattr(name, OWNER_ATTRIBUTE, text, sizeof text);
    if (length <= 0 || !owner_read(text, (size_t)length, &owner)) return false;
    if (S_ISREG(disk->st_mode)) note_capability(walk, name);
    if (owner.mode == (disk->st_mode & 07777)) return true;
    if (owner_written(owner.mode, disk->st_mode) == owner.mode) {
        if (fchmodat(AT_FDCWD, name, owner.mode, 0) != 0) keep_error(walk);
        return true;
    }
    owner.mode = disk->st_mode & 07777;
    if (lsetxattr(name, OWNER_ATTRIBUTE, text, owner_write(&owner, text), 0) != 0) keep_error(walk);
    return true;
}

static void visit_entry(struct walk *walk, const char *name, const struct stat *disk) {
    struct stat shown;
    struct owner owner;
    const struct foreign *foreign = NULL;
    struct known *known = walk->world->known;
    bool carries = S_ISREG(disk->st_mode) || S_ISDIR(disk->st_mode);
    if (carries && renew(walk, name, disk)) return;
    /* Through the overlay it has the number by which it is known. */
    if (fstatat(walk->world->root, walk->path, &shown, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (((shown.st_mode ^ disk->st_mode) & S_IFMT) != 0 || !known_maybe(known, &shown)) return;
    if (known_has_loose(known) && known_loose(known, &shown, kernel_born(walk->world->root, walk->path, AT_SYMLINK_NOFOLLOW), &owner)) {
        write_line(walk, &owner);
    } else if (known_below(known, shown.st_dev, shown.st_ino, &owner, &foreign)) {
        if (carries)
            mark_copied(walk, name, &owner, foreign);
        else
            write_line(walk, &owner);
    }
}

static void visit_folder(struct walk *walk, int folder);

static void visit(struct walk *walk, int folder, const char *name) {
    struct stat disk;
    size_t before = walk->length, length = strlen(name);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return;
    if (before + length + 2 > sizeof walk->path || fstatat(folder, name, &disk, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (S_ISCHR(disk.st_mode)) return; /* a whiteout */
    if (before > 0) walk->path[walk->length++] = '/';
    memcpy(walk->path + walk->length, name, length + 1);
    walk->length += length;
    visit_entry(walk, name, &disk);
    int inner = S_ISDIR(disk.st_mode) ? openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (inner >= 0) {
        visit_folder(walk, inner);
        if (fchdir(folder) != 0) keep_error(walk);
    }
    walk->length = before;
    walk->path[before] = 0;
}

/* Closes the folder. */
static void visit_folder(struct walk *walk, int folder) {
    DIR *entries = fchdir(folder) == 0 ? fdopendir(folder) : NULL;
    if (entries == NULL) {
        keep_error(walk);
        close(folder);
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) visit(walk, folder, entry->d_name);
    closedir(entries);
}

int finish(struct world *world, int upper, int beside) {
    struct walk walk = {.world = world};
    known_follow_no_more(world->known); /* while the current directory is that of our descriptors */
    int file = openat(beside, "owners.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int start = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    walk.lines = file < 0 ? NULL : fdopen(file, "w");
    if (walk.lines == NULL || start < 0) return -1;
    struct stat disk;
    strcpy(walk.path, ".");
    if (fchdir(upper) == 0 && fstat(upper, &disk) == 0) visit_entry(&walk, ".", &disk); /* the root itself */
    walk.path[0] = 0;
    visit_folder(&walk, start);
    bool written = fclose(walk.lines) == 0;
    if (!written || walk.error != 0) return errno = walk.error != 0 ? walk.error : errno, -1;
    return renameat(beside, "owners.new", beside, "owners");
}
