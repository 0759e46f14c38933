#include "plain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <dirent.h>
#include <unistd.h>

int plain_adopt(struct failure *failure) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : failure_set(failure, STEP_NAMESPACE, errno, "");
}

/* The parent of a process, from /proc/PID/stat (proc(5): field 4); 0 when it cannot be told. */
static long parent_of(const char *pid) {
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    if (n <= 0) return 0;
    text[n] = 0;
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || strlen(name_end) < 4 ? 0 : strtol(name_end + 4, NULL, 10);
}

/* A signal to each of our children; false where there is nobody. */
static bool signal_children(int number) {
    bool any = false;
    long self = getpid();
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes != NULL && (entry = readdir(processes)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || parent_of(entry->d_name) != self) continue;
        any = kill((pid_t)strtol(entry->d_name, NULL, 10), number) == 0 || any;
    }
    if (processes != NULL) closedir(processes);
    return any;
}

void plain_kill_all(void) {
    /* Killing a child makes its children ours, so each round goes one generation down. */
    for (;;) {
        pid_t ended;
        while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) continue;
        if (ended < 0 && errno == ECHILD) return;
        if (signal_children(SIGKILL) && waitpid(-1, NULL, 0) < 0 && errno == ECHILD) return;
    }
}
