#include "watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct row {
    pid_t pid, parent;
    uint64_t bytes, tasks;
};

/* Where we look: the container's own /proc, in which all processes are its own, or the host's. */
struct place {
    char folder[64];
    bool own;
    pid_t first; /* process 1 as it is numbered there */
};

static bool read_file(const char *folder, const char *pid, const char *name, char *text, size_t room) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/%s", folder, pid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, room - 1);
    if (file >= 0) close(file);
    if (n <= 0) return false;
    text[n] = 0;
    return true;
}

/* The number behind `Name:`, which begins a line; 0 when there is none. */
static uint64_t number_after(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at == NULL || (at != text && at[-1] != '\n') ? 0 : strtoull(at + strlen(name), NULL, 10);
}

/* From /proc/PID/status (proc_pid_status(5)); false when it has gone or is a zombie. */
static bool look_at(const struct place *place, const char *name, struct row *row) {
    char text[8192];
    if (!read_file(place->folder, name, "status", text, sizeof text)) return false;
    const char *state = strstr(text, "\nState:\t");
    if (state == NULL || strchr("ZX", state[8]) != NULL) return false;
    row->pid = (pid_t)strtol(name, NULL, 10);
    row->parent = (pid_t)number_after(text, "PPid:");
    row->tasks = number_after(text, "Threads:");
    row->bytes = (number_after(text, "RssAnon:") + number_after(text, "RssShmem:")) * 1024;
    return true;
}

/* A process's share of what it shares (Linux 5.4 tells it by kind); what it has resident where that is not told. */
static uint64_t share_of(const struct place *place, const struct row *row) {
    char name[16], text[2048];
    snprintf(name, sizeof name, "%d", (int)row->pid);
    if (!read_file(place->folder, name, "smaps_rollup", text, sizeof text)) return row->bytes;
    if (strstr(text, "Pss_Anon:") == NULL) return row->bytes;
    return (number_after(text, "Pss_Anon:") + number_after(text, "Pss_Shmem:")) * 1024;
}

static int by_pid(const void *one, const void *other) {
    pid_t a = ((const struct row *)one)->pid, b = ((const struct row *)other)->pid;
    return (a > b) - (a < b);
}

/* All processes there, sorted by number; the caller frees. */
static struct row *look_around(const struct place *place, size_t *count) {
    struct row *found = NULL;
    size_t room = 0;
    DIR *folder = opendir(place->folder);
    *count = 0;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        if (*count == room) {
            struct row *more = reallocarray(found, room = 2 * room + 64, sizeof *found);
            if (more == NULL) break;
            found = more;
        }
        if (look_at(place, entry->d_name, &found[*count])) ++*count;
    }
    if (folder != NULL) closedir(folder);
    if (found != NULL) qsort(found, *count, sizeof *found, by_pid);
    return found;
}

static bool comes_from(const struct row *rows, size_t count, const struct row *row, pid_t first) {
    for (size_t steps = 0; row != NULL && steps < count; steps++) {
        if (row->parent == first) return true;
        struct row wanted = {.pid = row->parent};
        row = bsearch(&wanted, rows, count, sizeof *rows, by_pid);
    }
    return false;
}

/* In the container's own /proc its process 1 has that number, and we have none; where the host's is shown instead, or
   nothing, we go by who came from whom. */
static struct place choose_place(pid_t first) {
    char path[80], text[64];
    struct place place = {.own = true, .first = 1};
    snprintf(place.folder, sizeof place.folder, "/proc/%d/root/proc", (int)first);
    snprintf(path, sizeof path, "%s/self", place.folder);
    bool host = readlink(path, text, sizeof text) >= 0;
    snprintf(path, sizeof path, "%s/1/stat", place.folder);
    if (!host && access(path, R_OK) == 0) return place;
    return (struct place){.folder = "/proc", .first = first};
}

bool watch_look(pid_t first, bool precise, struct watch_use *use) {
    size_t count;
    struct place place = choose_place(first);
    struct row *rows = look_around(&place, &count), wanted = {.pid = place.first};
    *use = (struct watch_use){0};
    bool lives = rows != NULL && bsearch(&wanted, rows, count, sizeof *rows, by_pid) != NULL;
    for (size_t i = 0; lives && i < count; i++) {
        if (rows[i].pid == place.first) continue;
        if (!place.own && !comes_from(rows, count, &rows[i], place.first)) continue;
        use->bytes += precise ? share_of(&place, &rows[i]) : rows[i].bytes;
        use->tasks += rows[i].tasks;
        use->processes++;
    }
    free(rows);
    return lives;
}
