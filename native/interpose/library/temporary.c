/* Files with names that nobody else has. */
#include "../text.h"
#include "export.h"

extern void *malloc(size_t size) WEAK;
extern char *getenv(const char *name) WEAK;
extern void *fdopen(int file, const char *mode) WEAK;
extern int mkdir(const char *path, unsigned mode);

enum { ATTEMPTS = 200 };

typedef long make(const char *path, int flags);

static long make_file(const char *path, int flags) {
    return open_at(KERNEL_CWD, path, flags | KERNEL_BOTH | KERNEL_CREATE | KERNEL_EXCLUSIVE, 0600);
}

static long make_folder(const char *path, int flags) {
    (void)flags;
    return mkdir(path, 0700) == 0 ? 0 : -*__errno_location();
}

static long make_nothing(const char *path, int flags) {
    struct kernel_stat found;
    long answer = stat_at(KERNEL_CWD, path, &found, flags | KERNEL_NOFOLLOW);
    return answer == 0 ? -KERNEL_EEXIST : answer == -KERNEL_ENOENT ? 0 : answer;
}

/* Replaces the six X before the last `after` bytes until `made` has what nobody had. */
static long make_unique(char *pattern, int after, int flags, make *made) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t length = text_length(pattern);
    if (after < 0 || length < (size_t)after + 6) return -KERNEL_EINVAL;
    char *name = pattern + length - (size_t)after - 6;
    if (!text_equal(name, "XXXXXX", 6)) return -KERNEL_EINVAL;
    long answer = -KERNEL_EEXIST;
    for (int i = 0; i < ATTEMPTS && answer == -KERNEL_EEXIST; i++) {
        uint64_t chance = (uint64_t)(uintptr_t)&chance ^ (uint64_t)i;
        kernel(SYS_getrandom, &chance, sizeof chance, 1 /* GRND_NONBLOCK */);
        for (int at = 0; at < 6; at++, chance /= 62) name[at] = letters[chance % 62];
        answer = made(pattern, flags);
    }
    return answer;
}

EXPORT int mkostemps(char *pattern, int after, int flags) {
    return (int)answer(make_unique(pattern, after, flags & ~KERNEL_ACCESS, make_file));
}
EXPORT int mkstemps(char *pattern, int after) { return mkostemps(pattern, after, 0); }
EXPORT int mkostemp(char *pattern, int flags) { return mkostemps(pattern, 0, flags); }
EXPORT int mkstemp(char *pattern) { return mkostemps(pattern, 0, 0); }
ALIAS(mkostemps64, mkostemps);
ALIAS(mkstemps64, mkstemps);
ALIAS(mkostemp64, mkostemp);
ALIAS(mkstemp64, mkstemp);

EXPORT char *mkdtemp(char *pattern) { return answer(make_unique(pattern, 0, 0, make_folder)) < 0 ? NULL : pattern; }

EXPORT char *mktemp(char *pattern) {
    if (answer(make_unique(pattern, 0, 0, make_nothing)) < 0) pattern[0] = 0;
    return pattern;
}

EXPORT void *tmpfile(void) {
    char path[] = "/tmp/tmpfXXXXXX";
    int file = mkostemp(path, 0);
    if (file < 0) return NULL;
    struct place at;
    if (place_find(view(), KERNEL_CWD, path, 0, &at) == 0) kernel(SYS_unlinkat, at.folder, at.path, 0);
    return fdopen(file, "w+");
}
ALIAS(tmpfile64, tmpfile);

static bool is_folder(const char *path) {
    struct kernel_stat found;
    return path != NULL && stat_at(KERNEL_CWD, path, &found, 0) == 0 && (found.mode & KERNEL_TYPE) == KERNEL_IS_FOLDER;
}

EXPORT char *tempnam(const char *folder, const char *prefix) {
    const char *wanted = getenv("TMPDIR");
    if (!is_folder(wanted)) wanted = is_folder(folder) ? folder : "/tmp";
    char *path = malloc(text_length(wanted) + 16);
    if (path == NULL) return NULL;
    struct line line = {path, 0, text_length(wanted) + 16, false};
    line_add(&line, wanted);
    line_add(&line, "/");
    if (prefix != NULL) line_bytes(&line, prefix, text_length(prefix) < 5 ? text_length(prefix) : 5);
    line_add(&line, "XXXXXX");
    return answer(make_unique(path, 0, 0, make_nothing)) < 0 ? NULL : path;
}
