/* Executing a guest program: its loader from the image, its libraries from the image, us in it.
 *
 *   execve("/usr/bin/fit", {"fit", "x"}, e)  becomes
 *   execve("TREE/lib64/ld-linux-x86-64.so.2", {"fit", "--inhibit-cache", "TREE/usr/bin/fit", "x"},
 *          {"WHERRY_INTERPOSE=...", "WHERRY_INTERPOSE_SELF=...", "LD_AUDIT=...", "LD_PRELOAD=...", e...})
 *
 * Nothing is allocated: it runs in a child that shares its parent's memory (vfork) as well.
 */
#ifndef INTERPOSE_START_H
#define INTERPOSE_START_H

#include "program.h"
#include "view.h"

/* What the child must be told beside its configuration: "PROGRAM\nNAME\nARGV0", see library/load.c. */
#define START_CONFIG "WHERRY_INTERPOSE"
#define START_SELF "WHERRY_INTERPOSE_SELF"

/* What we set LD_BIND_NOW to: see start.c. */
#define START_BIND_NOW "wherry"

/* What to do with the composed command line; its answer (0 or a negative error) is start()'s. */
typedef long start_act(void *context, const char *file, char *const *argv, char *const *envp);

/* What stood in the way. */
struct refusal {
    enum program_kind kind;
    char path[PATH_ROOM]; /* the guest path of the program (or of its interpreter) */
};

/* Composes the command line for `path` (a guest path) and acts. -ENOEXEC and `refusal` where it cannot be run. */
long start(struct view *view, int folder, const char *path, char *const *argv, char *const *envp, start_act *act,
           void *context, struct refusal *refusal);

/* Does start() with a negative answer mean that the file is a script without '#!'? */
static inline bool start_is_text(const struct refusal *refusal) { return refusal->kind == PROGRAM_TEXT; }

/* "wherry: 'PATH' is ...: the fakechroot engine cannot run it; --engine proot can\n" for standard error, or nothing. */
void start_explain(const struct refusal *refusal);

/* Tries each folder of PATH in `envp` (or the usual ones). The most telling error if none has it. */
long start_search(struct view *view, const char *name, char *const *argv, char *const *envp, start_act *act,
                  void *context, struct refusal *refusal);

/* The value of a variable, or NULL. */
const char *start_variable(char *const *envp, const char *name);

#endif
