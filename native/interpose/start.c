#include "start.h"

#include "kernel.h"
#include "place.h"
#include "text.h"

enum { MOST_SCRIPTS = 4, MOST_LEADING = 2 + 2 * MOST_SCRIPTS, OUR_ENTRIES = 4 };

/* The first arguments, once scripts' interpreters are put before them. */
struct leading {
    const char *words[MOST_LEADING];
    size_t count;
    char interpreters[MOST_SCRIPTS][256], arguments[MOST_SCRIPTS][256];
};

const char *start_variable(char *const *envp, const char *name) {
    size_t length = text_length(name);
    for (; envp != NULL && *envp != NULL; envp++)
        if (text_starts(*envp, name) && (*envp)[length] == '=') return *envp + length + 1;
    return NULL;
}

/* "#! INTERPRETER [ARGUMENT]": both and the script's path take the place of the first word. */
static const char *lead(struct leading *leading, unsigned level, const struct program *program, const char *path) {
    size_t more = program->argument[0] != 0 ? 2 : 1;
    for (size_t i = leading->count; i > 1; i--) leading->words[i - 1 + more] = leading->words[i - 1];
    text_move(leading->interpreters[level], program->interpreter, sizeof program->interpreter);
    text_move(leading->arguments[level], program->argument, sizeof program->argument);
    leading->words[0] = leading->interpreters[level];
    if (more == 2) leading->words[1] = leading->arguments[level];
    leading->words[more] = path;
    leading->count += more;
    return leading->words[0];
}

static bool is_ours(const char *entry) {
    return text_starts(entry, "LD_PRELOAD=") || text_starts(entry, "LD_AUDIT=") ||
           text_starts(entry, START_CONFIG "=") || text_starts(entry, START_SELF "=");
}

/* Before glibc 2.35 an audited program paid for each call through a library that is bound when first used: there all
   are bound at once. Loaders since then have that version's name among their own. */
static __attribute__((noinline)) bool binds_slowly(const char *loader) {
    char head[8192];
    static const char version[] = "GLIBC_2.35";
    int file = kernel_open(KERNEL_CWD, loader, KERNEL_READ);
    long size = file < 0 ? 0 : kernel(SYS_read, file, head, sizeof head);
    if (file >= 0) kernel_close(file);
    for (long i = 0; i + (long)sizeof version <= size; i++)
        if (head[i] == 'G' && text_equal(head + i, version, sizeof version)) return false;
    return true;
}

/* Our entries of the environment, each ended, in the caller's room; how much that must be if there is none. */
static size_t write_entries(const struct view *view, const char *program, const char *path, const char *name,
                            const char *preloads, char *room, const char **entries) {
    const char *parts[][7] = {
        {START_CONFIG "=", view->config},
        {START_SELF "=", program, "\n", text_base(path), "\n", name},
        {"LD_AUDIT=", view->preload},
        {"LD_PRELOAD=", view->preload, preloads == NULL ? "" : ":", preloads == NULL ? "" : preloads},
    };
    size_t size = 0;
    for (size_t i = 0; i < OUR_ENTRIES; i++) {
        if (room != NULL) entries[i] = room + size;
        for (const char **part = parts[i]; *part != NULL; part++) {
            size_t length = text_length(*part);
            if (room != NULL) text_move(room + size, *part, length);
            size += length;
        }
        if (room != NULL) room[size] = 0;
        size++;
    }
    return size;
}

/* "ld.so [--OPTION [VALUE]]... PROGRAM": which of its arguments is the program. */
static size_t find_loaded(char *const *argv, size_t count) {
    static const char valued[][16] = {"--library-path", "--inhibit-rpath", "--audit", "--preload", "--argv0"};
    size_t at = 1;
    for (; at < count && text_starts(argv[at], "--"); at++)
        for (size_t i = 0; i < sizeof valued / sizeof valued[0]; i++)
            if (text_same(argv[at], valued[i]) && at + 1 < count) {
                at++;
                break;
            }
    return at;
}

static long compose(struct view *view, const struct program *program, const struct leading *leading, const char *path,
                    char *const *argv, char *const *envp, start_act *act, void *context) {
    struct place loader, loaded = {.path = NULL};
    bool bare = program->kind == PROGRAM_LOADER;
    int answer = place_find(view, KERNEL_CWD, bare ? program->guest : program->interpreter, PLACE_FOLLOW, &loader);
    if (answer < 0) return answer;
    if (!kernel_may(loader.path, 1)) return -KERNEL_ENOENT;

    size_t arguments = 0, variables = 0, at = 0, kept = OUR_ENTRIES;
    while (argv != NULL && argv[arguments] != NULL) arguments++;
    while (envp != NULL && envp[variables] != NULL) variables++;
    size_t mapped = bare ? find_loaded(argv, arguments) : 0;
    if (mapped > 0 && mapped < arguments) place_find(view, KERNEL_CWD, argv[mapped], PLACE_FOLLOW, &loaded);
    const char *words[arguments + MOST_LEADING + 4];
    words[at++] = leading->words[0];
    words[at++] = "--inhibit-cache";
    if (!bare) words[at++] = program->host;
    for (size_t i = 1; i < leading->count; i++) words[at++] = leading->words[i];
    for (size_t i = 1; i < arguments; i++) words[at++] = i == mapped && loaded.path != NULL ? loaded.path : argv[i];
    words[at] = NULL;

    const char *preloads = start_variable(envp, "LD_PRELOAD"), *name = leading->words[0];
    const char *self = mapped > 0 && mapped < arguments ? argv[mapped] : program->guest;
    char room[write_entries(view, self, path, name, preloads, NULL, NULL)];
    const char *entries[variables + OUR_ENTRIES + 2];
    write_entries(view, self, path, name, preloads, room, entries);
    if (start_variable(envp, "LD_BIND_NOW") == NULL && binds_slowly(loader.path))
        entries[kept++] = "LD_BIND_NOW=" START_BIND_NOW;
    for (size_t i = 0; i < variables; i++)
        if (!is_ours(envp[i])) entries[kept++] = envp[i];
    entries[kept] = NULL;
    return act(context, loader.path, (char *const *)words, (char *const *)entries);
}

long start(struct view *view, int folder, const char *path, char *const *argv, char *const *envp, start_act *act,
           void *context, struct refusal *refusal) {
    struct leading leading = {.words = {argv != NULL && argv[0] != NULL ? argv[0] : path}, .count = 1};
    struct program program;
    const char *asked = path;
    for (unsigned level = 0;; level++) {
        program_look(view, folder, asked, &program);
        refusal->kind = program.kind;
        text_move(refusal->path, asked, text_length(asked) < PATH_ROOM ? text_length(asked) + 1 : 0);
        if (program.kind != PROGRAM_SCRIPT) break;
        if (level == MOST_SCRIPTS) return -KERNEL_ELOOP;
        asked = lead(&leading, level, &program, asked);
        folder = KERNEL_CWD;
    }
    if (program.kind == PROGRAM_MISSING) return -program.error;
    if (program.kind != PROGRAM_OK && program.kind != PROGRAM_LOADER) return -KERNEL_ENOEXEC;
    return compose(view, &program, &leading, path, argv, envp, act, context);
}

void start_explain(const struct refusal *refusal) {
    char text[PATH_ROOM + 256];
    struct line line = {text, 0, sizeof text, false};
    if (refusal->kind < PROGRAM_STATIC) return;
    const char *parts[] = {"wherry: '", refusal->path, "' ", program_says(refusal->kind),
                           ": the fakechroot engine cannot run it; --engine proot can\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) line_add(&line, parts[i]);
    kernel(SYS_write, 2, text, line.length);
}

long start_search(struct view *view, const char *name, char *const *argv, char *const *envp, start_act *act,
                  void *context, struct refusal *refusal) {
    if (text_find(name, '/') != NULL) return start(view, KERNEL_CWD, name, argv, envp, act, context, refusal);
    const char *path = start_variable(envp, "PATH");
    long worst = -KERNEL_ENOENT;
    refusal->kind = PROGRAM_MISSING;
    refusal->path[0] = 0;
    if (name[0] == 0) return worst;
    if (path == NULL) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const char *at = path, *end; at != NULL; at = *end == 0 ? NULL : end + 1) {
        char candidate[PATH_ROOM];
        struct line line = {candidate, 0, sizeof candidate, false};
        for (end = at; *end != 0 && *end != ':'; end++) {}
        candidate[0] = 0;
        line_bytes(&line, at, (size_t)(end - at));
        if (end > at) line_bytes(&line, "/", 1);
        line_add(&line, name);
        if (line.full) continue;
        long answer = start(view, KERNEL_CWD, candidate, argv, envp, act, context, refusal);
        if (answer != -KERNEL_ENOENT && answer != -KERNEL_ENOTDIR && answer != -KERNEL_EACCES) return answer;
        if (answer == -KERNEL_EACCES) worst = answer;
    }
    return worst;
}
