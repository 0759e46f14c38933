#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STEP_ASIDE = 1, ROUNDS = 100 };

static int write_text(const char *folder, const char *name, const char *text) {
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) return errno = ENAMETOOLONG, -1;
    int file = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0) return -1;
    ssize_t written = write(file, text, strlen(text));
    int error = errno;
    close(file);
    return written < 0 ? (errno = error, -1) : 0;
}

/* The beginning of a small file as text; empty when there is none. */
static void read_text(const char *folder, const char *name, char *text, size_t room) {
    char path[PATH_MAX];
    text[0] = 0;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) return;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0) return;
    ssize_t n = read(file, text, room - 1);
    close(file);
    text[n < 0 ? 0 : n] = 0;
}

/* A number alone in its file; 0 when it is none ("max"). */
static uint64_t read_number(const char *folder, const char *name) {
    char text[32];
    read_text(folder, name, text, sizeof text);
    return strtoull(text, NULL, 10);
}

/* The number behind a word at the beginning of a line. */
static uint64_t number_of(const char *text, const char *word) {
    size_t length = strlen(word);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, length) == 0 && line[length] == ' ') return strtoull(line + length, NULL, 10);
    }
    return 0;
}

/* The launcher's own group below the root of the tree; NULL when the kernel does not show it. */
static char *own_folder(const char *root) {
    char text[PATH_MAX], *folder;
    read_text("/proc/self", "cgroup", text, sizeof text);
    char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (line == NULL) return errno = ENOENT, NULL;
    line = strchr(line, '/');
    if (line == NULL) return errno = ENOENT, NULL;
    line[strcspn(line, "\n")] = 0;
    return asprintf(&folder, "%s%s", root, strcmp(line, "/") == 0 ? "" : line) < 0 ? NULL : folder;
}

static int make_folder(const char *path) { return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -1; }

/* Lets children of `parent` have the controllers that these files (NAME=value) belong to. */
static int enable(const char *parent, struct plan_list files) {
    char there[512], name[32], wanted[40];
    read_text(parent, "cgroup.subtree_control", there, sizeof there);
    for (const char *text; (text = list_next(&files)) != NULL;) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(text, ".="), text);
        const char *found = strstr(there, name);
        if (found != NULL && strchr(" \n", found[strlen(name)]) != NULL) continue;
        snprintf(wanted, sizeof wanted, "+%s", name);
        if (write_text(parent, "cgroup.subtree_control", wanted) != 0) return -1;
    }
    return 0;
}

/* Writes NAME=value texts into the files of that name. */
static int write_all(const char *folder, struct plan_list files, bool must) {
    for (const char *text; (text = list_next(&files)) != NULL;) {
        char name[64];
        size_t length = strcspn(text, "=");
        if (length >= sizeof name || text[length] == 0) return errno = EINVAL, -1;
        snprintf(name, sizeof name, "%.*s", (int)length, text);
        if (write_text(folder, name, text + length + 1) != 0 && must) return -1;
    }
    return 0;
}

int cgroup_make(const struct start *start, const struct record *record, struct cgroup *cgroup,
                struct failure *failure) {
    const char *root = record->field[0].s.bytes, *given = record->field[1].s.bytes;
    char *own = own_folder(root), *folder, *aside;
    if (own == NULL) return failure_set(failure, STEP_CGROUP, errno, root);
    const char *parent = *given != 0 ? given : own;
    if (asprintf(&folder, "%s/wherry-%.*s", parent, SLOT_SHORT_DIGITS, start->slots.id) < 0 ||
        asprintf(&aside, "%s/wherry-launcher", parent) < 0)
        return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    cgroup->home = own;
    if ((record->field[2].u & STEP_ASIDE) != 0) { /* a group that limits its children must hold no process itself */
        if (make_folder(aside) != 0 || write_text(aside, "cgroup.procs", "0") != 0)
            return failure_set(failure, STEP_CGROUP, errno, aside);
        cgroup->home = aside;
    }
    if (enable(parent, record->field[3].l) != 0) return failure_set(failure, STEP_CGROUP, errno, parent);
    if (make_folder(folder) != 0) return failure_set(failure, STEP_CGROUP, errno, folder);
    cgroup->folder = folder;
    if (write_all(folder, record->field[3].l, true) != 0 || write_all(folder, record->field[4].l, false) != 0)
        return failure_set(failure, STEP_CGROUP, errno, folder);
    return 0;
}

int cgroup_join(const struct start *start, const struct record *record, struct cgroup *cgroup,
                struct failure *failure) {
    cgroup->home = own_folder(record->field[0].s.bytes);
    if (cgroup->home == NULL) return failure_set(failure, STEP_CGROUP, errno, record->field[0].s.bytes);
    cgroup->folder = start_text(start, record, 1, failure);
    cgroup->joined = true;
    return cgroup->folder == NULL ? -1 : 0;
}

int cgroup_enter(const struct cgroup *cgroup, struct failure *failure) {
    if (cgroup->folder == NULL || write_text(cgroup->folder, "cgroup.procs", "0") == 0) return 0;
    return failure_set(failure, cgroup->joined ? STEP_MEMBER : STEP_CGROUP, errno, cgroup->folder);
}

int cgroup_leave(const struct cgroup *cgroup, struct failure *failure) {
    if (cgroup->folder == NULL || write_text(cgroup->home, "cgroup.procs", "0") == 0) return 0;
    return failure_set(failure, STEP_CGROUP, errno, cgroup->home);
}

/* cgroup.kill came with 5.14: before it, one by one. */
static void kill_all(const char *folder) {
    char pids[4096], *next = pids;
    if (write_text(folder, "cgroup.kill", "1") == 0) return;
    read_text(folder, "cgroup.procs", pids, sizeof pids);
    for (long pid; (pid = strtol(next, &next, 10)) > 0;)
        if (pid != getpid()) kill((pid_t)pid, SIGKILL);
}

/* A group whose processes were just killed is busy for a moment more. */
static void remove_folder(const char *folder) {
    const struct timespec moment = {.tv_nsec = 2000000};
    for (int round = 0; round < ROUNDS && rmdir(folder) != 0 && errno == EBUSY; round++) {
        kill_all(folder);
        nanosleep(&moment, NULL);
    }
}

/* A number of processes without process 1, which is ours. */
static uint64_t others_of(uint64_t number) { return number == 0 ? 0 : number - 1; }

struct cgroup_use cgroup_end(const struct cgroup *cgroup) {
    struct cgroup_use use = {0};
    char events[512];
    if (cgroup->folder == NULL || cgroup->joined) return use;
    kill_all(cgroup->folder);
    use.memory_limit = read_number(cgroup->folder, "memory.max");
    use.memory = read_number(cgroup->folder, "memory.peak");
    use.task_limit = others_of(read_number(cgroup->folder, "pids.max"));
    use.tasks = others_of(read_number(cgroup->folder, "pids.peak"));
    if (use.tasks == 0) use.tasks = use.task_limit; /* pids.peak came with 6.1 */
    read_text(cgroup->folder, "memory.events", events, sizeof events);
    use.memory_reached = number_of(events, "oom_kill") > 0;
    read_text(cgroup->folder, "pids.events", events, sizeof events);
    use.tasks_reached = number_of(events, "max") > 0;
    remove_folder(cgroup->folder);
    return use;
}
