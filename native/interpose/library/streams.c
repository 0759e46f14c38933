/* Functions of the C library that open by themselves: they are given host paths. */
#include "../text.h"
#include "export.h"
#include "real.h"

extern void *fopen(const char *path, const char *mode);
extern void *freopen(const char *path, const char *mode, void *stream);
extern void *setmntent(const char *path, const char *mode);
extern int statvfs(const char *path, void *found);
extern long pathconf(const char *path, int name);
extern char *bindtextdomain(const char *domain, const char *folder);

static bool writes(const char *mode) { return mode[0] == 'w' || mode[0] == 'a' || text_find(mode, '+') != NULL; }

/* Where a stream's file is; false (errno set) where it may not be opened so. */
static bool find_stream(const char *path, const char *mode, struct place *at) {
    long found = place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW | (writes(mode) ? PLACE_AREA : 0), at);
    if (found == 0 && at->read_only && writes(mode)) {
        struct kernel_stat there;
        found = kernel_stat(at->folder, at->path, &there, 0);
        unsigned type = there.mode & KERNEL_TYPE;
        if (found == -KERNEL_ENOENT && mode[0] != 'r') found = -KERNEL_EROFS;
        if (found == 0 && type == KERNEL_IS_FOLDER) found = -KERNEL_EISDIR;
        if (found == 0 && type == KERNEL_IS_FILE) found = -KERNEL_EROFS;
    }
    return answer(found) == 0;
}

EXPORT void *fopen(const char *path, const char *mode) {
    struct place at;
    return find_stream(path, mode, &at) ? REAL_FUNCTION(fopen)(at.path, mode) : NULL;
}

EXPORT void *freopen(const char *path, const char *mode, void *stream) {
    struct place at;
    if (path == NULL) return REAL_FUNCTION(freopen)(path, mode, stream);
    return find_stream(path, mode, &at) ? REAL_FUNCTION(freopen)(at.path, mode, stream) : NULL;
}

EXPORT void *setmntent(const char *path, const char *mode) {
    struct place at;
    return find_stream(path, mode, &at) ? REAL_FUNCTION(setmntent)(at.path, mode) : NULL;
}

ALIAS(fopen64, fopen);
ALIAS(freopen64, freopen);

EXPORT int statvfs(const char *path, void *found) {
    struct place at;
    if (answer(place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at)) < 0) return -1;
    return REAL_FUNCTION(statvfs)(at.path, found);
}
ALIAS(statvfs64, statvfs);

EXPORT long pathconf(const char *path, int name) {
    struct place at;
    if (answer(place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at)) < 0) return -1;
    return REAL_FUNCTION(pathconf)(at.path, name);
}

EXPORT char *bindtextdomain(const char *domain, const char *folder) {
    struct place at = {.path = folder};
    if (folder != NULL) place_find(view(), KERNEL_CWD, folder, PLACE_FOLLOW, &at);
    return REAL_FUNCTION(bindtextdomain)(domain, at.path);
}
