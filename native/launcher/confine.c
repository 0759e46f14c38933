#include "confine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernel.h"

enum { AMBIENT_RAISE = 2, AMBIENT_CLEAR_ALL = 4 };

static int drop_bounding(uint64_t keep) {
    for (unsigned long bit = 0; bit < 64; bit++) {
        if (keep >> bit & 1) continue;
        if (prctl(PR_CAPBSET_DROP, bit, 0, 0, 0) != 0) return errno == EINVAL ? 0 : -1; /* EINVAL: past the last one */
    }
    return 0;
}

static int set_capabilities(uint64_t keep) {
    struct kernel_cap_header header = {.version = KERNEL_CAPABILITY_VERSION};
    struct kernel_cap_data set[2] = {{0}}, seen[2];
    for (int i = 0; i < 2; i++) set[i].effective = set[i].permitted = (uint32_t)(keep >> (32 * i));
    if (syscall(SYS_capget, &header, seen) != 0) return -1;
    /* What this kernel does not know, or we do not have, cannot be kept. */
    for (int i = 0; i < 2; i++) set[i].effective = set[i].permitted &= seen[i].permitted;
    if (syscall(SYS_capset, &header, set) != 0 || syscall(SYS_capget, &header, seen) != 0) return -1;
    for (int i = 0; i < 2; i++)
        if (seen[i].permitted != set[i].permitted || seen[i].effective != set[i].effective || seen[i].inheritable != 0)
            return errno = EPROTO, -1;
    return 0;
}

static int keep_capabilities(const struct record *record, struct failure *failure) {
    uint64_t keep = record->field[0].u;
    bool done = drop_bounding(keep) == 0 &&
                (prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 || errno == EINVAL) &&
                set_capabilities(keep) == 0;
    return done ? 0 : failure_set(failure, STEP_CAPABILITIES, errno, "");
}

static int set_no_new_privs(struct failure *failure) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure_set(failure, STEP_NO_NEW_PRIVS, errno, "");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return failure_set(failure, STEP_NO_NEW_PRIVS, EPROTO, "");
    return 0;
}

static int install_filter(struct kernel_filter *program, unsigned flags) {
    if (syscall(SYS_seccomp, KERNEL_SET_FILTER, flags, program) == 0) return 0;
    /* A flag that this kernel lacks changes speed or logging, never what is refused: go without. */
    if (errno == EINVAL && flags != 0 && syscall(SYS_seccomp, KERNEL_SET_FILTER, 0, program) == 0) return 0;
    return -1;
}

static int filter_calls(const struct record *record, struct failure *failure) {
    struct plan_bytes bytes = record->field[0].s;
    uint64_t flags = record->field[1].u;
    size_t count = bytes.length / sizeof(struct kernel_filter_step);
    if (count == 0 || count > KERNEL_FILTER_MOST || bytes.length % sizeof(struct kernel_filter_step) != 0)
        return failure_set(failure, STEP_SECCOMP, EINVAL, "");
    struct kernel_filter_step *steps = malloc(bytes.length); /* aligned, as the plan's bytes need not be */
    if (steps == NULL) return failure_set(failure, STEP_SECCOMP, ENOMEM, "");
    memcpy(steps, bytes.bytes, bytes.length);
    struct kernel_filter program = {.length = (unsigned short)count, .steps = steps};
    if (install_filter(&program, (unsigned)(flags & 0xffffffff)) != 0)
        return failure_set(failure, STEP_SECCOMP, errno, "");
    free(steps);
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != KERNEL_FILTER_MODE) return failure_set(failure, STEP_SECCOMP, EPROTO, "");
    /* Without the filter's word it would be EBADF. */
    if ((flags & SECCOMP_PROVE_TIOCSTI) != 0 && (ioctl(-1, TIOCSTI, "") != -1 || errno != EPERM))
        return failure_set(failure, STEP_SECCOMP, EPROTO, "");
    return 0;
}

int confine_apply(const struct plan *plan, struct failure *failure) {
    const struct record *caps = plan_find(plan, OP_CAPS), *filter = plan_find(plan, OP_SECCOMP);
    const struct record *no_new_privs = plan_find(plan, OP_NO_NEW_PRIVS);
    if (caps != NULL && keep_capabilities(caps, failure) != 0) return -1;
    if ((no_new_privs != NULL || filter != NULL) && set_no_new_privs(failure) != 0) return -1;
    return filter == NULL ? 0 : filter_calls(filter, failure);
}

void confine_pass_on_capabilities(void) {
    struct kernel_cap_header header = {.version = KERNEL_CAPABILITY_VERSION};
    struct kernel_cap_data set[2];
    if (syscall(SYS_capget, &header, set) != 0) return;
    for (int i = 0; i < 2; i++) set[i].inheritable = set[i].permitted;
    if (syscall(SYS_capset, &header, set) != 0) return;
    for (unsigned long bit = 0; bit < 64; bit++)
        if (prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, bit, 0, 0) != 0 && errno == EINVAL) return;
}
