/* Reading folders, and functions that look through them. */
#include "../text.h"
#include "export.h"
#include "real.h"

extern void *opendir(const char *path);
extern void *readdir(void *folder) WEAK;
extern int closedir(void *folder) WEAK;
extern int scandir(const char *path, void *list, void *choose, void *order);
extern int scandirat(int folder, const char *path, void *list, void *choose, void *order);

EXPORT void *opendir(const char *path) {
    struct place at;
    if (answer(place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at)) < 0) return NULL;
    return REAL_FUNCTION(opendir)(at.path);
}

EXPORT int scandir(const char *path, void *list, void *choose, void *order) {
    struct place at;
    if (answer(place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at)) < 0) return -1;
    return REAL_FUNCTION(scandir)(at.path, list, choose, order);
}
ALIAS(scandir64, scandir);

EXPORT int scandirat(int folder, const char *path, void *list, void *choose, void *order) {
    struct place at;
    if (answer(place_find(view(), folder, path, PLACE_FOLLOW, &at)) < 0) return -1;
    return REAL_FUNCTION(scandirat)(at.folder, at.path, list, choose, order);
}
ALIAS(scandirat64, scandirat);

struct globbed { /* glob_t */
    size_t count;
    char **paths;
    size_t before;
    int flags;
    int (*close)(void *);
    void *(*read)(void *);
    void *(*open)(const char *);
    int (*lstat)(const char *, void *);
    int (*stat)(const char *, void *);
};

extern int glob(const char *pattern, int flags, int (*failed)(const char *, int), struct globbed *found);
extern int stat(const char *path, void *found);
extern int lstat(const char *path, void *found);

enum { GLOB_OWN_FUNCTIONS = 1 << 6 }; /* GLOB_ALTDIRFUNC */

EXPORT int glob(const char *pattern, int flags, int (*failed)(const char *, int), struct globbed *found) {
    if ((flags & GLOB_OWN_FUNCTIONS) == 0) {
        found->close = closedir, found->read = readdir, found->open = opendir;
        found->lstat = lstat, found->stat = stat;
    }
    return REAL_FUNCTION(glob)(pattern, flags | GLOB_OWN_FUNCTIONS, failed, found);
}
ALIAS(glob64, glob);
