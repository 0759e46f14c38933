#include "plain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"

enum { ROUNDS = 100 };

struct process {
    pid_t pid, parent;
    bool dead;
    char name[16];
};

int plain_adopt(struct failure *failure) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : failure_set(failure, STEP_NAMESPACE, errno, "");
}

/* From /proc/PID/stat (proc_pid_stat(5), fields 3 and 4); false when it has gone. */
static bool look_at(const char *name, struct process *process) {
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    if (n <= 0) return false;
    text[n] = 0;
    const char *name_end = strrchr(text, ')');
    if (name_end == NULL || strchr(text, '(') == NULL || strlen(name_end) < 5) return false;
    *process = (struct process){.pid = (pid_t)strtol(name, NULL, 10), .dead = strchr("ZX", name_end[2]) != NULL};
    process->parent = (pid_t)strtol(name_end + 4, NULL, 10);
    const char *name_begin = strchr(text, '(');
    snprintf(process->name, sizeof process->name, "%.*s", (int)(name_end - name_begin - 1), name_begin + 1);
    return true;
}

/* Processes that were looked at. */
struct processes {
    struct process *all;
    size_t count, room;
};

static void add(struct processes *found, const char *name) {
    if (found->count == found->room) {
        size_t room = 2 * found->room + 64;
        struct process *more = reallocarray(found->all, room, sizeof *more);
        if (more == NULL) return;
        found->all = more;
        found->room = room;
    }
    if (look_at(name, &found->all[found->count])) found->count++;
}

/* The children of one thread, from proc_pid_task_children(5). False where this kernel has no such file. One that ends while
   we read may hide another: who must find all asks until there is none. */
static bool add_children_of(struct processes *found, const char *process, const char *thread) {
    char path[64], text[4096];
    size_t used = 0;
    ssize_t n;
    snprintf(path, sizeof path, "/proc/%.20s/task/%.20s/children", process, thread);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    while ((n = read(file, text + used, sizeof text - 1 - used)) > 0) {
        text[used += (size_t)n] = 0;
        char *at = text;
        for (char *end; (end = strchr(at, ' ')) != NULL; at = end + 1) *end = 0, add(found, at);
        memmove(text, at, used -= (size_t)(at - text));
    }
    close(file);
    return true;
}

static bool add_children(struct processes *found, pid_t parent) {
    char name[24], path[64];
    bool any = false;
    snprintf(name, sizeof name, "%d", (int)parent);
    if (parent == getpid()) return add_children_of(found, name, name); /* we have one thread */
    snprintf(path, sizeof path, "/proc/%s/task", name);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') any = add_children_of(found, name, entry->d_name) || any;
    if (folder != NULL) closedir(folder);
    return any;
}

/* All processes that we see, where the kernel does not tell children: each costs what a system call costs, and a login
   node has thousands. */
static void add_all(struct processes *found) {
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') add(found, entry->d_name);
    if (folder != NULL) closedir(folder);
}

/* Those whose parent is `parent`; the caller frees. */
static struct processes look_at_children(pid_t parent) {
    struct processes found = {0};
    if (add_children(&found, parent)) return found;
    add_all(&found);
    size_t kept = 0;
    for (size_t i = 0; i < found.count; i++)
        if (found.all[i].parent == parent) found.all[kept++] = found.all[i];
    found.count = kept;
    return found;
}

pid_t plain_child_of(pid_t parent) {
    pid_t first = 0;
    struct processes found = look_at_children(parent);
    for (size_t i = 0; i < found.count; i++)
        if (!found.all[i].dead && (first == 0 || found.all[i].pid < first)) first = found.all[i].pid;
    free(found.all);
    return first;
}

/* Of all processes our descendants, generation by generation. */
static void keep_ours(struct processes *found) {
    pid_t self = getpid();
    size_t kept = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = kept; i < found->count; i++) {
            bool ours = found->all[i].parent == self;
            for (size_t j = 0; j < kept && !ours; j++) ours = found->all[j].pid == found->all[i].parent;
            if (!ours) continue;
            struct process one = found->all[i];
            found->all[i] = found->all[kept];
            found->all[kept++] = one;
            more = true;
        }
    }
    found->count = kept;
}

/* Our descendants; the caller frees. */
static struct processes look_at_ours(void) {
    struct processes found = {0};
    if (!add_children(&found, getpid())) {
        add_all(&found);
        keep_ours(&found);
        return found;
    }
    for (size_t i = 0; i < found.count; i++) add_children(&found, found.all[i].pid);
    return found;
}

pid_t plain_named(const char *name) {
    pid_t first = 0;
    struct processes found = look_at_ours();
    for (size_t i = 0; i < found.count; i++)
        if (!found.all[i].dead && strcmp(found.all[i].name, name) == 0 && (first == 0 || found.all[i].pid < first))
            first = found.all[i].pid;
    free(found.all);
    return first;
}

/* Kills all descendants but one; false when none of them lived. */
static bool kill_others(pid_t spared) {
    bool any = false;
    struct processes found = look_at_ours();
    for (size_t i = 0; i < found.count; i++)
        if (!found.all[i].dead && found.all[i].pid != spared) any = kill(found.all[i].pid, SIGKILL) == 0 || any;
    free(found.all);
    return any;
}

/* A signal to each of our children; false where there is nobody. */
static bool signal_children(int number) {
    bool any = false;
    struct processes found = look_at_children(getpid());
    for (size_t i = 0; i < found.count; i++) any = kill(found.all[i].pid, number) == 0 || any;
    free(found.all);
    return any;
}

static bool is_running(pid_t child) {
    siginfo_t info = {0};
    return child > 0 && waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

void plain_kill_all(pid_t wrapper) {
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int round = 0; round < ROUNDS && is_running(wrapper) && kill_others(wrapper); round++)
        nanosleep(&moment, NULL); /* until the wrapper has seen them end */
    /* Killing a child makes its children ours, so each round goes one generation down. */
    for (;;) {
        pid_t ended;
        while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) continue;
        if (ended < 0 && errno == ECHILD) return;
        if (signal_children(SIGKILL) && waitpid(-1, NULL, 0) < 0 && errno == ECHILD) return;
    }
}

int plain_follow(const char *running, struct failure *failure) {
    pid_t first = getpid();
    int file = open(running, O_RDONLY | O_CLOEXEC);
    if (file < 0) return failure_set(failure, STEP_FOLLOW, errno, running);
    pid_t watcher = fork();
    if (watcher < 0) return failure_set(failure, STEP_FORK, errno, "");
    if (watcher == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == first && dup2(file, 0) == 0 && kernel_close_range(1, ~0U, 0) == 0) flock(0, LOCK_SH);
        kill(first, PLAIN_ORPHANED); /* its launcher's lock went */
        _exit(0);
    }
    return close(file);
}
