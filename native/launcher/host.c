#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "copy.h"
#include "descriptors.h"
#include "files.h"
#include "handover.h"
#include "idmap.h"
#include "mounts.h"
#include "packed.h"
#include "spare.h"
#include "supervise.h"
#include "userns.h"

enum { HOUR = 3600, DAY = 24 * HOUR };

/* The width of the RUNNING file's first line, so that it can be completed in place. */
#define RUNNING_LINE "%10d %20llu %10d %20llu\n"

static int host_id(struct start *start, const struct record *record, struct failure *failure) {
    const char *given = record->field[0].s.bytes;
    unsigned char random[SLOT_ID_DIGITS / 2];
    if (*given != 0) {
        if (strlen(given) != SLOT_ID_DIGITS) return failure_set(failure, STEP_ID, EINVAL, given);
        strcpy(start->slots.id, given);
        return 0;
    }
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return failure_set(failure, STEP_ID, errno, "");
    for (size_t i = 0; i < sizeof random; i++) snprintf(start->slots.id + 2 * i, 3, "%02x", random[i]);
    return 0;
}

static const char *join_path(const char *folder, const char *name) {
    char *path = malloc(strlen(folder) + strlen(name) + 2);
    if (path != NULL) sprintf(path, "%s/%s", folder, name);
    return path;
}

/* Start lines are made once: the RUNNING file and the record have the same, with their own fragment. */
static void make_start_line(const struct start *start, struct host *host, const char *fragment) {
    if (host->start_line.length == 0)
        record_start_line(start, start->slots.cwd == NULL ? "" : start->slots.cwd, fragment, &host->began,
                          &host->start_line);
}

static int host_running(const struct start *start, const struct record *record, struct host *host,
                        struct failure *failure) {
    char head[80];
    const char *folder = start_text(start, record, 0, failure);
    if (folder == NULL) return -1;
    const char *path = join_path(folder, start->slots.id);
    if (path == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    host->running = open(path, flags, 0600);
    if (host->running < 0 && errno == ENOENT && files_make_folders(folder, 0700) == 0)
        host->running = open(path, flags, 0600);
    if (host->running < 0) return failure_set(failure, STEP_RUNNING, errno, path);
    host->running_path = path;
    make_start_line(start, host, record->field[1].s.bytes);
    host->own_start = userns_start_time(getpid());
    int length = snprintf(head, sizeof head, RUNNING_LINE, 0, 0ULL, getpid(), host->own_start);
    const struct buffer *line = &host->start_line;
    const struct iovec parts[] = {{head, (size_t)length}, {line->bytes, line->length}};
    bool written = !line->failed && flock(host->running, LOCK_EX | LOCK_NB) == 0 &&
                   writev(host->running, parts, 2) == (ssize_t)line->length + length;
    return written ? 0 : failure_set(failure, STEP_RUNNING, errno, path);
}

/* 0 when fresh, 1 when stale. */
static int host_lease(const struct record *record, struct host *host) {
    struct stat found;
    host->lease = record->field[0].s.bytes;
    if (stat(host->lease, &found) != 0 || host->began.tv_sec - found.st_mtime >= DAY) return 1;
    if (host->began.tv_sec - found.st_mtime >= HOUR) host_renew_lease(host);
    return 0;
}

void host_renew_lease(const struct host *host) {
    if (host->lease != NULL)
        utimensat(AT_FDCWD, host->lease, NULL, 0); /* a lease that cannot be renewed ends in a day */
}

static bool is_own_folder(const char *path) {
    struct stat found;
    return lstat(path, &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid();
}

static int host_scratch(struct start *start, const struct record *record, struct host *host, struct failure *failure) {
    char **parents = start_list(start, record->field[0].l, failure);
    bool keep = record->field[1].u == 1;
    if (parents == NULL) return -1;
    failure_set(failure, STEP_SCRATCH, ENOENT, "");
    for (char **parent = parents; *parent != NULL; parent++) {
        const char *path = join_path(*parent, start->slots.id);
        if (path == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
        host->used_again = !keep && spare_take(start->plan, *parent, path);
        if (!host->used_again && !keep) spare_spread(*parent);
        bool made = host->used_again || mkdir(path, 0700) == 0;
        /* A clean-up of temporary folders may have taken the parent since the plan was made. */
        if (!made && errno == ENOENT) {
            made = mkdir(*parent, 0700) == 0 && mkdir(path, 0700) == 0;
            if (!made) errno = ENOENT;
        }
        if (!made && !(keep && errno == EEXIST && is_own_folder(path))) {
            failure_set(failure, STEP_SCRATCH, errno, *parent);
            continue;
        }
        start->slots.scratch = path;
        if (!keep) host->scratch = path;
        return 0;
    }
    return -1;
}

static int host_cidfile(const struct start *start, const struct record *record, struct host *host,
                        struct failure *failure) {
    const char *path = start_text(start, record, 0, failure);
    if (path == NULL) return -1;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666 & ~start->caller_umask);
    if (file < 0) return failure_set(failure, STEP_CIDFILE, errno, path);
    host->cid_file = path;
    ssize_t written = write(file, start->slots.id, SLOT_ID_DIGITS);
    int error = errno;
    close(file);
    if (written == SLOT_ID_DIGITS) return 0;
    return failure_set(failure, STEP_CIDFILE, written < 0 ? error : ENOSPC, path);
}

static int host_folder(const struct start *start, const struct record *record, struct failure *failure) {
    const char *path = slots_fill_all(&start->slots, record->field[0].s.bytes);
    if (path == NULL) return failure_set(failure, STEP_SLOT, errno, "a directory");
    return files_make_folders(path, (mode_t)record->field[1].u) == 0 ? 0
                                                                     : failure_set(failure, STEP_MKDIR, errno, path);
}

/* The RECORD operation only remembers: the line is written while the container starts. */
static int host_record(const struct start *start, const struct record *record, struct host *host,
                       struct failure *failure) {
    host->record_folder = start_text(start, record, 0, failure);
    make_start_line(start, host, record->field[1].s.bytes);
    return host->record_folder == NULL ? -1 : 0;
}

static int host_handover(struct start *start, const struct record *record, struct failure *failure) {
    start->handover = slots_fill_all(&start->slots, record->field[0].s.bytes);
    return start->handover != NULL ? 0 : failure_set(failure, STEP_SLOT, errno, "the command's files");
}

/* Where nobody listens the command goes on all the same. */
static int host_say(const struct start *start, const struct record *record) {
    const char *program = start->command[0] == NULL ? "" : start->command[0], *slash = strrchr(program, '/');
    dprintf(STDOUT_FILENO, "%s%s\n", record->field[0].s.bytes, slash == NULL ? program : slash + 1);
    return 0;
}

/* Process 1, and with it all, is killed when we are. */
static int host_parent(const struct record *record) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != (pid_t)record->field[0].u) raise(SIGKILL); /* it was sooner */
    return 0;
}

static int host_operation(struct start *start, const struct record *record, struct host *host,
                          struct failure *failure) {
    switch (record->kind) {
    case OP_MOUNTED: return packed_use(start, record, failure);
    case OP_ID: return host_id(start, record, failure);
    case OP_RUNNING: return host_running(start, record, host, failure);
    case OP_LEASE: return host_lease(record, host);
    case OP_RECORD: return host_record(start, record, host, failure);
    case OP_SCRATCH: return host_scratch(start, record, host, failure);
    case OP_MKDIR: return host_folder(start, record, failure);
    case OP_CIDFILE: return host_cidfile(start, record, host, failure);
    case OP_EXITFILE:
        if ((host->exit_file = start_text(start, record, 0, failure)) == NULL) return -1;
        unlink(host->exit_file); /* how it ended before: it runs now */
        return 0;
    case OP_LOG: return (host->log = start_text(start, record, 0, failure)) == NULL ? -1 : 0;
    case OP_FDS: return descriptors_check(record, failure);
    case OP_NAMESPACE: start->namespace = record; return 0;
    case OP_JOIN: start->join = record; return 0;
    case OP_PLAIN: start->plain = record; return 0;
    case OP_INSIDE: start->inside = record; return 0;
    case OP_HANDOVER: return host_handover(start, record, failure);
    case OP_WRITE: return handover_write_text(start, record, failure);
    case OP_POINT: return handover_point(start, record, failure);
    case OP_LINK: return handover_link(start, record, failure);
    case OP_FOLLOW: return (start->follow = start_text(start, record, 0, failure)) == NULL ? -1 : 0;
    case OP_SUPERVISE: return supervise_start(start, record, failure);
    case OP_CGROUP: return cgroup_make(start, record, &host->bounds.cgroup, failure);
    case OP_MEMBER: return cgroup_join(start, record, &host->bounds.cgroup, failure);
    case OP_PARENT: return host_parent(record);
    case OP_SAY: return host_say(start, record);
    case OP_WATCH: bounds_watch(&host->bounds, record); return 0;
    case OP_UNTIL: host->until = until_find(record); return 0;
    case OP_SOURCES: return copy_check_sources(start, record, failure);
    case OP_COPY: return copy_private(start, record, failure);
    default: return 0;
    }
}

static enum host_answer prepare(struct start *start, struct host *host, struct failure *failure) {
    for (size_t i = 0; i < start->plan->count; i++) {
        const struct record *record = &start->plan->records[i];
        if (record->phase != PHASE_HOST) continue;
        int answer = host_operation(start, record, host, failure);
        if (answer == 0) continue;
        if (answer < 0) return HOST_FAILED;
        if (record->kind == OP_LEASE) failure_set(failure, STEP_LEASE, 0, host->lease);
        return HOST_STALE;
    }
    if ((start->namespace != NULL) + (start->join != NULL) + (start->plain != NULL) != 1)
        return failure_set(failure, STEP_PLAN_SENSE, 0, "it must have one of NAMESPACE, JOIN, PLAIN"), HOST_FAILED;
    return mounts_look_at_sources(start, failure) == 0 ? HOST_READY : HOST_FAILED;
}

enum host_answer host_prepare(struct start *start, struct host *host, struct failure *failure) {
    clock_gettime(CLOCK_REALTIME, &host->began);
    enum host_answer answer = prepare(start, host, failure);
    if (answer != HOST_READY && host->cid_file != NULL) unlink(host->cid_file);
    return answer;
}

void host_started(const struct start *start, struct host *host, pid_t init) {
    char head[80];
    if (host->running >= 0) {
        int length = snprintf(head, sizeof head, RUNNING_LINE, init, userns_start_time(init), getpid(), host->own_start);
        if (pwrite(host->running, head, (size_t)length, 0) != length)
            failure_set(&host->warning, STEP_RUNNING, errno, host->running_path);
    }
    if (host->record_folder != NULL)
        host->recorded = record_append(host->record_folder, &host->began, &host->start_line, &host->warning) == 0;
    if (host->used_again) spare_clear(start->plan, host->scratch);
}

static void write_exit_file(struct host *host, const struct timespec *now, int status, int signal) {
    char time[RECORD_TIME_SIZE], text[160];
    record_time(now, 3, time);
    const char *limit = bounds_name(&host->bounds);
    int length = snprintf(text, sizeof text, "{\"exit\":%d,\"signal\":%d,\"time\":\"%s\"%s%s%s}\n", status, signal, time,
                          *limit == 0 ? "" : ",\"limit\":\"", limit, *limit == 0 ? "" : "\"");
    if (files_replace(host->exit_file, text, (size_t)length) != 0)
        failure_set(&host->warning, STEP_EXITFILE, errno, host->exit_file);
}

static void leave_scratch(const struct start *start, struct host *host) {
    bool mapped = plan_find(start->plan, OP_IDMAP) != NULL;
    if (spare_give(start->plan, host->scratch)) return;
    if (files_remove_tree(host->scratch) == 0) return;
    if (!mapped || idmap_remove_tree(start, host->scratch) != 0) failure_set(&host->warning, STEP_REMOVE, errno, host->scratch);
}

void host_finish(const struct start *start, struct host *host, int status, int signal, const struct rusage *usage) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (host->recorded) {
        struct buffer line = {0};
        record_end_line(start->slots.id, &host->began, &now, status, signal, usage, &host->bounds, &line);
        record_append(host->record_folder, &now, &line, &host->warning);
        buffer_free(&line);
    }
    if (host->exit_file != NULL) write_exit_file(host, &now, status, signal);
    if (host->scratch != NULL) leave_scratch(start, host);
    if (host->running >= 0) unlink(host->running_path);
    buffer_free(&host->start_line);
}
