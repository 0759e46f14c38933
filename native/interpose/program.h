/* What a file is that shall be executed: a script, or a program that some loader can run with us in it. */
#ifndef INTERPOSE_PROGRAM_H
#define INTERPOSE_PROGRAM_H

#include "kernel.h"
#include "view.h"

/* KIND(NAME, word, what a message says after "'PATH' ") */
#define PROGRAM_KINDS(KIND) \
    KIND(OK, "ok", "") \
    KIND(SCRIPT, "script", "") \
    KIND(LOADER, "ok", "") \
    KIND(MISSING, "missing", "cannot be executed") \
    KIND(TEXT, "text", "is neither a program nor a script with '#!'") \
    KIND(STATIC, "static", "is a static program") \
    KIND(MUSL, "musl", "is a program of the musl C library") \
    KIND(OTHER_ARCH, "other-arch", "is a program for another processor")

enum program_kind {
#define KIND(name, word, says) PROGRAM_##name,
    PROGRAM_KINDS(KIND)
#undef KIND
};

struct program {
    enum program_kind kind;
    int error;             /* for PROGRAM_MISSING: the kernel's (positive) */
    char host[PATH_ROOM];  /* the file, without links */
    char guest[PATH_ROOM]; /* the same as a guest path */
    char interpreter[256]; /* the loader, or the script's; a guest path */
    char argument[256];    /* the script's one argument, or "" */
};

/* Looks at a guest path, absolute or of the working directory. */
void program_look(struct view *view, int folder, const char *path, struct program *program);

const char *program_word(enum program_kind kind);
const char *program_says(enum program_kind kind);

#endif
