#include "points.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mounts.h"

enum { MOST = 64, MODE = 0755, MOST_NOTED = 1024 };

#define NOTE "user.wherry.points" /* of the scratch folder: what the layer in it holds */

/* A file or directory of the layer. */
struct node {
    const char *parent, *name; /* the path inside that it lies in (empty: the root), and its name there */
    mode_t mode;
    bool folder, there;
};

/* Parents come before what lies in them. */
struct nodes {
    struct node node[MOST];
    size_t count;
    bool incomplete; /* some mount point is left to its mount, which makes it */
};

enum found { FOUND_NOTHING, FOUND_FOLDER, FOUND_FILE, FOUND_OTHER };

/* What the layers have at `path`. A whiteout is no directory, and what an opaque directory hides is taken for there: then
   too little is made. */
static enum found look(char *const *layers, const char *path, mode_t *mode) {
    enum found answer = FOUND_NOTHING;
    char at[PATH_MAX];
    struct stat found;
    for (; *layers != NULL; layers++) {
        if ((size_t)snprintf(at, sizeof at, "%s%s", *layers, path) >= sizeof at) return FOUND_OTHER;
        if (lstat(at, &found) != 0) {
            if (errno != ENOENT) return FOUND_OTHER;
            continue;
        }
        if (S_ISREG(found.st_mode) && answer == FOUND_NOTHING) return FOUND_FILE;
        if (!S_ISDIR(found.st_mode)) return FOUND_OTHER;
        if (answer == FOUND_NOTHING) *mode = (found.st_mode & 07777) | 0700;
        answer = FOUND_FOLDER;
    }
    return answer;
}

static struct node *find(struct nodes *nodes, const char *parent, const char *name) {
    for (size_t i = 0; i < nodes->count; i++)
        if (strcmp(nodes->node[i].name, name) == 0 && strcmp(nodes->node[i].parent, parent) == 0) return &nodes->node[i];
    return NULL;
}

static bool is_plain(const char *path) {
    size_t length = strlen(path);
    if (path[0] != '/' || length < 2 || length >= PATH_MAX || path[length - 1] == '/') return false;
    return strstr(path, "//") == NULL && strstr(path, "/./") == NULL && strstr(path, "/../") == NULL &&
           strcmp(strrchr(path, '/'), "/.") != 0 && strcmp(strrchr(path, '/'), "/..") != 0;
}

/* Adds the target and the directories that it lies in, if it is missing. False when there is no room. */
static bool add(struct nodes *nodes, char *const *layers, const char *target, bool folder) {
    char *path = strdup(target);
    size_t before = nodes->count;
    enum found found = FOUND_FOLDER;
    if (path == NULL) return false;
    for (char *slash = path; slash != NULL;) {
        char *next = strchr(slash + 1, '/');
        if (next != NULL) *next = 0;
        mode_t mode = MODE;
        if (found == FOUND_FOLDER) found = look(layers, path, &mode);
        if (found == FOUND_FILE && next != NULL) found = FOUND_OTHER;
        if (found == FOUND_FILE || found == FOUND_OTHER) break;
        *slash = 0;
        if (find(nodes, path, slash + 1) == NULL) {
            if (nodes->count == MOST) return false;
            char *parent = strdup(path), *name = strdup(slash + 1);
            if (parent == NULL || name == NULL) return false;
            nodes->node[nodes->count++] =
                (struct node){.parent = parent, .name = name, .mode = mode, .folder = next != NULL || folder};
        }
        *slash = '/';
        if (next != NULL) *next = '/';
        slash = next;
    }
    if (found != FOUND_NOTHING) nodes->count = before;
    nodes->incomplete = nodes->incomplete || found == FOUND_OTHER || (found != FOUND_NOTHING && (found == FOUND_FILE) == folder);
    return true;
}

/* Whether an operation before this one mounts something around the target. */
static bool is_within(const struct start *start, size_t index, const char *target) {
    struct failure ignored;
    for (size_t i = 0; i < index; i++) {
        const struct record *record = &start->plan->records[i];
        if (record->kind != OP_BIND && record->kind != OP_MOUNT) continue;
        if (record->kind == OP_BIND && start->source_kinds[i] == SOURCE_NONE) continue;
        const char *around = start_text(start, record, record->kind == OP_BIND ? 1 : 4, &ignored);
        size_t length = around == NULL ? 0 : strlen(around);
        if (length > 0 && strncmp(target, around, length) == 0 && (target[length] == '/' || target[length] == 0)) return true;
    }
    return false;
}

/* Which text of an operation is a path in the root that it may have to make; -1: none. */
static int target_field(enum record_kind kind) {
    switch (kind) {
    case OP_DIRECTORY: return 0;
    case OP_BIND:
    case OP_SYMLINK: return 1;
    case OP_MOUNT: return 4;
    default: return -1;
    }
}

static bool collect(const struct start *start, char *const *layers, struct nodes *nodes) {
    struct failure ignored;
    mode_t mode;
    bool inside = false;
    for (size_t i = 0; i < start->plan->count; i++) {
        const struct record *record = &start->plan->records[i];
        int field = target_field(record->kind);
        inside = inside || record->kind == OP_ROOT;
        nodes->incomplete = nodes->incomplete || record->kind == OP_OWNER; /* it is changed */
        if (!inside || field < 0 || (record->kind == OP_BIND && start->source_kinds[i] == SOURCE_NONE)) continue;
        const char *target = start_text(start, record, field, &ignored);
        if (target == NULL || is_within(start, i, target)) continue;
        bool ours = record->kind == OP_BIND && (record->field[2].u & (BIND_ABSENT | BIND_REPLACE_LINK)) == 0;
        if (!ours || !is_plain(target))
            nodes->incomplete = nodes->incomplete || !is_plain(target) || look(layers, target, &mode) != FOUND_FOLDER;
        else if (!add(nodes, layers, target, start->source_kinds[i] == SOURCE_DIRECTORY))
            return false;
    }
    return true;
}

/* Directories within one that nothing needs. */
struct surplus {
    struct node node[MOST];
    size_t count;
};

/* Notes which nodes are in the folder, and what else is. */
static int take_stock(struct nodes *nodes, DIR *folder, const char *path, struct surplus *surplus) {
    struct stat found;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        struct node *node = find(nodes, path, entry->d_name);
        if (fstatat(dirfd(folder), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0) return -1;
        if (node != NULL && node->folder == S_ISDIR(found.st_mode) && (node->folder || S_ISREG(found.st_mode))) {
            node->there = true;
            if (node->folder && (found.st_mode & 07777) != node->mode &&
                fchmodat(dirfd(folder), entry->d_name, node->mode, 0) != 0)
                return -1;
        } else if (!S_ISDIR(found.st_mode)) {
            if (unlinkat(dirfd(folder), entry->d_name, 0) != 0) return -1;
        } else {
            char *name = surplus->count == MOST ? NULL : strdup(entry->d_name);
            if (name == NULL) return -1;
            surplus->node[surplus->count++] = (struct node){.name = name, .mode = found.st_mode & 07777};
        }
    }
    return 0;
}

static int make(int folder, const struct node *node, struct surplus *surplus) {
    if (!node->folder) {
        int file = openat(folder, node->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        return file < 0 ? -1 : close(file);
    }
    if (surplus->count == 0) return mkdirat(folder, node->name, node->mode);
    const struct node *other = &surplus->node[--surplus->count];
    if (renameat(folder, other->name, folder, node->name) != 0) return -1;
    return other->mode == node->mode ? 0 : fchmodat(folder, node->name, node->mode, 0);
}

/* Makes the folder, which is closed, hold the nodes that lie in `path`, and nothing else. */
static int arrange(struct nodes *nodes, int opened, const char *path) {
    char inside[PATH_MAX];
    struct surplus surplus;
    DIR *folder = opened < 0 ? NULL : fdopendir(opened);
    surplus.count = 0;
    if (folder == NULL) return -1;
    int answer = take_stock(nodes, folder, path, &surplus);
    for (size_t i = 0; i < nodes->count && answer == 0; i++) {
        const struct node *node = &nodes->node[i];
        if (strcmp(node->parent, path) != 0) continue;
        if (!node->there) answer = make(dirfd(folder), node, &surplus);
        if (answer != 0 || !node->folder) continue;
        snprintf(inside, sizeof inside, "%s/%s", path, node->name);
        answer = arrange(nodes, openat(dirfd(folder), node->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), inside);
    }
    while (answer == 0 && surplus.count > 0) answer = files_remove_at(dirfd(folder), surplus.node[--surplus.count].name);
    closedir(folder);
    return answer;
}

/* What the layer holds, as text: a line for each node, the root first. */
static char *describe(const struct nodes *nodes, mode_t root) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    fprintf(out, "%o", (unsigned)root);
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node *node = &nodes->node[i];
        fprintf(out, "\n%o%s%s/%s", (unsigned)node->mode, node->folder ? "" : "f", node->parent, node->name);
    }
    return fclose(out) == 0 ? text : NULL;
}

/* Where the last line is, if it tells of a directory; else -1. */
static ptrdiff_t last_folder(const char *text) {
    const char *line = strrchr(text, '\n');
    return line == NULL || line[1 + strspn(line + 1, "01234567")] != '/' ? -1 : line - text;
}

/* Between directories that lie side by side, one rename. */
static bool rename_last(const char *place, const char *was, const char *wanted) {
    char from[PATH_MAX], to[PATH_MAX];
    ptrdiff_t last = last_folder(was);
    if (last < 0 || last != last_folder(wanted) || strncmp(was, wanted, (size_t)last) != 0) return false;
    const char *old = strchr(was + last, '/'), *new = strchr(wanted + last, '/'), *name = strrchr(old, '/');
    /* mode and parent are the same up to the name */
    if (name - (was + last) != strrchr(new, '/') - (wanted + last)) return false;
    if (strncmp(was + last, wanted + last, (size_t)(name - (was + last)) + 1) != 0) return false;
    if ((size_t)snprintf(from, sizeof from, "%s%s", place, old) >= sizeof from) return false;
    if ((size_t)snprintf(to, sizeof to, "%s%s", place, new) >= sizeof to) return false;
    return rename(from, to) == 0;
}

static bool arrange_all(struct nodes *nodes, const char *place, mode_t mode) {
    if (mkdir(place, mode) != 0 && (errno != EEXIST || chmod(place, mode) != 0)) return false;
    return arrange(nodes, open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "") == 0;
}

const char *points_layer(const struct start *start, char *const *layers, bool *complete) {
    struct nodes nodes;
    char *place = NULL, was[MOST_NOTED + 1];
    const char *scratch = start->slots.scratch;
    mode_t mode = MODE;
    nodes.count = 0;
    nodes.incomplete = *complete = false;
    if (scratch == NULL || !collect(start, layers, &nodes)) return NULL;
    if (nodes.count == 0) return *complete = !nodes.incomplete, NULL;
    if (asprintf(&place, "%s/points", scratch) < 0 || look(layers, "", &mode) != FOUND_FOLDER) return NULL;
    char *wanted = describe(&nodes, mode);
    if (wanted == NULL) return NULL;
    ssize_t length = getxattr(scratch, NOTE, was, MOST_NOTED);
    was[length < 0 ? 0 : length] = 0;
    bool same = strcmp(was, wanted) == 0;
    bool done = same || rename_last(place, was, wanted) || arrange_all(&nodes, place, mode);
    /* A note is true of every folder that is used again: one whose start breaks off here is not. */
    if (!done || (!same && setxattr(scratch, NOTE, wanted, strlen(wanted), 0) != 0)) removexattr(scratch, NOTE);
    *complete = done && !nodes.incomplete;
    return done ? place : NULL;
}
