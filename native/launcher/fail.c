#include "fail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One row of the table: at this step (or any: STEP_NONE) and error (or any: 0), why and what to do. The first row that
   matches counts. "%s" is the failure's detail. */
struct reason {
    int step, error;
    const char *why, *hint;
};

#define DOCTOR "wherry doctor shows what this machine allows"

static const struct reason reasons[] = {
    {STEP_PYTHON, ENOENT, "Wherry's Python part is missing beside its launcher",
     "install Wherry again, in its source: pip install --force-reinstall ."},
    {STEP_PYTHON, 0, "", "install Wherry again, in its source: pip install --force-reinstall ."},
    {STEP_USAGE, 0, "", "wherry run --plan FILE [-- COMMAND...]"},
    {STEP_PLAN_FILE, ENOENT, "there is no such file", "check the spelling of --plan"},
    {STEP_PLAN_FILE, 0, "%s", "make the plan anew: leave out --plan"},
    {STEP_PLAN_INPUT, 0, "", "make the plan anew: leave out --plan"},
    {STEP_LEASE, 0, "the image may have been removed since the plan was made", "start it again: leave out --plan"},
    {STEP_MOUNTED, 0, "the program that shows it has ended", "start it again: leave out --plan"},
    {STEP_CIDFILE, EEXIST, "the file exists already", "remove it, or name another with --cidfile"},
    {STEP_RUNNING, EEXIST, "a container with this id runs already", "wherry ps"},
    {STEP_FD, EBADF, "it is not open", "open it before wherry starts, or leave it out of --preserve-fd"},
    {STEP_SOURCE, ENOENT, "it does not exist on this machine", "check the spelling of -v or --mount"},
    {STEP_SOURCE, EACCES, "you may not enter one of the directories on the way to it",
     "ask its owner for access (namei -l shows whose directories they are)"},
    {STEP_NAMESPACE, EPERM, "this machine does not let users make user namespaces, or an outer container forbids it",
     DOCTOR},
    {STEP_NAMESPACE, ENOSPC,
     "the number of user namespaces is at its limit (user.max_user_namespaces; no disk is full)",
     "stop other containers, or ask the administrator to raise the limit; " DOCTOR},
    {STEP_NAMESPACE, EUSERS, "user namespaces are nested too deeply, or at their limit", DOCTOR},
    {STEP_NAMESPACE, EINVAL, "this kernel lacks one of the namespaces", DOCTOR},
    {STEP_NAMESPACE, EAGAIN, "you have as many processes as you may (ulimit -u, or the job's limit)",
     "end some, or ask for a higher limit"},
    {STEP_MAP, EPERM, "this machine does not let users map their id, or an outer container forbids it", DOCTOR},
    {STEP_MAP, EACCES,
     "this machine's security module restricts user namespaces (AppArmor does so on Ubuntu 23.10 and newer)",
     "ask the administrator for an AppArmor profile for wherry; " DOCTOR},
    {STEP_IDMAP, ETIMEDOUT, "it did not answer within 10 seconds: a name service that it asks may be away",
     "try again, or leave out --userns range"},
    {STEP_IDMAP, ECHILD, "%s", "leave out --userns range; " DOCTOR},
    {STEP_IDS, EINVAL, "the container has no such id",
     "it has as many ids as /etc/subuid and /etc/subgid grant you; " DOCTOR},
    {STEP_JOIN, ESRCH, "it does not run any more", "wherry ps -a"},
    {STEP_JOIN, ENOENT, "it does not run here", "wherry ps -a"},
    {STEP_JOIN, EPERM, "it belongs to somebody else, or was started in another user namespace", "wherry ps"},
    {STEP_PROPAGATION, EACCES, "this machine's security module restricts mounts in user namespaces", DOCTOR},
    {STEP_OVERLAY, EPERM, "this kernel does not let users mount overlays (5.11 and newer do)",
     "install fuse-overlayfs, which Wherry uses where it is found; " DOCTOR},
    {STEP_OVERLAY, EINVAL, "the file system of the scratch folder or of the layers cannot carry an overlay",
     "put scratch or the store on a local file system (wherry settings shows where they are); " DOCTOR},
    {STEP_OVERLAY, ENODEV, "this kernel has no overlay file system", DOCTOR},
    {STEP_OVERLAY, ELOOP, "the scratch folder lies within a layer, or a layer within another",
     "put scratch elsewhere (wherry settings shows where it is)"},
    {STEP_OVERLAY, EBUSY, "another container uses this writable layer", "wherry ps"},
    {STEP_OVERLAY, ENOENT, "a folder that it needs is gone; the image may have been removed while it started",
     "pull the image again, then start again"},
    {STEP_OVERLAY, ESTALE, "the writable layer belongs to other layers than these", "make the container anew"},
    {STEP_LAYER, ENOENT, "it is gone; the image may have been removed while it started", "pull the image again"},
    {STEP_FUSE, ENOENT, "the program is not installed", DOCTOR},
    {STEP_FUSE, ECHILD, "%s", DOCTOR},
    {STEP_TARGET, EROFS, "it is missing in %s, which is read-only here",
     "make it there first, or choose a path that exists"},
    {STEP_TARGET, ENOTDIR, "a file is in the way", "bind onto another path"},
    {STEP_TARGET, EISDIR, "it is a directory, and the source is a file", "bind onto another path"},
    {STEP_TARGET, ELOOP, "its symbolic links lead in a circle", "bind onto another path"},
    {STEP_BIND, ENOTDIR, "one of source and target is a directory, the other a file", "bind onto another path"},
    {STEP_BIND, EINVAL, "the kernel refuses to bind this source in a user namespace",
     "bind a directory above it, or one below"},
    {STEP_MOUNT, EPERM, "an outer container hides parts of what would be shown (a masked /proc, for example)",
     "start the outer container with --security-opt systempaths=unconfined, if you may; " DOCTOR},
    {STEP_MOUNT, ENODEV, "this kernel has no such file system", DOCTOR},
    {STEP_MOUNT, EINVAL, "the kernel refuses its options", DOCTOR},
    {STEP_NOT_A_TTY, 0, "", "leave out -t when standard input is a pipe or a file"},
    {STEP_TERMINAL, ENOENT, "the container has no /dev/pts", "do not bind over /dev, or leave out -t"},
    {STEP_SLOT, 0, "", "start again without --plan"},
    {STEP_LIMIT, EPERM, "it is above your hard limit", "ulimit -H -a shows your hard limits"},
    {STEP_CAPABILITIES, EPROTO, "they were dropped, yet the kernel still shows some", DOCTOR},
    {STEP_NO_NEW_PRIVS, EPROTO, "it was set, yet the kernel does not show it", DOCTOR},
    {STEP_SECCOMP, EPROTO, "it was installed, yet does not hold what it promises", DOCTOR},
    {STEP_SECCOMP, EINVAL, "this kernel has no seccomp filters, or refuses this one", DOCTOR},
    {STEP_SUPERVISE, EBUSY, "a program around us answers system calls already, and the kernel allows one",
     "start outside of it; " DOCTOR},
    {STEP_SUPERVISE, ENOENT, "the program is not installed", "install Wherry anew"},
    {STEP_SUPERVISE, EPIPE, "the supervisor has gone", "try again; " DOCTOR},
    {STEP_SUPERVISE, EINVAL, "this kernel cannot have system calls answered (from 5.9 on)", DOCTOR},
    {STEP_SUPERVISED, 0, "the supervisor ended before the container, or could not write: %s", "look for memory or disk that ran out, then start again"},
    {STEP_CWD, ENOENT, "the container has no such directory", "name one that exists with -w"},
    {STEP_CWD, EACCES, "you may not enter it", "name another with -w"},
    {STEP_NO_COMMAND, 0, "", "add a command after the image's name"},
    {STEP_SEARCH, EINVAL, "the image has no such program", "options stand before the image's name, the command after it"},
    {STEP_SEARCH, E2BIG, "the image has no such program", "give the words of the command one by one, not quoted as a whole"},
    {STEP_SEARCH, 0, "the image has no such program", "check the spelling, or give its full path"},
    {STEP_EXEC, ENOENT, "the container has no such file", "check the spelling of the path inside the container"},
    {STEP_EXEC, EACCES, "it is not an executable file",
     "chmod +x makes it one; a script may be given to its interpreter"},
    {STEP_EXEC, ENOEXEC, "it is neither a program nor a script that begins with #!",
     "give it to its interpreter: sh FILE"},
    {STEP_EXEC, E2BIG, "arguments and environment are too long together",
     "hand long lists over in a file (xargs -a FILE)"},
    {STEP_EXEC, EISDIR, "it is a directory", "name a program in it"},
    {STEP_INTERPRETER, 0, "its interpreter '%s' is missing in the container",
     "use an image that has it, or a program built for this image"},
    {STEP_ARCHITECTURE, 0, "it is a program for %s", "pull the image for this machine with --platform"},
    {STEP_LOST, 0, "its first process was killed from outside",
     "look for who killed it: a limit of memory or time of the job, or of the machine (dmesg)"},
    {STEP_WRAPPED, 0, "%s", "try another engine: --engine; " DOCTOR},
    {STEP_FOLLOW, 0, "it does not run any more", "wherry ps -a"},
    {STEP_CGROUP, ENOENT, "it is gone, or lacks what the limit needs", "start it again without --plan; " DOCTOR},
    {STEP_CGROUP, EACCES, "it was not handed over to you", DOCTOR},
    {STEP_CGROUP, EBUSY, "it holds processes, and so cannot limit groups below it",
     "hand over a group without processes of its own (the setting resources.cgroup)"},
    {STEP_MEMBER, EACCES, "this session is outside of what was handed over to you, so that its limits could not hold",
     "enter it from within the job that started it"},
    {STEP_SCRATCH, ENOSPC, "the file system is full",
     "free some space, or set another scratch folder (wherry settings)"},
    {STEP_REMOVE, 0, "", "wherry prune removes it, once nothing uses it"},

    {STEP_NONE, ENOENT, "there is no such file or directory", "check the spelling"},
    {STEP_NONE, EACCES, "permission denied", "look whose it is: ls -ld"},
    {STEP_NONE, EPERM, "the kernel does not permit it", DOCTOR},
    {STEP_NONE, ENOSPC, "the file system is full", "free some space"},
    {STEP_NONE, EDQUOT, "your quota is used up", "free some space"},
    {STEP_NONE, EROFS, "the file system is read-only", "name a place that you may write"},
    {STEP_NONE, ELOOP, "its symbolic links lead in a circle", "give the path without links (readlink shows them)"},
    {STEP_NONE, ENAMETOOLONG, "the path is too long", "use a shorter one"},
    {STEP_NONE, EMFILE, "too many files are open", "raise the limit: ulimit -n"},
    {STEP_NONE, ENFILE, "this machine has too many files open", "try again, or tell the administrator"},
    {STEP_NONE, ENOMEM, "there is not enough memory", "ask for more memory, or end other programs"},
    {STEP_NONE, EAGAIN, "you have as many processes as you may (ulimit -u, or the job's limit)", "end some"},
    {STEP_NONE, EINVAL, "the kernel refuses it as invalid", DOCTOR},
    {STEP_NONE, EIO, "the device reports an error", "tell the administrator; dmesg may say more"},
    {STEP_NONE, ESTALE, "the network file system lost it", "try again"},
};

int failure_set(struct failure *failure, enum step step, int error, const char *path) {
    return failure_detail(failure, step, error, path, "");
}

int failure_detail(struct failure *failure, enum step step, int error, const char *path, const char *detail) {
    failure->step = (int)step;
    failure->error = error;
    snprintf(failure->path, sizeof failure->path, "%s", path);
    snprintf(failure->detail, sizeof failure->detail, "%s", detail);
    return -1;
}

static const char *step_what(int step) {
    static const char *const what[] = {
#define STEP(name, what) what,
        FAIL_STEPS(STEP)
#undef STEP
    };
    return step >= 0 && step < STEP_COUNT ? what[step] : what[0];
}

static int step_status(const struct failure *failure) {
    switch (failure->step) {
    case STEP_SEARCH: return STATUS_NOT_FOUND;
    case STEP_EXEC:
    case STEP_CWD:
        return failure->error == ENOENT || failure->error == ENOTDIR ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
    case STEP_INTERPRETER: return STATUS_NOT_FOUND;
    case STEP_ARCHITECTURE: return STATUS_CANNOT_EXECUTE;
    default: return STATUS_WHERRY_FAILED;
    }
}

static const struct reason *find_reason(const struct failure *failure) {
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        const struct reason *reason = &reasons[i];
        bool any_step = reason->step == STEP_NONE, any_error = reason->error == 0;
        if ((any_step || reason->step == failure->step) && (any_error || reason->error == failure->error))
            return reason;
    }
    return NULL;
}

/* Copies `format`, its one "%s" (if any) replaced by `text`. */
static void put(char *out, size_t size, const char *format, const char *text) {
    const char *mark = strstr(format, "%s");
    if (mark == NULL)
        snprintf(out, size, "%s", format);
    else
        snprintf(out, size, "%.*s%s%s", (int)(mark - format), format, text, mark + 2);
}

void failure_words(const struct failure *failure, struct words *words) {
    const struct reason *reason = find_reason(failure);
    put(words->what, sizeof words->what, step_what(failure->step), failure->path);
    words->why[0] = words->hint[0] = 0;
    if (reason != NULL) {
        put(words->why, sizeof words->why, reason->why, failure->detail);
        put(words->hint, sizeof words->hint, reason->hint, failure->detail);
    } else if (failure->error != 0) {
        snprintf(words->why, sizeof words->why, "%s", strerror(failure->error));
    }
    words->status = step_status(failure);
}
