/* What a plan without namespaces prepares for a program of the host that passes neither our words nor our descriptors on
 * (OCI runtimes and their like): files in the scratch folder, which that program shows inside.
 *
 * HANDOVER names BASE. BASE holds what is to be started: the words of inside.h and the command, its variables, what it may
 * not do. BASE.reports is a FIFO in place of the report pipe. Who reads BASE removes both.
 */
#ifndef WHERRY_HANDOVER_H
#define WHERRY_HANDOVER_H

#include "start.h"

/* WRITE: a new file, the slots in its text filled in as JSON strings have it. */
int handover_write_text(const struct start *start, const struct record *record, struct failure *failure);

/* POINT: a directory or an empty file, as the source is. */
int handover_point(const struct start *start, const struct record *record, struct failure *failure);

/* LINK: a symbolic link; one that is there is left. */
int handover_link(const struct start *start, const struct record *record, struct failure *failure);

/* Both ends of BASE.reports, as pipe2(2) would give them. */
int handover_pipe(const struct start *start, int ends[2], struct failure *failure);

/* Writes BASE. */
int handover_give(const struct start *start, char **words, char **environment, struct failure *failure);

/* What was in BASE: `words` begin where argv[0] would be. */
struct handed {
    char **words, **environment;
    struct record confine; /* SECCOMP or NO_NEW_PRIVS, or zero */
    mode_t mask;
    int reports;
};

int handover_take(const char *base, struct handed *handed, struct failure *failure);

#endif
