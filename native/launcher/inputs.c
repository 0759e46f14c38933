#include "inputs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bounds.h"
#include "front.h"

/* `flags` as fstatat(2) has them. */
static bool file_holds(const union plan_field *field, int flags) {
    struct stat now;
    if (fstatat(AT_FDCWD, field[0].s.bytes, &now, flags) != 0) return field[1].u == 0;
    uint64_t second = UINT64_C(1000000000);
    return field[1].u == 1 && field[2].u == now.st_dev && field[3].u == now.st_ino &&
           field[4].u == (uint64_t)now.st_size &&
           field[5].u == (uint64_t)now.st_mtim.tv_sec * second + (uint64_t)now.st_mtim.tv_nsec &&
           field[6].u == (uint64_t)now.st_ctim.tv_sec * second + (uint64_t)now.st_ctim.tv_nsec &&
           field[7].u == now.st_mode;
}

/* Reads until the end or until `content` is full; -1 when the file cannot be read. */
static ssize_t read_whole(const char *path, char *content, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0) return -1;
    size_t total = 0;
    ssize_t n = 0;
    while (total < size && (n = read(file, content + total, size - total)) > 0) total += (size_t)n;
    close(file);
    return n < 0 ? -1 : (ssize_t)total;
}

static bool content_holds(const char *path, struct plan_bytes expected) {
    size_t size = (size_t)expected.length + 1;
    char *content = malloc(size);
    ssize_t n = content == NULL ? -1 : read_whole(path, content, size);
    bool holds = n == (ssize_t)expected.length && memcmp(content, expected.bytes, expected.length) == 0;
    free(content);
    return holds;
}

static bool variable_holds(const union plan_field *field, char **environment) {
    const char *value = front_variable(environment, field[0].s.bytes);
    return value == NULL ? field[1].u == 0 : field[1].u == 1 && strcmp(value, field[2].s.bytes) == 0;
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* A name given twice is passed over as Python does: the last one counts there, so such an environment plans anew. */
static bool variables_hold(const union plan_field *field, char **environment) {
    const char *prefix = field[0].s.bytes;
    struct plan_list expected = field[1].l;
    size_t length = strlen(prefix), count = 0, total = 0;
    for (char **entry = environment; *entry != NULL; entry++) total += strncmp(*entry, prefix, length) == 0;
    if (total != expected.left) return false;
    if (total == 0) return true;
    const char **found = calloc(total, sizeof *found);
    if (found == NULL) return false;
    for (char **entry = environment; *entry != NULL; entry++)
        if (strncmp(*entry, prefix, length) == 0) found[count++] = *entry;
    qsort(found, count, sizeof *found, compare_texts);
    bool holds = true;
    for (size_t i = 0; i < count && holds; i++) holds = strcmp(found[i], list_next(&expected)) == 0;
    free(found);
    return holds;
}

static int compare_groups(const void *a, const void *b) {
    gid_t one = *(const gid_t *)a, other = *(const gid_t *)b;
    return one < other ? -1 : one > other;
}

static bool identity_holds(const union plan_field *field) {
    gid_t groups[NGROUPS_MAX > 1024 ? 1024 : NGROUPS_MAX];
    struct plan_list expected = field[2].l;
    int count = getgroups(sizeof groups / sizeof *groups, groups);
    if (field[0].u != geteuid() || field[1].u != getegid() || count < 0 || expected.left != (uint32_t)count)
        return false;
    qsort(groups, (size_t)count, sizeof *groups, compare_groups);
    for (int i = 0; i < count; i++)
        if (strtoul(list_next(&expected), NULL, 10) != groups[i]) return false;
    return true;
}

static bool node_holds(const char *node) {
    struct utsname name;
    return uname(&name) == 0 && strcmp(name.nodename, node) == 0;
}

static bool machine_holds(const char *machine) {
    struct utsname name;
    return uname(&name) == 0 && strcmp(name.machine, machine) == 0;
}

static bool boot_holds(const char *boot) {
    char id[64];
    ssize_t n = read_whole("/proc/sys/kernel/random/boot_id", id, sizeof id);
    if (n < 0) n = 0;
    while (n > 0 && id[n - 1] == '\n') n--;
    return strlen(boot) == (size_t)n && memcmp(boot, id, (size_t)n) == 0;
}

static bool around_holds(const char *expected) {
    char status[8192], found[512] = "";
    struct stat user;
    ssize_t n = read_whole("/proc/self/status", status, sizeof status - 1);
    if (n >= 0 && stat("/proc/self/ns/user", &user) == 0) {
        status[n] = 0;
        snprintf(found, sizeof found, "%llu", (unsigned long long)user.st_ino);
        for (char *line = status, *rest = NULL; (line = strtok_r(line, "\n", &rest)) != NULL; line = NULL) {
            size_t used = strlen(found);
            if (strncmp(line, "Seccomp", 7) == 0) snprintf(found + used, sizeof found - used, " %s", line);
        }
    }
    return strcmp(found, expected) == 0;
}

static bool cwd_holds(const char *expected) {
    char cwd[PATH_MAX];
    return getcwd(cwd, sizeof cwd) != NULL && strcmp(cwd, expected) == 0;
}

static bool leads_to(const char *path, const char *expected) {
    char real[PATH_MAX];
    return realpath(path, real) != NULL && strcmp(real, expected) == 0;
}

static bool is_file(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode);
}

/* Where `name` is found from the current directory upward, while directories belong to the user; "" is nowhere. */
static bool nearest_holds(const char *name, const char *expected) {
    char path[PATH_MAX], candidate[PATH_MAX + NAME_MAX + 2];
    struct stat found;
    if (getcwd(path, sizeof path) == NULL) return *expected == 0; /* somebody removed it: nothing is near */
    while (stat(path, &found) == 0 && found.st_uid == geteuid()) {
        bool top = strcmp(path, "/") == 0;
        snprintf(candidate, sizeof candidate, "%s/%s", top ? "" : path, name);
        if (is_file(candidate)) return strcmp(candidate, expected) == 0;
        if (top) break;
        char *slash = strrchr(path, '/');
        slash[slash == path ? 1 : 0] = 0;
    }
    return *expected == 0;
}

/* The current directory is none of the listed ones, nor below one; "/" stands for itself alone. */
static bool apart_holds(struct plan_list directories) {
    char cwd[PATH_MAX];
    if (getcwd(cwd, sizeof cwd) == NULL) return false;
    for (const char *directory; (directory = list_next(&directories)) != NULL;) {
        size_t length = strlen(directory);
        if (strcmp(cwd, directory) == 0) return false;
        if (length > 1 && strncmp(cwd, directory, length) == 0 && cwd[length] == '/') return false;
    }
    return true;
}

/* The file stays open where it could be locked: this process holds the lock as long as it lives. */
static bool lock_is_free(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (file < 0) return false;
    if (flock(file, LOCK_EX | LOCK_NB) == 0) return true;
    close(file);
    return false;
}

/* NULL when the record holds (or is no input), else what to call it; `*subject` names it further. */
static const char *changed(const struct record *record, char **environment, const char **subject) {
    const union plan_field *field = record->field;
    const char *name;
    enum plan_phase phase;
    *subject = *plan_fields(record->kind, &name, &phase) == 's' ? field[0].s.bytes : "";
    switch (record->kind) {
    case INPUT_VERSION: return strcmp(*subject, WHERRY_VERSION) == 0 ? NULL : "it was made by Wherry";
    case INPUT_FILE: return file_holds(field, 0) ? NULL : "the file has changed:";
    case INPUT_ENTRY: return file_holds(field, AT_SYMLINK_NOFOLLOW) ? NULL : "the file has changed:";
    case INPUT_CONTENT: return content_holds(*subject, field[1].s) ? NULL : "the content has changed of";
    case INPUT_ENV: return variable_holds(field, environment) ? NULL : "the variable has changed:";
    case INPUT_ENVS: return variables_hold(field, environment) ? NULL : "variables have changed that begin with";
    case INPUT_IDENTITY: return identity_holds(field) ? NULL : "your user or group ids have changed";
    case INPUT_NODE: return node_holds(*subject) ? NULL : "it was made on the node";
    case INPUT_BOOT: return boot_holds(*subject) ? NULL : "this machine was started again since boot";
    case INPUT_CWD: return cwd_holds(*subject) ? NULL : "it was made in the directory";
    case INPUT_NEAREST: return nearest_holds(*subject, field[1].s.bytes) ? NULL : "another file is nearest now:";
    case INPUT_LOCAL: return field[1].u == is_file(*subject) ? NULL : "a file came or went in this directory:";
    case INPUT_APART: return apart_holds(field[0].l) ? NULL : "the current directory belongs to the image";
    case INPUT_REAL: return leads_to(*subject, field[1].s.bytes) ? NULL : "it leads elsewhere now:";
    case INPUT_TERMINAL: return field[1].u == (uint64_t)isatty((int)field[0].u) ? NULL : "it was made for other streams";
    case INPUT_MACHINE: return machine_holds(*subject) ? NULL : "it was made for the machine";
    case INPUT_AROUND: return around_holds(*subject) ? NULL : "it was made in the surroundings";
    case INPUT_PROCESSORS: return bounds_processors(field[0].u) ? NULL : "you may use fewer processors now";
    case INPUT_FREE: return lock_is_free(*subject) ? NULL : "somebody else holds";
    default: return NULL;
    }
}

bool inputs_hold(const struct plan *plan, char **environment, char *why, size_t size) {
    for (size_t i = 1; i < plan->count && plan->records[i].phase == PHASE_INPUT; i++) {
        const char *subject, *what = changed(&plan->records[i], environment, &subject);
        if (what == NULL) continue;
        snprintf(why, size, *subject == 0 ? "%s" : "%s '%s'", what, subject);
        return false;
    }
    return true;
}
