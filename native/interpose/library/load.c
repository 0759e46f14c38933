/* When the library comes into a process: reads what it sees, and hides how it was started. */
#include "../start.h"
#include "../text.h"
#include "export.h"
#include "real.h"

/* The one mutable state: interposed calls have no parameter to carry it. Written once, before there are threads; its
   facts later, each at once. */
static struct view seen;
static bool ready;

extern char **environ WEAK;
extern char *program_invocation_name WEAK;
extern char *program_invocation_short_name WEAK;

static _Noreturn void give_up(const char *path, const char *why) {
    char text[PATH_ROOM + 128];
    struct line line = {text, 0, sizeof text, false};
    const char *parts[] = {"wherry: cannot use the configuration '", path, "': ", why, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) line_add(&line, parts[i]);
    kernel(SYS_write, 2, text, line.length);
    for (;;) kernel(SYS_exit_group, 125);
}

/* Copies, since a program may write over its environment to show a title. Cut at the first of `ends`. */
static const char *keep(char *room, const char *text, const char *ends) {
    size_t length = 0;
    while (text[length] != 0 && text_find(ends, text[length]) == NULL && length < PATH_ROOM - 1) length++;
    text_move(room, text, length);
    room[length] = 0;
    return room;
}

static void read_view(void) {
    const char *config = start_variable(environ, START_CONFIG), *preloads = start_variable(environ, "LD_PRELOAD");
    if (config == NULL || preloads == NULL) return;
    long trouble = view_read(&seen, config);
    if (trouble < 0) give_up(config, "it cannot be read");
    if (trouble > 0) give_up(config, "it makes no sense");
    static char kept_config[PATH_ROOM], kept_preload[PATH_ROOM];
    seen.config = keep(kept_config, config, "");
    seen.preload = keep(kept_preload, preloads, ": "); /* we are the first */
}

struct view *view(void) {
    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
        if (&environ != NULL && environ != NULL) read_view();
        __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
    }
    return &seen;
}

/* Takes a variable out of the environment; its entry or NULL. */
static char *take(const char *name) {
    size_t length = text_length(name);
    for (char **at = environ; *at != NULL; at++)
        if (text_starts(*at, name) && (*at)[length] == '=') {
            char *entry = *at;
            for (; *at != NULL; at++) at[0] = at[1];
            return entry;
        }
    return NULL;
}

/* "PROGRAM\nNAME\nARGV0": what the loader, which the kernel started, should look like. */
static void take_part(char *self, char **argv) {
    static char kept[PATH_ROOM];
    char *name = (char *)text_find(self, '\n');
    if (name == NULL) return;
    *name++ = 0;
    char *first = (char *)text_find(name, '\n');
    if (first == NULL) return;
    *first++ = 0;
    seen.program = keep(kept, self, "");
    kernel(SYS_prctl, 15 /* PR_SET_NAME */, name, 0, 0, 0);
    if (argv != NULL && argv[0] != NULL) argv[0] = first;
    if (&program_invocation_name != NULL) program_invocation_name = first;
    if (&program_invocation_short_name != NULL) program_invocation_short_name = (char *)text_base(first);
}

/* The program sees the LD_PRELOAD that its user gave, if any. */
static void hide_preload(void) {
    char *entry = take("LD_PRELOAD");
    if (entry == NULL) return;
    char *others = (char *)text_find(entry, ':');
    if (others == NULL) return;
    text_move(entry + text_length("LD_PRELOAD="), others + 1, text_length(others + 1) + 1);
    char **end = environ;
    while (*end != NULL) end++;
    end[0] = entry; /* where take() made room */
    end[1] = NULL;
}

__attribute__((constructor)) static void load(int argc, char **argv, char **envp) {
    (void)argc, (void)envp;
    if (view()->count == 0) return;
    real_find_all();
    char *self = take(START_SELF);
    if (self != NULL) take_part(self + text_length(START_SELF "="), argv);
    take(START_CONFIG);
    take("LD_AUDIT");
    const char *bound = start_variable(environ, "LD_BIND_NOW");
    if (bound != NULL && text_same(bound, START_BIND_NOW)) take("LD_BIND_NOW");
    hide_preload();
}
