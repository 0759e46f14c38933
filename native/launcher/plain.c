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
    bool dead, ours;
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

/* All processes that we see; the caller frees. */
static struct process *look_around(size_t *count) {
    struct process *found = NULL;
    size_t room = 0;
    DIR *folder = opendir("/proc");
    *count = 0;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        if (*count == room) {
            struct process *more = reallocarray(found, room = 2 * room + 256, sizeof *found);
            if (more == NULL) break;
            found = more;
        }
        if (look_at(entry->d_name, &found[*count])) ++*count;
    }
    if (folder != NULL) closedir(folder);
    return found;
}

pid_t plain_child_of(pid_t parent) {
    size_t count;
    pid_t first = 0;
    struct process *all = look_around(&count);
    for (size_t i = 0; i < count; i++)
        if (all[i].parent == parent && !all[i].dead && (first == 0 || all[i].pid < first)) first = all[i].pid;
    free(all);
    return first;
}

/* Marks the descendants of ours, generation by generation. */
static void mark_ours(struct process *all, size_t count) {
    pid_t self = getpid();
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            bool found = all[i].parent == self;
            for (size_t j = 0; j < count && !found && !all[i].ours; j++)
                found = all[j].ours && all[j].pid == all[i].parent;
            if (!found || all[i].ours) continue;
            all[i].ours = more = true;
        }
    }
}

pid_t plain_named(const char *name) {
    size_t count;
    pid_t first = 0;
    struct process *all = look_around(&count);
    mark_ours(all, count);
    for (size_t i = 0; i < count; i++)
        if (all[i].ours && !all[i].dead && strcmp(all[i].name, name) == 0 && (first == 0 || all[i].pid < first))
            first = all[i].pid;
    free(all);
    return first;
}

/* Kills all descendants but one; false when none of them lived. */
static bool kill_others(pid_t spared) {
    size_t count;
    bool any = false;
    struct process *all = look_around(&count);
    mark_ours(all, count);
    for (size_t i = 0; i < count; i++)
        if (all[i].ours && !all[i].dead && all[i].pid != spared) any = kill(all[i].pid, SIGKILL) == 0 || any;
    free(all);
    return any;
}

/* A signal to each of our children; false where there is nobody. */
static bool signal_children(int number) {
    size_t count;
    bool any = false;
    pid_t self = getpid();
    struct process *all = look_around(&count);
    for (size_t i = 0; i < count; i++)
        if (all[i].parent == self) any = kill(all[i].pid, number) == 0 || any;
    free(all);
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
