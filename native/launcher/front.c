#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inputs.h"

static const char *face_of(char **argv) {
    if (argv[0] == NULL) return "wherry";
    const char *slash = strrchr(argv[0], '/');
    return slash == NULL ? argv[0] : slash + 1;
}

const char *front_variable(char **environment, const char *name) {
    size_t length = strlen(name);
    for (char **entry = environment; *entry != NULL; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
    return NULL;
}

/* A folder that is the user's own, 0700, no symbolic link; -1 when it is not. */
static int open_own_folder(const char *path) {
    struct stat found;
    int folder = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return -1;
    if (fstat(folder, &found) == 0 && found.st_uid == geteuid() && (found.st_mode & 07777) == 0700) return folder;
    close(folder);
    return -1;
}

/* The folder that holds plans/, as wherry.host.places chooses it: the session's, unless that cannot be used (jobs often
   carry the variable of a session that is elsewhere), else one in the temporary directory. -1: there is none. */
static int open_runtime(char **environment) {
    char path[PATH_MAX];
    const char *session = front_variable(environment, "XDG_RUNTIME_DIR");
    const char *temporary = front_variable(environment, "TMPDIR");
    if (session != NULL && session[0] == '/') {
        snprintf(path, sizeof path, "%s/wherry", session);
        int folder = open_own_folder(path);
        if (folder >= 0) return folder;
    }
    snprintf(path, sizeof path, "%s/wherry-%u", temporary == NULL || *temporary == 0 ? "/tmp" : temporary, geteuid());
    return open_own_folder(path);
}

/* Opens the plan of the longest saved prefix. -1: there is none. */
static int open_saved(int argc, char **argv, char **environment) {
    uint64_t hashes[PLAN_MAX_PREFIX + 1];
    int longest = argc - 1 < PLAN_MAX_PREFIX ? argc - 1 : PLAN_MAX_PREFIX, plan = -1;
    int folder = open_runtime(environment);
    if (folder < 0) return -1;
    hashes[0] = plan_hash(PLAN_HASH_START, face_of(argv));
    for (int n = 1; n <= longest; n++) hashes[n] = plan_hash(hashes[n - 1], argv[n]);
    for (int n = longest; n >= 1 && plan < 0; n--) {
        char name[40];
        snprintf(name, sizeof name, "plans/%016llx.plan", (unsigned long long)hashes[n]);
        plan = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }
    close(folder);
    return plan;
}

/* Reads a plan from an open file after checking the file. NULL, or why it cannot be used. */
static const char *read_plan(int file, struct front *front) {
    struct stat found;
    const char *why;
    if (fstat(file, &found) != 0 || !S_ISREG(found.st_mode)) return "it is not a regular file";
    if (found.st_uid != geteuid()) return "it belongs to another user";
    if ((found.st_mode & 077) != 0) return "others may read or change it (its mode must be 0600)";
    if (found.st_size < PLAN_HEADER || found.st_size > PLAN_MAX_BYTES) return "it is too short or too long";
    size_t size = (size_t)found.st_size;
    front->bytes = malloc(size);
    if (front->bytes == NULL) return "there is no memory for it";
    if (read(file, front->bytes, size) != (ssize_t)size) return "it cannot be read";
    if (!plan_read(front->bytes, size, &front->plan, &why)) return why;
    if (front->plan.uid != geteuid()) return "it was made by another user";
    return NULL;
}

/* How many arguments the plan's prefix takes; -1 when the command line begins differently. */
static int match_prefix(const struct plan *plan, char **argv) {
    struct plan_list prefix = plan->records[0].field[0].l;
    int n = 0;
    if (strcmp(list_next(&prefix), face_of(argv)) != 0) return -1;
    for (const char *text; (text = list_next(&prefix)) != NULL; n++)
        if (argv[n + 1] == NULL || strcmp(text, argv[n + 1]) != 0) return -1;
    return n;
}

static enum front_answer plan_anew(struct front *front, const char *why) {
    snprintf(front->reason, sizeof front->reason, "%s", why);
    return FRONT_PLAN_ANEW;
}

static enum front_answer find_saved(int argc, char **argv, char **environment, struct front *front) {
    int file = open_saved(argc, argv, environment);
    if (file < 0) return plan_anew(front, "no plan is saved for this command line");
    const char *why = read_plan(file, front);
    close(file);
    if (why != NULL) return plan_anew(front, why);
    int taken = match_prefix(&front->plan, argv);
    if (taken < 0) return plan_anew(front, "its prefix differs from this command line");
    front->arguments = argv + 1 + taken;
    bool answers = plan_find(&front->plan, OP_ANSWER) != NULL;
    if (answers && *front->arguments != NULL) return plan_anew(front, "it answers a command line without the last words");
    if (!inputs_hold(&front->plan, environment, front->reason, sizeof front->reason)) return FRONT_PLAN_ANEW;
    return answers ? FRONT_ANSWER : FRONT_START;
}

static enum front_answer find_named(int argc, char **argv, char **environment, struct front *front,
                                    struct failure *failure) {
    const char *path = argv[3];
    front->named = true;
    if (argc > 4 && strcmp(argv[4], "--") != 0) return failure_set(failure, STEP_USAGE, 0, argv[4]), FRONT_FAILED;
    front->arguments = argc > 4 ? argv + 5 : argv + argc;
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return failure_detail(failure, STEP_PLAN_FILE, errno, path, strerror(errno)), FRONT_FAILED;
    const char *why = read_plan(file, front);
    close(file);
    if (why == NULL && plan_find(&front->plan, OP_ANSWER) != NULL) why = "it starts nothing";
    if (why != NULL) return failure_detail(failure, STEP_PLAN_FILE, 0, path, why), FRONT_FAILED;
    if (!inputs_hold(&front->plan, environment, front->reason, sizeof front->reason))
        return failure_set(failure, STEP_PLAN_INPUT, 0, front->reason), FRONT_FAILED;
    return FRONT_START;
}

enum front_answer front_find(int argc, char **argv, char **environment, struct front *front, struct failure *failure) {
    *front = (struct front){0};
    if (argc >= 4 && strcmp(argv[1], "run") == 0 && strcmp(argv[2], "--plan") == 0)
        return find_named(argc, argv, environment, front, failure);
    return find_saved(argc, argv, environment, front);
}

/* Whether a list of folders (PYTHONPATH) is where Wherry is installed, as modules of a cluster do it. */
static bool holds_wherry(const char *folders) {
    char path[PATH_MAX];
    for (const char *at = folders, *end; at != NULL; at = *end == 0 ? NULL : end + 1) {
        end = strchrnul(at, ':');
        if (end == at || (size_t)(end - at) >= sizeof path - sizeof "/wherry/__init__.py") continue;
        snprintf(path, sizeof path, "%.*s/wherry/__init__.py", (int)(end - at), at);
        if (access(path, R_OK) == 0) return true;
    }
    return false;
}

/* What the caller set for other Pythons would break ours (a types.py on PYTHONPATH stops any): it goes aside, under
   FRONT_ASIDE and its name, until Wherry's Python hands the environment on. */
static bool goes_aside(const char *entry) {
    static const char *const names[] = {"PYTHONPATH=", "PYTHONHOME=", "PYTHONINSPECT="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(entry, names[i], length) == 0) return i != 0 || !holds_wherry(entry + length);
    }
    return false;
}

static char *joined(const char *first, const char *second) {
    char *text = malloc(strlen(first) + strlen(second) + 1);
    if (text != NULL) sprintf(text, "%s%s", first, second);
    return text;
}

/* The environment for our Python; under another name than ours WHERRY_FACE tells it. */
static char **environment_for_python(char **environment, const char *face) {
    size_t count = 0;
    while (environment[count] != NULL) count++;
    char **ours = calloc(count + 2, sizeof *ours);
    if (ours == NULL) return environment;
    size_t used = 0;
    if (strcmp(face, "wherry") != 0 && (ours[used] = joined("WHERRY_FACE=", face)) != NULL) used++;
    for (char **entry = environment; *entry != NULL; entry++) {
        char *aside = goes_aside(*entry) ? joined(FRONT_ASIDE, *entry) : NULL;
        ours[used++] = aside == NULL ? *entry : aside;
    }
    return ours;
}

int front_hand_over(char **argv, char **environment, struct failure *failure) {
    static const char name[] = "wherry-python";
    char path[PATH_MAX + sizeof name];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (length > 0) {
        path[length] = 0;
    } else {
        const char *executed = (const char *)getauxval(AT_EXECFN); /* where there is no /proc */
        snprintf(path, PATH_MAX, "%s", executed == NULL ? "" : executed);
    }
    char *slash = strrchr(path, '/');
    strcpy(slash == NULL ? path : slash + 1, name);
    const char *face = face_of(argv);
    execve(path, argv, environment_for_python(environment, face));
    return failure_set(failure, STEP_PYTHON, errno, path);
}
