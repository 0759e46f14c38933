/* wherry-interpose: start a program of an image's tree directly on the host, without namespaces, root or ptrace.
 *
 *   wherry-interpose CONFIG [--cwd DIR] [--] COMMAND [ARGUMENT...]
 *   wherry-interpose --compose CONFIG STATEMENT... -- [--cwd DIR] [--] COMMAND [ARGUMENT...]      writes CONFIG first
 *   wherry-interpose --check CONFIG PROGRAM      one word: ok static musl other-arch text missing
 *   wherry-interpose --libraries CONFIG          the `libraries` line for this configuration (view.h)
 *
 *   compose.c             the configuration from a command line
 *   view.c                which guest path is which host path
 *   place.c walk.c facts.c  where the kernel finds what a call names: links, ro, what is remembered
 *   program.c start.c       what a file is, and the command line that runs it
 *     libraries.c             where its loader must look
 *   library/                the calls of the C library that take a path; built as wherry-interpose.so
 *
 * docs/design/interpose.md tells the rules. Only this file prints and exits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compose.h"
#include "kernel.h"
#include "libraries.h"
#include "place.h"
#include "start.h"
#include "text.h"
#include "view.h"

enum { STATUS_FAILED = 125, STATUS_CANNOT_EXECUTE = 126, STATUS_NOT_FOUND = 127 };

/* As the launcher says it. */
#define NOT_FOUND \
    "wherry: cannot find '%s' in the container's PATH: the image has no such program\n" \
    "  next: check the spelling, or give its full path\n"

static struct view seen;
static char preload[PATH_ROOM], config[PATH_ROOM];

static int fail(int status, const char *what, const char *path, const char *why, const char *hint) {
    fprintf(stderr, "wherry: %s '%s'%s%s\n", what, path, why[0] != 0 ? ": " : "", why);
    if (hint[0] != 0) fprintf(stderr, "  next: %s\n", hint);
    return status;
}

/* An empty file of facts, in the place of one of another configuration. One made at the same time is replaced. */
static bool make_facts(void) {
    char making[PATH_ROOM];
    uint64_t begin[2] = {seen.hash, 1};
    if (snprintf(making, sizeof making, "%s.%d", seen.facts_file, (int)getpid()) >= (int)sizeof making) return false;
    int file = open(making, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool made = file >= 0 && write(file, begin, sizeof begin) == sizeof begin &&
                ftruncate(file, sizeof(struct facts)) == 0 && rename(making, seen.facts_file) == 0;
    if (file >= 0) close(file);
    return made;
}

/* Reads the configuration; 0 or the exit status. */
static int set_up(const char *path) {
    if (realpath(path, config) == NULL)
        return fail(STATUS_FAILED, "cannot read the configuration", path, strerror(errno), "");
    long answer = view_read(&seen, config);
    char line[40];
    snprintf(line, sizeof line, "line %ld makes no sense", answer);
    if (answer != 0)
        return fail(STATUS_FAILED, "cannot use the configuration", path,
                    answer > 0 ? line : strerror((int)-answer), "");
    seen.config = config;
    if (seen.facts_file == NULL || seen.facts != &seen.own) return 0;
    return make_facts() ? 0 : fail(STATUS_FAILED, "cannot make the file", seen.facts_file, strerror(errno), "");
}

/* The library lies beside this program. */
static int find_preload(void) {
    ssize_t length = readlink("/proc/self/exe", preload, sizeof preload - 32);
    if (length < 0) return fail(STATUS_FAILED, "cannot read", "/proc/self/exe", strerror(errno), "");
    preload[length] = 0;
    strcpy(strrchr(preload, '/') + 1, "wherry-interpose.so");
    seen.preload = preload;
    if (access(preload, R_OK) == 0) return 0;
    return fail(STATUS_FAILED, "cannot use", preload, strerror(errno),
                "this installation was built without it: use --engine proot, or install a wheel");
}

static long execute(void *context, const char *file, char *const *argv, char *const *envp) {
    (void)context;
    execve(file, argv, envp);
    return -errno;
}

/* Enters a directory; negative error. */
static int enter(const char *path) {
    struct place at;
    int found = place_find(&seen, KERNEL_CWD, path, PLACE_FOLLOW, &at);
    return found < 0 ? found : chdir(at.path) == 0 ? 0 : -errno;
}

/* Makes a directory with its parents, as far as they may be made. */
static void make_folders(const char *path) {
    char part[PATH_ROOM];
    struct place at;
    if (strlen(path) >= sizeof part) return;
    for (size_t end = 1; path[end - 1] != 0; end++) {
        if (path[end] != '/' && path[end] != 0) continue;
        memcpy(part, path, end);
        part[end] = 0;
        if (place_find(&seen, KERNEL_CWD, part, PLACE_CREATES, &at) == 0) mkdir(at.path, 0755);
    }
}

static int run(char **argv, char **envp) {
    if (*argv != NULL && strcmp(*argv, "--cwd") == 0 && argv[1] != NULL) {
        int found = enter(argv[1]);
        if (found == -ENOENT) {
            make_folders(argv[1]);
            found = enter(argv[1]);
        }
        if (found < 0)
            return fail(found == -ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE, "cannot start in the directory",
                        argv[1], strerror(-found), "name one that exists with -w");
        argv += 2;
    } else if (place_guest(&seen, KERNEL_CWD, ".", preload) < 0) { /* where we are is nowhere inside */
        struct place top;
        if (place_find(&seen, KERNEL_CWD, "/", PLACE_FOLLOW, &top) < 0 || chdir(top.path) != 0)
            return fail(STATUS_CANNOT_EXECUTE, "cannot start in the directory", "/", strerror(errno), "");
    }
    if (*argv != NULL && strcmp(*argv, "--") == 0) argv++;
    if (*argv == NULL) return fail(STATUS_FAILED, "no command was given after", config, "", "");
    int answer = find_preload();
    if (answer != 0) return answer;
    struct refusal refusal;
    long error = -start_search(&seen, *argv, argv, envp, execute, NULL, &refusal);
    if (refusal.kind >= PROGRAM_STATIC) {
        start_explain(&refusal);
        return STATUS_CANNOT_EXECUTE;
    }
    bool search = strchr(*argv, '/') == NULL;
    if (error == ENOENT && search)
        return fprintf(stderr, NOT_FOUND, *argv), STATUS_NOT_FOUND;
    return fail(error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE, "cannot execute", *argv,
                strerror((int)error), "");
}

static int check(const char *path) {
    struct program program;
    program_look(&seen, KERNEL_CWD, path, &program);
    for (int i = 0; i < 4 && program.kind == PROGRAM_SCRIPT; i++) {
        char interpreter[sizeof program.interpreter];
        strcpy(interpreter, program.interpreter);
        program_look(&seen, KERNEL_CWD, interpreter, &program);
    }
    struct place loader;
    if (program.kind == PROGRAM_OK && (place_find(&seen, KERNEL_CWD, program.interpreter, PLACE_FOLLOW, &loader) < 0 ||
                                       access(loader.path, X_OK) != 0))
        program.kind = PROGRAM_MISSING;
    puts(program_word(program.kind));
    return 0;
}

static int list_libraries(void) {
    char text[8192] = "";
    struct line line = {text, 0, sizeof text, false};
    libraries_list(&seen, &line);
    printf("libraries %s\n", text);
    return 0;
}

/* Writes the configuration, then goes on as with one that is there. */
static int compose_and_run(const char *path, char **argv, char **envp) {
    const char *about;
    int error = compose(path, &argv, &about);
    if (error != 0) return fail(STATUS_FAILED, "cannot show in the container", about, strerror(error), "");
    int answer = set_up(path);
    return answer != 0 ? answer : run(argv, envp);
}

int main(int argc, char **argv, char **envp) {
    bool checks = argc == 4 && strcmp(argv[1], "--check") == 0;
    bool lists = argc == 3 && strcmp(argv[1], "--libraries") == 0;
    if (argc >= 3 && strcmp(argv[1], "--compose") == 0) return compose_and_run(argv[2], argv + 3, envp);
    if (argc < 3 || (argv[1][0] == '-' && !checks && !lists)) {
        fputs("usage: wherry-interpose CONFIG [--cwd DIR] [--] COMMAND [ARGUMENT...]\n", stderr);
        return STATUS_FAILED;
    }
    int answer = set_up(argv[checks || lists ? 2 : 1]);
    if (answer != 0) return answer;
    return checks ? check(argv[3]) : lists ? list_libraries() : run(argv + 2, envp);
}
