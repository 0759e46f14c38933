/* system(), popen() and pclose(): the C library's would start the host's /bin/sh. */
#include "../start.h"
#include "../text.h"
#include "export.h"
#include "real.h"

extern char **environ WEAK;
extern void *fdopen(int file, const char *mode) WEAK;
extern int fclose(void *stream) WEAK;
extern int fileno(void *stream) WEAK;
extern int pclose(void *stream);
extern void *malloc(size_t size) WEAK;
extern void free(void *memory) WEAK;

enum { CHILD_ENDS = 17, INTERRUPT = 2, QUIT = 3, BLOCK = 0, SET = 2, SIGNAL_BYTES = 8 };

struct action { /* the kernel's sigaction */
    void *handler;
    unsigned long flags;
#if defined(__x86_64__)
    void *restorer;
#endif
    uint64_t mask;
};

static long become(void *context, const char *file, char *const *argv, char *const *envp) {
    (void)context;
    return kernel(SYS_execve, file, argv, envp);
}

/* Starts "sh -c TEXT" with descriptor `from`, if any, as its `to`; `before` runs in the child. */
static long start_shell(const char *text, int from, int to, void (*before)(const void *), const void *data) {
    const char *argv[] = {"sh", "-c", text, NULL};
    long child = kernel(SYS_clone, CHILD_ENDS, 0, 0, 0, 0); /* as fork(), without handlers: it executes at once */
    if (child != 0) return child;
    struct refusal refusal = {.kind = PROGRAM_OK};
    if (before != NULL) before(data);
    if (from >= 0 && from != to) kernel(SYS_dup3, from, to, 0);
    if (from >= 0 && from == to) kernel(SYS_fcntl, from, 2 /* F_SETFD */, 0);
    start(view(), KERNEL_CWD, "/bin/sh", (char *const *)argv, environ, become, NULL, &refusal);
    start_explain(&refusal);
    for (;;) kernel(SYS_exit_group, 127);
}

static long wait_for(long child, int *status) {
    long got;
    do got = kernel(SYS_wait4, child, status, 0, 0);
    while (got == -4 /* EINTR */);
    return got;
}

struct signals {
    struct action interrupt, quit;
    uint64_t mask;
};

static void restore(const void *data) {
    const struct signals *saved = data;
    kernel(SYS_rt_sigaction, INTERRUPT, &saved->interrupt, 0, SIGNAL_BYTES);
    kernel(SYS_rt_sigaction, QUIT, &saved->quit, 0, SIGNAL_BYTES);
    kernel(SYS_rt_sigprocmask, SET, &saved->mask, 0, SIGNAL_BYTES);
}

EXPORT int system(const char *command) {
    struct signals saved;
    struct action ignore = {.handler = (void *)1};
    uint64_t ends = 1ULL << (CHILD_ENDS - 1);
    int status = -1;
    if (command == NULL) return system("exit 0") == 0;
    kernel(SYS_rt_sigaction, INTERRUPT, &ignore, &saved.interrupt, SIGNAL_BYTES);
    kernel(SYS_rt_sigaction, QUIT, &ignore, &saved.quit, SIGNAL_BYTES);
    kernel(SYS_rt_sigprocmask, BLOCK, &ends, &saved.mask, SIGNAL_BYTES);
    long child = start_shell(command, -1, -1, restore, &saved);
    long got = child < 0 ? child : wait_for(child, &status);
    restore(&saved);
    return got < 0 ? (int)answer(got) : status;
}

/* Open popen() streams. A list and a lock: seldom used, never long. */
struct pipe {
    void *stream;
    long child;
    struct pipe *next;
};
static struct pipe *pipes;
static bool locked;

static void lock(void) {
    while (__atomic_exchange_n(&locked, true, __ATOMIC_ACQUIRE)) kernel(SYS_sched_yield);
}
static void unlock(void) { __atomic_store_n(&locked, false, __ATOMIC_RELEASE); }

/* A child of popen() does not inherit the streams of earlier ones. */
static void close_pipes(const void *data) {
    (void)data;
    for (const struct pipe *pipe = pipes; pipe != NULL; pipe = pipe->next) kernel_close(fileno(pipe->stream));
}

EXPORT void *popen(const char *command, const char *mode) {
    int ends[2];
    bool reads = mode[0] == 'r', stays = text_find(mode, 'e') != NULL;
    if (!reads && mode[0] != 'w') return (void)answer(-KERNEL_EINVAL), NULL;
    struct pipe *made = malloc(sizeof *made);
    if (made == NULL) return NULL;
    long result = kernel(SYS_pipe2, ends, KERNEL_CLOSE);
    if (result == 0) {
        lock();
        result = made->child = start_shell(command, ends[reads ? 1 : 0], reads ? 1 : 0, close_pipes, NULL);
        unlock();
        kernel_close(ends[reads ? 1 : 0]);
    }
    made->stream = result < 0 ? NULL : fdopen(ends[reads ? 0 : 1], reads ? "r" : "w");
    if (made->stream == NULL) {
        free(made);
        return (void)answer(result), NULL;
    }
    if (!stays) kernel(SYS_fcntl, ends[reads ? 0 : 1], 2 /* F_SETFD */, 0);
    lock();
    made->next = pipes;
    pipes = made;
    unlock();
    return made->stream;
}

EXPORT int pclose(void *stream) {
    struct pipe *found = NULL;
    int status = -1;
    lock();
    for (struct pipe **at = &pipes; *at != NULL; at = &(*at)->next)
        if ((*at)->stream == stream) {
            found = *at;
            *at = found->next;
            break;
        }
    unlock();
    if (found == NULL) return REAL_FUNCTION(pclose)(stream);
    long child = found->child;
    free(found);
    fclose(stream);
    long got = wait_for(child, &status);
    return got < 0 ? (int)answer(got) : status;
}
