/* What was found out about paths, so that most calls cost no more than without us.
 *
 * PLAIN   the kernel's way from the host path of this guest text leads to the same file as the guest's way: through no
 *         absolute link and over no border of an area. Then a call needs no look at its folders.
 * SOLID   what this resolved guest path names is no link.
 * FOLDER  it is a directory: ".." may follow.
 *
 * Only hashes are kept (63 bits: that two paths of a run meet is not to be expected), each read and written at once, so
 * that threads, signals and children need no lock. In an area that nobody changes a fact stays true. Elsewhere it holds
 * for one *generation*: a number that every call raises that could put a link where a folder was.
 *
 * The configuration names a file for them, which all processes of the container map: one finds out for all, and the
 * generation counts what any of them changes. Without it each process keeps its own, of what nobody changes.
 */
#ifndef INTERPOSE_FACTS_H
#define INTERPOSE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "view.h"

enum fact { FACT_PLAIN = 0x51, FACT_SOLID = 0xA7, FACT_FOLDER = 0x3C };

/* The hash of a text goes byte by byte: facts_step() from FACTS_START. */
#define FACTS_START 0xCBF29CE484222325ULL
static inline uint64_t facts_step(uint64_t hash, char byte) { return (hash ^ (unsigned char)byte) * 0x100000001B3ULL; }
uint64_t facts_hash(const char *text, size_t length);

/* The generation of now. What is seen from now on is learnt for it, whatever happens meanwhile. */
uint64_t facts_now(const struct view *view);

bool facts_known(const struct view *view, const struct area *area, enum fact fact, uint64_t hash);
void facts_learn(const struct view *view, const struct area *area, enum fact fact, uint64_t hash, uint64_t generation);

/* A link may now be where none was: said after it was put there. */
void facts_changed(const struct view *view);

#endif
