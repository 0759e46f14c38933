/* Becoming another program. */
#include <stdarg.h>

#include "../start.h"
#include "../text.h"
#include "export.h"

extern char **environ WEAK;

static long become(void *context, const char *file, char *const *argv, char *const *envp) {
    (void)context;
    return kernel(SYS_execve, file, argv, envp);
}

static int execute(int folder, const char *path, char *const *argv, char *const *envp) {
    struct refusal refusal = {.kind = PROGRAM_OK};
    if (view()->count == 0) return (int)answer(kernel(SYS_execve, path, argv, envp));
    long result = start(view(), folder, path, argv, envp, become, NULL, &refusal);
    start_explain(&refusal);
    return (int)answer(result);
}

/* A text without '#!' is the shell's, execvp(3) says. */
static int give_to_shell(const char *path, char *const *argv, char *const *envp) {
    size_t count = 0;
    while (argv[count] != NULL) count++;
    const char *words[count + 3];
    words[0] = "sh";
    words[1] = path;
    for (size_t i = 1; i <= count; i++) words[i + 1] = argv[i];
    if (count == 0) words[2] = NULL;
    return execute(KERNEL_CWD, "/bin/sh", (char *const *)words, envp);
}

static int search(const char *name, char *const *argv, char *const *envp) {
    struct refusal refusal = {.kind = PROGRAM_OK};
    long result = start_search(view(), name, argv, envp, become, NULL, &refusal);
    if (result == -KERNEL_ENOEXEC && start_is_text(&refusal)) return give_to_shell(refusal.path, argv, envp);
    start_explain(&refusal);
    return (int)answer(result);
}

EXPORT int execve(const char *path, char *const *argv, char *const *envp) {
    return execute(KERNEL_CWD, path, argv, envp);
}
EXPORT int execv(const char *path, char *const *argv) { return execve(path, argv, environ); }

/* PATH is this process' own, whatever the new environment says. */
EXPORT int execvpe(const char *name, char *const *argv, char *const *envp) {
    return view()->count == 0 ? execve(name, argv, envp) : search(name, argv, envp);
}
EXPORT int execvp(const char *name, char *const *argv) { return execvpe(name, argv, environ); }

EXPORT int execveat(int folder, const char *path, char *const *argv, char *const *envp, int flags) {
    char link[40] = "/proc/self/fd/";
    if ((flags & KERNEL_EMPTY_PATH) == 0 || path[0] != 0) return execute(folder, path, argv, envp);
    text_number(link + 14, (unsigned long)folder);
    return execute(KERNEL_CWD, link, argv, envp);
}
EXPORT int fexecve(int file, char *const *argv, char *const *envp) {
    return execveat(file, "", argv, envp, KERNEL_EMPTY_PATH);
}

/* Calls `call` with the words of an argument list that NULL ends; `rest` is what stands after it. */
#define LISTED(first, rest, call) \
    va_list more; \
    size_t count = 1; \
    va_start(more, first); \
    while (va_arg(more, const char *) != NULL) count++; \
    va_end(more); \
    char *argv[count + 1]; \
    va_start(more, first); \
    argv[0] = (char *)first; \
    for (size_t i = 1; i <= count; i++) argv[i] = va_arg(more, char *); \
    rest; \
    va_end(more); \
    return call

EXPORT int execl(const char *path, const char *first, ...) { LISTED(first, , execve(path, argv, environ)); }
EXPORT int execlp(const char *name, const char *first, ...) { LISTED(first, , execvpe(name, argv, environ)); }
EXPORT int execle(const char *path, const char *first, ...) {
    LISTED(first, char *const *envp = va_arg(more, char *const *), execve(path, argv, envp));
}
