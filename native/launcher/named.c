#include "named.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounts.h"

enum { MOST = 128, MOST_LINKS = 16 };

/* Paths without repetition; beyond MOST they are passed over, for each takes a descriptor. */
struct paths {
    struct plan_list folders;
    char *path[MOST];
    size_t count;
};

static bool is_below(const char *path, struct plan_list folders) {
    for (const char *folder; (folder = list_next(&folders)) != NULL;) {
        size_t length = strlen(folder);
        if (strncmp(path, folder, length) == 0 && path[length] == '/' && path[length + 1] != 0) return true;
    }
    return false;
}

static void add(struct paths *paths, const char *path, size_t length) {
    if (paths->count == MOST) return;
    for (size_t i = 0; i < paths->count; i++)
        if (strncmp(paths->path[i], path, length) == 0 && paths->path[i][length] == 0) return;
    char *copy = strndup(path, length);
    if (copy != NULL) paths->path[paths->count++] = copy;
}

/* Directories of programs and libraries: the image's own must not get the host's beside them unasked. */
static bool holds_programs(const char *path, size_t length) {
    static const char *const names[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/libexec"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t name = strlen(names[i]);
        if (length >= name && strncmp(path + length - name, names[i], name) == 0) return true;
    }
    return false;
}

/* The path and the directories that it lies in, below the top ones: files that go together lie together. */
static void add_with_parents(struct paths *paths, const char *path) {
    int parts = strncmp(path, "/usr/", 5) == 0 ? -1 : 0;
    for (size_t i = 1; path[i] != 0; i++)
        if (path[i] == '/' && ++parts >= 2 && !holds_programs(path, i)) add(paths, path, i);
    add(paths, path, strlen(path));
}

/* Resolves `.` and `..` by the text alone, in place. */
static void tidy(char *path) {
    char *to = path;
    for (const char *from = path; *from != 0;) {
        size_t length = strcspn(from + 1, "/") + 1;
        if (length == 3 && strncmp(from, "/..", 3) == 0) {
            while (to > path && *--to != '/') continue;
        } else if (length > 1 && !(length == 2 && from[1] == '.')) {
            memmove(to, from, length);
            to += length;
        }
        from += length;
    }
    if (to == path) *to++ = '/';
    *to = 0;
}

/* Adds the path, if it is below the directories, and does the same with what its symbolic links lead to. */
static void follow(struct paths *paths, const char *path, int links) {
    char part[PATH_MAX], content[PATH_MAX], next[2 * PATH_MAX];
    struct stat found;
    if (is_below(path, paths->folders)) add_with_parents(paths, path);
    for (size_t i = 1, before = 0; i < sizeof part; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (lstat(part, &found) != 0) return;
        if (S_ISLNK(found.st_mode)) {
            ssize_t length = readlink(part, content, sizeof content - 1);
            if (length < 0 || links == 0) return;
            content[length] = 0;
            int folder = content[0] == '/' ? 0 : (int)before;
            if ((size_t)snprintf(next, sizeof next, "%.*s/%s%s", folder, path, content, path + i) >= PATH_MAX) return;
            tidy(next);
            return follow(paths, next, links - 1);
        }
        if (path[i] == 0) return;
        before = i;
    }
}

static void consider(struct paths *paths, const char *cwd, const char *text) {
    char path[2 * PATH_MAX];
    if (*text == 0 || strlen(text) >= PATH_MAX || (text[0] != '/' && cwd == NULL)) return;
    snprintf(path, sizeof path, "%s/%s", text[0] == '/' ? "" : cwd, text);
    tidy(path);
    if (strlen(path) < PATH_MAX) follow(paths, path, MOST_LINKS);
}

static int compare_lengths(const void *a, const void *b) {
    size_t one = strlen(*(char *const *)a), other = strlen(*(char *const *)b);
    return one < other ? -1 : one > other;
}

static struct record bind_of(const char *path) {
    struct plan_bytes text = {.bytes = path, .length = (uint32_t)strlen(path)};
    uint64_t bits = BIND_NOSUID | BIND_OPTIONAL | BIND_SLAVE | BIND_ABSENT;
    return (struct record){.kind = OP_BIND, .phase = PHASE_INIT, .field = {{.s = text}, {.s = text}, {.u = bits}}};
}

int named_widen(struct start *start, struct plan *wider, struct failure *failure) {
    const struct record *named = plan_find(start->plan, OP_NAMED);
    if (named == NULL) return 0;
    struct paths paths = {.folders = named->field[0].l};
    consider(&paths, start->slots.cwd, ".");
    for (char **argument = start->arguments; *argument != NULL; argument++) {
        const char *value = strchr(*argument, '=');
        consider(&paths, start->slots.cwd, *argument);
        if (value != NULL) consider(&paths, start->slots.cwd, value + 1); /* --input=PATH, if=PATH */
    }
    qsort(paths.path, paths.count, sizeof *paths.path, compare_lengths); /* what holds others comes first */
    size_t before = (size_t)(named - start->plan->records) + 1, after = start->plan->count - before;
    *wider = (struct plan){.count = start->plan->count + paths.count, .uid = start->plan->uid};
    wider->records = calloc(wider->count, sizeof *wider->records);
    if (wider->records == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    memcpy(wider->records, start->plan->records, before * sizeof *wider->records);
    for (size_t i = 0; i < paths.count; i++) wider->records[before + i] = bind_of(paths.path[i]);
    memcpy(wider->records + before + paths.count, named + 1, after * sizeof *wider->records);
    start->plan = wider;
    return 0;
}
