#include "command.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine.h"
#include "descriptors.h"
#include "front.h"
#include "handover.h"
#include "idmap.h"
#include "inside.h"
#include "turns.h"
#include "supervise.h"
#include "targets.h"

enum { DROP_DASHES = 1 };
enum { CWD_MAKE = 1, CWD_IF_POSSIBLE = 2 };

char **command_argv(const struct plan *plan, char **arguments, struct failure *failure) {
    const struct record *exec = plan_find(plan, OP_EXEC);
    struct plan_list entry = exec->field[0].l, fallback = exec->field[1].l;
    if ((exec->field[2].u & DROP_DASHES) != 0 && arguments[0] != NULL && strcmp(arguments[0], "--") == 0) arguments++;
    size_t given = 0, count = 0;
    while (arguments[given] != NULL) given++;
    char **argv = calloc((size_t)entry.left + fallback.left + given + 1, sizeof *argv);
    if (argv == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, ""), NULL;
    for (const char *text; (text = list_next(&entry)) != NULL;) argv[count++] = (char *)text;
    for (size_t i = 0; i < given; i++) argv[count++] = arguments[i];
    if (given == 0)
        for (const char *text; (text = list_next(&fallback)) != NULL;) argv[count++] = (char *)text;
    if (count == 0) return failure_set(failure, STEP_NO_COMMAND, 0, ""), NULL;
    return argv;
}

static int enter_folder(const struct start *start, const struct record *record, struct failure *failure) {
    const char *path = start_text(start, record, 0, failure);
    if (path == NULL) return -1;
    if (chdir(path) == 0) return 0;
    if ((record->field[1].u & CWD_IF_POSSIBLE) != 0) return 0;
    if (errno == ENOENT && (record->field[1].u & CWD_MAKE) != 0 && target_make(path, true) == 0 && chdir(path) == 0) return 0;
    return failure_set(failure, STEP_CWD, errno, path);
}

/* As --ulimit has it. */
static const char *limit_name(int resource) {
    switch (resource) {
    case RLIMIT_AS: return "as";
    case RLIMIT_CORE: return "core";
    case RLIMIT_CPU: return "cpu";
    case RLIMIT_DATA: return "data";
    case RLIMIT_FSIZE: return "fsize";
    case RLIMIT_LOCKS: return "locks";
    case RLIMIT_MEMLOCK: return "memlock";
    case RLIMIT_MSGQUEUE: return "msgqueue";
    case RLIMIT_NICE: return "nice";
    case RLIMIT_NOFILE: return "nofile";
    case RLIMIT_NPROC: return "nproc";
    case RLIMIT_RSS: return "rss";
    case RLIMIT_RTPRIO: return "rtprio";
    case RLIMIT_RTTIME: return "rttime";
    case RLIMIT_SIGPENDING: return "sigpending";
    case RLIMIT_STACK: return "stack";
    default: return "of an unknown kind";
    }
}

static int set_limit(const struct record *record, struct failure *failure) {
    struct rlimit now, wanted = {.rlim_cur = record->field[1].u, .rlim_max = record->field[2].u};
    int resource = (int)record->field[0].u;
    const char *name = limit_name(resource);
    if (getrlimit(resource, &now) != 0) return failure_set(failure, STEP_LIMIT, errno, name);
    if (wanted.rlim_max > now.rlim_max) return failure_set(failure, STEP_LIMIT, EPERM, name); /* also where root may */
    return setrlimit(resource, &wanted) == 0 ? 0 : failure_set(failure, STEP_LIMIT, errno, name);
}

static int connect_streams(const struct start *start, int terminal, struct failure *failure) {
    if (terminal >= 0 && (setsid() < 0 || ioctl(terminal, TIOCSCTTY, 0) != 0))
        return failure_set(failure, STEP_TERMINAL, errno, "");
    for (int i = 0; i < 3; i++) {
        int from = terminal >= 0 ? terminal : start->streams[i];
        if (from >= 0 && dup2(from, i) < 0) return failure_set(failure, STEP_STREAMS, errno, "");
    }
    return 0;
}

static int apply(const struct start *start, bool wrapped, struct failure *failure) {
    for (size_t i = 0; i < start->plan->count; i++) {
        const struct record *record = &start->plan->records[i];
        int answer = 0;
        if (record->kind == OP_CWD && !wrapped) answer = enter_folder(start, record, failure);
        if (record->kind == OP_RLIMIT) answer = set_limit(record, failure);
        if (record->kind == OP_UMASK) umask((mode_t)record->field[0].u);
        if (record->kind == OP_FDS) descriptors_pass(record, start->environment);
        if (answer != 0) return -1;
    }
    return 0;
}

static const char *machine_name(unsigned machine) {
    switch (machine) {
    case EM_X86_64: return "x86-64 (amd64)";
    case EM_AARCH64: return "aarch64 (arm64)";
    case EM_PPC64: return "ppc64le";
    case EM_S390: return "s390x";
    case 243: return "riscv64";
    case EM_386: return "x86 (386)";
    case EM_ARM: return "32-bit arm";
    default: return "another processor";
    }
}

#if defined(__x86_64__)
enum { OUR_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OUR_MACHINE = EM_AARCH64 };
#else
enum { OUR_MACHINE = 0 };
#endif

/* The interpreter that an ELF file names, if it is within `head`; "" otherwise. */
static const char *elf_interpreter(const char *head, size_t size, char *text, size_t room) {
    Elf64_Ehdr file;
    memcpy(&file, head, sizeof file);
    text[0] = 0;
    for (size_t i = 0; i < file.e_phnum; i++) {
        Elf64_Phdr part;
        uint64_t at = file.e_phoff + i * sizeof part;
        if (file.e_phoff > size || at + sizeof part > size) break;
        memcpy(&part, head + at, sizeof part);
        if (part.p_type != PT_INTERP || part.p_offset > size || part.p_filesz > size - part.p_offset) continue;
        snprintf(text, room, "%.*s", (int)part.p_filesz, head + part.p_offset);
        break;
    }
    return text;
}

/* Why execve() of an existing file failed: another architecture, a missing interpreter, or as the kernel says. */
static void explain(const char *path, int error, struct failure *failure) {
    char head[4096], interpreter[256] = "";
    struct stat found;
    failure_set(failure, STEP_EXEC, error, path);
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode)) {
        failure->error = EISDIR;
        return;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = file < 0 ? -1 : read(file, head, sizeof head - 1);
    if (file >= 0) close(file);
    if (size < 2) return;
    head[size] = 0;
    if (size >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0) {
        unsigned machine = (unsigned char)head[18] | (unsigned)(unsigned char)head[19] << 8;
        if (machine != OUR_MACHINE && error == ENOEXEC)
            failure_detail(failure, STEP_ARCHITECTURE, error, path, machine_name(machine));
        else if (head[EI_CLASS] == ELFCLASS64)
            elf_interpreter(head, (size_t)size, interpreter, sizeof interpreter);
    } else if (memcmp(head, "#!", 2) == 0) {
        const char *from = head + 2 + strspn(head + 2, " \t");
        snprintf(interpreter, sizeof interpreter, "%.*s", (int)strcspn(from, " \t\r\n"), from);
    }
    if (error == ENOENT && interpreter[0] != 0)
        failure_detail(failure, STEP_INTERPRETER, error, path, interpreter);
}

/* The error by which the words (fail.c) know what was meant: an option too late, a whole line in quotes, a name. */
static int mistaken(const char *name) {
    return *name == '-' ? EINVAL : strchr(name, ' ') != NULL ? E2BIG : ENOENT;
}

/* execvpe() with the container's PATH, remembering the most telling failure. */
static void execute(char **argv, char **environment, struct failure *failure) {
    const char *name = argv[0], *path = front_variable(environment, "PATH");
    char candidate[PATH_MAX];
    if (strchr(name, '/') != NULL) {
        execve(name, argv, environment);
        return explain(name, errno, failure);
    }
    if (path == NULL) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    failure_set(failure, STEP_SEARCH, mistaken(name), name);
    if (*name == 0) return;
    for (const char *at = path, *end; at != NULL; at = *end == 0 ? NULL : end + 1) {
        end = strchrnul(at, ':');
        int length = (int)(end - at);
        if ((size_t)snprintf(candidate, sizeof candidate, "%.*s%s%s", length, at, length > 0 ? "/" : "", name) >=
            sizeof candidate)
            continue;
        execve(candidate, argv, environment);
        int error = errno;
        if (error == ENOTDIR || (error == ENOENT && access(candidate, F_OK) != 0)) continue;
        explain(candidate, error, failure);
        if (error != EACCES || failure->error == EISDIR) {
            if (failure->error != EISDIR) return;
            failure_set(failure, STEP_SEARCH, mistaken(name), name); /* a directory of that name is no program */
        }
    }
}

static size_t count_of(char *const *texts) {
    size_t count = 0;
    while (texts[count] != NULL) count++;
    return count;
}

/* A list of the plan, slots filled, with `after` behind it. */
static char **filled_list(const struct start *start, struct plan_list list, char *const *after,
                          struct failure *failure) {
    size_t count = 0;
    char **texts = calloc(list.left + count_of(after) + 1, sizeof *texts);
    if (texts == NULL) return failure_set(failure, STEP_MEMORY, errno, ""), NULL;
    for (const char *text; (text = list_next(&list)) != NULL;)
        if ((texts[count++] = (char *)slots_fill_all(&start->slots, text)) == NULL)
            return failure_set(failure, STEP_SLOT, errno, text), NULL;
    while (*after != NULL) texts[count++] = *after++;
    return texts;
}

/* What stands behind the wrapper's own words: the command, or ourselves inside with the command. */
static char **wrapped_command(const struct start *start, const struct record *wrap, struct failure *failure) {
    if (start->inside == NULL) return start->command;
    bool handed = start->handover != NULL;
    char **words = inside_arguments(start, handed ? 0 : wrap->field[1].l.left, handed ? 0 : getppid(), failure);
    size_t count = count_of(start->command) + 1;
    if (words == NULL) return NULL;
    words = reallocarray(words, INSIDE_COMMAND + count, sizeof *words);
    if (words == NULL) return failure_set(failure, STEP_MEMORY, errno, ""), NULL;
    memcpy(words + INSIDE_COMMAND - 1, start->command, count * sizeof *words);
    if (!handed) fcntl(start->reports, F_SETFD, 0);
    return words;
}

/* Becomes the program that starts the command. Its own variables come first: getenv(3) finds those. */
static void execute_wrapped(const struct start *start, const struct record *wrap, char **environment,
                            struct failure *failure) {
    char **command = wrapped_command(start, wrap, failure);
    if (command != NULL && start->handover != NULL) {
        if (handover_give(start, command, environment, failure) != 0) return;
        while (*command != NULL) command++; /* nothing behind its own words */
        environment = start->environment;
    }
    char **argv = command == NULL ? NULL : filled_list(start, wrap->field[0].l, command, failure);
    char **variables = argv == NULL ? NULL : filled_list(start, wrap->field[1].l, environment, failure);
    if (variables == NULL) return;
    execve(argv[0], argv, variables);
    failure_set(failure, STEP_WRAP, errno, argv[0]);
}

static void become(const struct start *start, char **environment, int terminal, struct failure *failure) {
    const struct record *wrap = plan_find(start->plan, OP_WRAP);
    umask(start->caller_umask);
    if (connect_streams(start, terminal, failure) != 0 || apply(start, wrap != NULL, failure) != 0) return;
    if (idmap_become(start, terminal, failure) != 0) return;
    if (supervise_enter(start, failure) != 0) return;
    if (start->handover == NULL && confine_apply(start->plan, failure) != 0) return;
    bool set_inside = start->inside != NULL && start->handover == NULL;
    if (!set_inside) sigprocmask(SIG_SETMASK, &start->caller_mask, NULL);
    if (wrap != NULL) return execute_wrapped(start, wrap, environment, failure);
    if (start->turns != NULL && !turns_over(start->turns, 0)) {
        failure_set(failure, STEP_AFFINITY, errno, "");
        return;
    }
    execute(start->command, environment, failure);
}

void command_become(const struct start *start, char **environment, int terminal, struct failure *failure) {
    struct failure ours = {0}; /* on the way there are failures that do not matter in the end */
    become(start, environment, terminal, &ours);
    *failure = ours;
}
