/* Failures: what was being done (step), the kernel's answer (error), and to what (path); and the words for them.
 *
 * Functions that can fail take a `struct failure *` and return -1 (or NULL, false) with it filled in. Nothing here
 * prints: main.c does, once. The struct travels through a pipe as it is.
 */
#ifndef WHERRY_FAIL_H
#define WHERRY_FAIL_H

#include <stddef.h>

enum { STATUS_WHERRY_FAILED = 125, STATUS_CANNOT_EXECUTE = 126, STATUS_NOT_FOUND = 127, STATUS_SIGNAL = 128 };

/* STEP(NAME, what: "%s" is the path) */
#define FAIL_STEPS(STEP) \
    STEP(NONE, "nothing failed: '%s'") \
    STEP(USAGE, "cannot understand '%s'") \
    STEP(PYTHON, "cannot start '%s'") \
    STEP(PLAN_FILE, "cannot use the plan '%s'") \
    STEP(PLAN_INPUT, "the plan is out of date: %s") \
    STEP(PLAN_SENSE, "cannot carry out the plan: %s") \
    STEP(ANSWER, "cannot write standard output") \
    STEP(MEMORY, "cannot start the container") \
    STEP(ID, "cannot make a container id") \
    STEP(RUNNING, "cannot note the running container in '%s'") \
    STEP(LEASE, "the image's lease '%s' has ended") \
    STEP(MOUNTED, "the image is not mounted in '%s'") \
    STEP(RECORD, "cannot write the record '%s'") \
    STEP(SCRATCH, "cannot make a scratch folder in '%s'") \
    STEP(REMOVE, "cannot remove the scratch folder '%s'") \
    STEP(MKDIR, "cannot make the directory '%s'") \
    STEP(CIDFILE, "cannot write the container id to '%s'") \
    STEP(EXITFILE, "cannot write the exit status to '%s'") \
    STEP(LOG, "cannot write the log '%s'") \
    STEP(FD, "cannot pass on descriptor %s") \
    STEP(SOURCE, "cannot bind '%s'") \
    STEP(DETACH, "cannot detach") \
    STEP(NAMESPACE, "cannot create the container's namespaces") \
    STEP(MAP, "cannot map your user id into the container") \
    STEP(IDMAP, "cannot map your subordinate ids with '%s'") \
    STEP(JOIN, "cannot enter the container '%s'") \
    STEP(FOLLOW, "cannot enter the container of '%s'") \
    STEP(HOSTNAME, "cannot set the container's host name to '%s'") \
    STEP(PROPAGATION, "cannot make the container's mounts private") \
    STEP(OVERLAY, "cannot mount the image's layers on '%s'") \
    STEP(LAYER, "cannot open the layer '%s'") \
    STEP(FUSE, "cannot mount the image with '%s'") \
    STEP(TREE, "cannot bind the image's tree '%s'") \
    STEP(ROOT, "cannot make '%s' the container's root") \
    STEP(TARGET, "cannot make the mount point '%s' in the container") \
    STEP(MOUNT, "cannot mount '%s' in the container") \
    STEP(BIND, "cannot bind onto '%s' in the container") \
    STEP(READONLY, "cannot make '%s' read-only in the container") \
    STEP(SYMLINK, "cannot make the symbolic link '%s' in the container") \
    STEP(DIRECTORY, "cannot make the directory '%s' in the container") \
    STEP(OWNER, "cannot give '%s' in the container to its user") \
    STEP(MASK, "cannot hide '%s' in the container") \
    STEP(LOOPBACK, "cannot set the loopback device up") \
    STEP(NOT_A_TTY, "the input device is not a TTY") \
    STEP(TERMINAL, "cannot make a terminal in the container") \
    STEP(FORK, "cannot start a process in the container") \
    STEP(SLOT, "the plan needs a value that this start lacks, for '%s'") \
    STEP(LIMIT, "cannot set the limit '%s'") \
    STEP(IDS, "cannot become the user %s in the container") \
    STEP(CAPABILITIES, "cannot drop capabilities") \
    STEP(NO_NEW_PRIVS, "cannot set no_new_privs") \
    STEP(SECCOMP, "cannot install the system call filter") \
    STEP(SUPERVISE, "cannot answer for other ids than yours (--fakeroot): '%s'") \
    STEP(SUPERVISED, "what belongs to other ids than yours was not kept%s") \
    STEP(CWD, "cannot start in the directory '%s'") \
    STEP(STREAMS, "cannot connect the command's standard streams") \
    STEP(NO_COMMAND, "no command was given, and the image has none") \
    STEP(WRAP, "cannot start '%s', which starts the container") \
    STEP(WRAPPED, "'%s' ended before the command did") \
    STEP(WRITE, "cannot write '%s', which the container's start needs") \
    STEP(POINT, "cannot make '%s', where something is to be mounted") \
    STEP(HANDOVER, "cannot read '%s', by which the command comes into the container") \
    STEP(COPY, "cannot make a private copy of '%s'") \
    STEP(EXEC, "cannot execute '%s'") \
    STEP(SEARCH, "cannot find '%s' in the container's PATH") \
    STEP(INTERPRETER, "cannot execute '%s'") \
    STEP(ARCHITECTURE, "cannot execute '%s'") \
    STEP(CGROUP, "cannot limit the container by the control group '%s'") \
    STEP(MEMBER, "cannot enter the container's control group '%s'") \
    STEP(AFFINITY, "cannot choose the container's processors") \
    STEP(ENDED, "the container was ended: %s") \
    STEP(PART_ENDED, "a process of the container was ended: %s") \
    STEP(REFUSED, "the container could not start more processes: %s") \
    STEP(LOST, "lost the container '%s'")

enum step {
#define STEP(name, what) STEP_##name,
    FAIL_STEPS(STEP)
#undef STEP
    STEP_COUNT
};

struct failure {
    int step;  /* enum step */
    int error; /* errno, or 0 */
    char path[1024];
    char detail[256]; /* what else matters: an interpreter, an architecture; or empty */
};

/* Fills in a failure; longer texts are cut. Returns -1, for `return failure_set(...)`. */
int failure_set(struct failure *failure, enum step step, int error, const char *path);
int failure_detail(struct failure *failure, enum step step, int error, const char *path, const char *detail);

/* A failure as words: "wherry: WHAT: WHY" and "next: HINT"; why or hint may be empty. */
struct words {
    char what[1200], why[600], hint[600];
    int status; /* the exit status, Docker's meaning */
};
void failure_words(const struct failure *failure, struct words *words);

#endif
