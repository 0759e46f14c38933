#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binds.h"
#include "confine.h"
#include "kernel.h"
#include "overlay.h"
#include "supervise.h"
#include "packed.h"
#include "root.h"
#include "targets.h"

/* One function for each kind: does it, or fills in the failure and returns -1. */

static int set_hostname(const struct start *start, const struct record *record, struct failure *failure) {
    const char *name = start_text(start, record, 0, failure);
    if (name == NULL) return -1;
    return sethostname(name, strlen(name)) == 0 ? 0 : failure_set(failure, STEP_HOSTNAME, errno, name);
}

/* Runs a FUSE program of the host; it has mounted when it exits with 0, and its daemon stays as our child. */
static int mount_fuse(const struct start *start, const struct record *record, struct failure *failure) {
    char why[64];
    int status = 0;
    char **argv = start_list(start, record->field[0].l, failure);
    if (argv == NULL || argv[0] == NULL) return -1;
    for (char **argument = argv; *argument != NULL; argument++)
        if ((*argument = (char *)slots_fill_all(&start->slots, *argument)) == NULL)
            return failure_set(failure, STEP_SLOT, errno, argv[0]);
    pid_t child = fork();
    if (child == 0) {
        confine_pass_on_capabilities();
        sigprocmask(SIG_SETMASK, &start->caller_mask, NULL);
        execvpe(argv[0], argv, start->environment);
        _exit(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE);
    }
    if (child < 0) return failure_set(failure, STEP_FUSE, errno, argv[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (status == 0) return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NOT_FOUND)
        return failure_set(failure, STEP_FUSE, ENOENT, argv[0]);
    snprintf(why, sizeof why, WIFEXITED(status) ? "it ended with status %d" : "it was killed by signal %d",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return failure_detail(failure, STEP_FUSE, ECHILD, argv[0], why);
}

static int mount_new(const struct start *start, const struct record *record, struct failure *failure) {
    const char *type = record->field[0].s.bytes, *source = start_text(start, record, 1, failure);
    const char *data = start_text(start, record, 3, failure), *target = start_text(start, record, 4, failure);
    unsigned long flags = (unsigned long)record->field[2].u;
    if (source == NULL || data == NULL || target == NULL) return -1;
    if (mount(source, target, type, flags, data) == 0) return 0;
    if (errno != ENOENT) return failure_set(failure, STEP_MOUNT, errno, target);
    if (target_make(target, true) != 0) return failure_set(failure, STEP_TARGET, errno, target);
    return mount(source, target, type, flags, data) == 0 ? 0 : failure_set(failure, STEP_MOUNT, errno, target);
}

static int make_link(const struct start *start, const struct record *record, struct failure *failure) {
    const char *content = start_text(start, record, 0, failure), *target = start_text(start, record, 1, failure);
    if (content == NULL || target == NULL) return -1;
    if (symlink(content, target) == 0 || errno == EEXIST) return 0;
    if (errno == ENOENT && target_make_parents(target) == 0 && symlink(content, target) == 0) return 0;
    return failure_set(failure, STEP_SYMLINK, errno, target);
}

static int make_folder(const struct start *start, const struct record *record, struct failure *failure) {
    mode_t mode = (mode_t)record->field[1].u;
    const char *target = start_text(start, record, 0, failure);
    if (target == NULL) return -1;
    if (mkdir(target, mode) == 0 || errno == EEXIST) return 0;
    if (errno == ENOENT && target_make_parents(target) == 0 && (mkdir(target, mode) == 0 || errno == EEXIST)) return 0;
    return failure_set(failure, STEP_DIRECTORY, errno, target);
}

static int give(const struct start *start, const struct record *record, struct failure *failure) {
    const char *target = start_text(start, record, 0, failure);
    if (target == NULL) return -1;
    int answer = start->supervisor_process > 0
                     ? supervise_own(target, record->field[1].u, record->field[2].u)
                     : lchown(target, (uid_t)record->field[1].u, (gid_t)record->field[2].u);
    return answer == 0 ? 0 : failure_set(failure, STEP_OWNER, errno, target);
}

static int mask(struct binds *binds, size_t index, struct failure *failure) {
    struct stat found;
    int answer;
    const char *target = start_text(binds->start, &binds->start->plan->records[index], 0, failure);
    if (target == NULL) return -1;
    if (stat(target, &found) != 0)
        answer = errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    else if (S_ISDIR(found.st_mode))
        answer = mount("tmpfs", target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,nr_inodes=1");
    else
        answer = binds_null(binds, index, target);
    return answer == 0 ? 0 : failure_set(failure, STEP_MASK, errno, target);
}

static int make_read_only(const struct start *start, const struct record *record, struct failure *failure) {
    const char *target = start_text(start, record, 0, failure);
    if (target == NULL) return -1;
    struct kernel_mount_attr attributes = {.set = ATTRIBUTE_READ_ONLY};
    if (kernel_mount_setattr(AT_FDCWD, target, 0, &attributes) == 0) return 0;
    if (kernel_lacks_it() && binds_remount(target, BIND_READ_ONLY) == 0) return 0;
    return failure_set(failure, STEP_READONLY, errno, target);
}

static int loopback_up(struct failure *failure) {
    struct ifreq request = {.ifr_name = "lo"};
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int answer = s < 0 ? -1 : ioctl(s, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP;
    if (answer == 0) answer = ioctl(s, SIOCSIFFLAGS, &request);
    if (answer != 0) failure_set(failure, STEP_LOOPBACK, errno, "");
    if (s >= 0) close(s);
    return answer;
}

static int apply(struct binds *binds, size_t index, struct failure *failure) {
    const struct start *start = binds->start;
    const struct record *record = &start->plan->records[index];
    switch (record->kind) {
    case OP_HOSTNAME: return set_hostname(start, record, failure);
    case OP_OVERLAY: return overlay_mount(start, record, failure);
    case OP_FUSE: return mount_fuse(start, record, failure);
    case OP_TREE: return binds_tree(binds, record, failure);
    case OP_ROOT: {
        const char *mount_point = start_text(start, record, 0, failure);
        return mount_point == NULL ? -1 : root_enter(binds, mount_point, failure);
    }
    case OP_MOUNT: return mount_new(start, record, failure);
    case OP_BIND: return binds_bind(binds, index, failure);
    case OP_SYMLINK: return make_link(start, record, failure);
    case OP_DIRECTORY: return make_folder(start, record, failure);
    case OP_OWNER: return give(start, record, failure);
    case OP_MASK: return mask(binds, index, failure);
    case OP_READONLY: return make_read_only(start, record, failure);
    case OP_LOOPBACK: return loopback_up(failure);
    default: return 0;
    }
}

/* A mount point that cannot be made: in what it lies, as the user named it. */
static void tell_where(const struct start *start, size_t index, struct failure *failure) {
    struct failure ignored;
    if (failure->step != STEP_TARGET || failure->error != EROFS) return;
    snprintf(failure->detail, sizeof failure->detail, "the image");
    for (size_t i = 0; i < index; i++) {
        const struct record *record = &start->plan->records[i];
        if (record->kind != OP_BIND) continue;
        const char *around = start_text(start, record, 1, &ignored);
        size_t length = around == NULL ? 0 : strlen(around);
        if (length > 0 && strncmp(failure->path, around, length) == 0 && failure->path[length] == '/')
            snprintf(failure->detail, sizeof failure->detail, "what is bound at '%.200s'", around);
    }
}

int mounts_apply(const struct start *start, struct failure *failure) {
    struct binds binds;
    /* Nothing that we mount may be seen outside, and nothing outside goes away because we unmount it. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) return failure_set(failure, STEP_PROPAGATION, errno, "");
    if (packed_attach(start, failure) != 0) return -1;
    if (binds_open(&binds, start, failure) != 0) return -1;
    for (size_t i = 0; i < start->plan->count; i++)
        if (start->plan->records[i].phase == PHASE_INIT && apply(&binds, i, failure) != 0)
            return tell_where(start, i, failure), -1;
    return root_leave_old(&binds, failure);
}

const char *mounts_here(const struct start *start) {
    struct failure ignored;
    for (size_t i = 0; i < start->plan->count; i++) {
        const struct record *record = &start->plan->records[i];
        if (record->kind == OP_BIND && record->field[1].s.bytes[0] == SLOT_CWD)
            return start_text(start, record, 1, &ignored);
    }
    return NULL;
}

/* Whether the current directory will be shown within the target of this bind. */
static bool is_around_here(const struct start *start, const struct record *record) {
    struct failure ignored;
    const char *around = start_text(start, record, 1, &ignored), *here = mounts_here(start);
    size_t length = around == NULL ? 0 : strlen(around);
    if (length == 0 || here == NULL || strncmp(here, around, length) != 0) return false;
    return here[length] == '/' || here[length] == 0;
}

int mounts_look_at_sources(struct start *start, struct failure *failure) {
    const struct plan *plan = start->plan;
    start->source_kinds = calloc(plan->count, 1);
    if (start->source_kinds == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->records[i].kind != OP_BIND) continue;
        if ((plan->records[i].field[2].u & BIND_PLAIN) != 0 && is_around_here(start, &plan->records[i])) continue;
        const char *source = start_text(start, &plan->records[i], 0, failure);
        if (source == NULL) return -1;
        struct stat found;
        bool exists = stat(source, &found) == 0, folder = exists && S_ISDIR(found.st_mode);
        /* O_DIRECTORY makes the kernel mount what automounts here; stat(2) and plain O_PATH would not. */
        int touched = folder ? open(source, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        if (touched >= 0) close(touched);
        if (exists && folder == (touched >= 0)) start->source_kinds[i] = folder ? SOURCE_DIRECTORY : SOURCE_FILE;
        if (start->source_kinds[i] == SOURCE_NONE && (plan->records[i].field[2].u & BIND_OPTIONAL) == 0)
            return failure_set(failure, STEP_SOURCE, errno, source);
    }
    return 0;
}
