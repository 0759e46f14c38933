/* posix_spawn(), and what the C library builds on it: system() and popen(). */
#include "../start.h"
#include "../text.h"
#include "export.h"
#include "real.h"

extern char **environ WEAK;
extern char *strdup(const char *text) WEAK;
extern const char *gnu_get_libc_version(void) WEAK;
extern int posix_spawn(int *child, const char *path, const void *actions, const void *attributes, char *const *argv,
                       char *const *envp);
extern int posix_spawn_file_actions_addopen(void *actions, int file, const char *path, int flags, unsigned mode);
extern int posix_spawn_file_actions_addchdir_np(void *actions, const char *path);

struct spawning {
    int *child;
    const void *actions, *attributes;
};

static long spawn(void *context, const char *file, char *const *argv, char *const *envp) {
    struct spawning *spawning = context;
    return -REAL_FUNCTION(posix_spawn)(spawning->child, file, spawning->actions, spawning->attributes, argv, envp);
}

static int spawned(long result, const struct refusal *refusal) {
    start_explain(refusal);
    return (int)-result;
}

/* A relative path is looked up here, not in the folder that `actions` may change to. */
EXPORT int posix_spawn(int *child, const char *path, const void *actions, const void *attributes, char *const *argv,
                       char *const *envp) {
    struct spawning spawning = {child, actions, attributes};
    struct refusal refusal = {.kind = PROGRAM_OK};
    if (view()->count == 0) return REAL_FUNCTION(posix_spawn)(child, path, actions, attributes, argv, envp);
    if (envp == NULL) envp = environ;
    long result = start(view(), KERNEL_CWD, path, argv, envp, spawn, &spawning, &refusal);
    return spawned(result, &refusal);
}

EXPORT int posix_spawnp(int *child, const char *name, const void *actions, const void *attributes, char *const *argv,
                        char *const *envp) {
    struct spawning spawning = {child, actions, attributes};
    struct refusal refusal = {.kind = PROGRAM_OK};
    if (envp == NULL) envp = environ;
    if (view()->count == 0 || text_find(name, '/') != NULL)
        return posix_spawn(child, name, actions, attributes, argv, envp);
    long result = start_search(view(), name, argv, envp, spawn, &spawning, &refusal);
    return spawned(result, &refusal);
}

/* Before 2.18 (there is one with three digits) the C library kept the pointer that it was given. */
static const char *lasting(const char *path) {
    const char *version = &gnu_get_libc_version == NULL ? "2.40" : gnu_get_libc_version();
    bool keeps = text_starts(version, "2.") && version[2] == '1' && version[3] < '8';
    return keeps ? strdup(path) : path;
}

EXPORT int posix_spawn_file_actions_addopen(void *actions, int file, const char *path, int flags, unsigned mode) {
    struct place at = {.path = path};
    bool writes = (flags & KERNEL_ACCESS) != KERNEL_READ;
    if (path[0] == '/') {
        int found = place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW | (writes ? PLACE_AREA : 0), &at);
        if (found == 0 && writes && at.read_only) found = -KERNEL_EROFS;
        if (found < 0) return -found;
    }
    return REAL_FUNCTION(posix_spawn_file_actions_addopen)(actions, file, lasting(at.path), flags, mode);
}

EXPORT int posix_spawn_file_actions_addchdir_np(void *actions, const char *path) {
    struct place at = {.path = path};
    int found = path[0] == '/' ? place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at) : 0;
    if (found < 0) return -found;
    return REAL_FUNCTION(posix_spawn_file_actions_addchdir_np)(actions, lasting(at.path));
}
ALIAS(posix_spawn_file_actions_addchdir, posix_spawn_file_actions_addchdir_np);
