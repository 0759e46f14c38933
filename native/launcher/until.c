#include "until.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userns.h"

enum { DEEPEST = 1000 };

/* Whose process it is and its parent, of proc_pid_stat(5); 0 when it has gone. */
static pid_t parent_of(pid_t pid, uid_t *owner) {
    char path[40], text[512];
    struct stat found;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
    bool known = file >= 0 && fstat(file, &found) == 0;
    if (file >= 0) close(file);
    if (n <= 0 || !known) return 0;
    text[n] = 0;
    const char *name_end = strrchr(text, ')');
    *owner = found.st_uid;
    return name_end == NULL || strlen(name_end) < 5 ? 0 : (pid_t)strtol(name_end + 4, NULL, 10);
}

struct until until_find(const struct record *record) {
    uid_t owner;
    pid_t found = 0, above = getppid();
    for (int step = 0; above > 1 && step < DEEPEST; step++) {
        pid_t pid = above;
        above = parent_of(pid, &owner);
        if (above == 0) break;
        if (found == 0 || owner == geteuid()) found = pid;
        if (owner != geteuid()) break;
    }
    return (struct until){
        .pid = found,
        .started = found == 0 ? 0 : userns_start_time(found),
        .signal = (int)record->field[0].u,
        .grace = (long long)record->field[1].u * 1000,
    };
}

bool until_over(const struct until *until) {
    return until->pid != 0 && userns_start_time(until->pid) != until->started;
}
