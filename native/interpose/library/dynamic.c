/* Libraries that a program loads by itself. */
#include "../text.h"
#include "export.h"
#include "real.h"

extern void *dlopen(const char *path, int mode);
extern void *dlmopen(long space, const char *path, int mode);

static __attribute__((noinline)) void *open_path(const char *path, int mode) {
    struct place at;
    int found = place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at);
    return REAL_FUNCTION(dlopen)(found < 0 ? path : at.path, mode);
}

/* A bare name is looked for in the folders of the library that asks (its RUNPATH), which the loader knows by the
   address that the call returns to: so it must be a jump, and is one with -O2. */
EXPORT void *dlopen(const char *path, int mode) {
    if (path != NULL && text_find(path, '/') != NULL) return open_path(path, mode);
    return REAL_FUNCTION(dlopen)(path, mode);
}

EXPORT void *dlmopen(long space, const char *path, int mode) {
    struct place at = {.path = path};
    if (path != NULL && text_find(path, '/') != NULL) place_find(view(), KERNEL_CWD, path, PLACE_FOLLOW, &at);
    return REAL_FUNCTION(dlmopen)(space, at.path, mode);
}

struct symbol { /* Dl_info */
    const char *file;
    void *base;
    const char *name;
    void *address;
};

/* A file of the image has its guest path at the end of its host path. */
EXPORT int dladdr(const void *address, struct symbol *found) {
    int answer = REAL_FUNCTION(dladdr)(address, found);
    const struct area *root = view()->root;
    if (answer != 0 && root != NULL && root->host_length > 0 && found->file != NULL &&
        text_starts(found->file, root->host) && found->file[root->host_length] == '/')
        found->file += root->host_length;
    return answer;
}
