#include "compose.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct statement {
    const char *option, *verb, *end;
    int words;    /* after the option */
    bool resolve; /* the first of them */
} statements[] = {
    {"--root", "root", "", 1, true},           {"--writable-root", "root", " rw", 1, true},
    {"--bind", "bind", "", 2, true},           {"--read-only", "bind", " ro", 2, true},
    {"--host", "host", "", 1, false},          {"--facts", "facts", "", 1, false},
};

static void put(FILE *file, const char *path) {
    putc(' ', file);
    for (; *path != 0; path++) {
        if (*path == ' ' || *path == '\t' || *path == '\n' || *path == '\\')
            fprintf(file, "\\%03o", (unsigned)*path);
        else
            putc(*path, file);
    }
}

static const struct statement *find(const char *option) {
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (strcmp(statements[i].option, option) == 0) return &statements[i];
    return NULL;
}

/* One statement of the words at `argv`; how many words it took, or -1 with errno. */
static int state(FILE *file, char **argv) {
    char resolved[PATH_MAX];
    const struct statement *statement = find(argv[0]);
    if (statement == NULL || argv[1] == NULL || (statement->words == 2 && argv[2] == NULL)) return errno = EINVAL, -1;
    const char *first = statement->resolve ? realpath(argv[1], resolved) : argv[1];
    if (first == NULL) return -1;
    fputs(statement->verb, file);
    put(file, first);
    if (statement->words == 2) put(file, argv[2]);
    fprintf(file, "%s\n", statement->end);
    return 1 + statement->words;
}

int compose(const char *path, char ***argv, const char **about) {
    char making[PATH_MAX];
    *about = path;
    if (snprintf(making, sizeof making, "%s.%d", path, (int)getpid()) >= (int)sizeof making) return ENAMETOOLONG;
    FILE *file = fopen(making, "w");
    if (file == NULL) return errno;
    for (int taken; **argv != NULL && strcmp(**argv, "--") != 0; *argv += taken) {
        taken = state(file, *argv);
        if (taken < 0) {
            int error = errno;
            *about = errno == EINVAL || (*argv)[1] == NULL ? **argv : (*argv)[1];
            fclose(file);
            unlink(making);
            return error;
        }
    }
    if (**argv != NULL) ++*argv;
    bool written = fflush(file) == 0 && chmod(making, 0600) == 0;
    int error = errno;
    if (fclose(file) == 0 && written && rename(making, path) == 0) return 0;
    if (written) error = errno;
    unlink(making);
    return error;
}
