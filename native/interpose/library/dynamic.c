/* Where a loaded library lies. What a program loads itself is found by audit.c, like all its libraries. */
#include "../text.h"
#include "export.h"
#include "real.h"

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
