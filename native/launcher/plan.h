/* The plan: what was decided, as bytes. Format: docs/design/plan-format.md; the table of records: ops.def.
 *
 * Reading is pure: no system call, nothing outside the given bytes is looked at, every length is checked. A plan that
 * reads well is well formed, not necessarily sensible.
 */
#ifndef WHERRY_PLAN_H
#define WHERRY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLAN_VERSION = 1, PLAN_MAX_BYTES = 4 << 20, PLAN_MAX_FIELDS = 8, PLAN_HEADER = 16, PLAN_MAX_PREFIX = 64 };

/* Names of the records: INPUT_FILE, OP_BIND ... */
enum record_kind {
#define INPUT(name, number, fields) INPUT_##name = (number),
#define OP(name, number, phase, fields) OP_##name = (number),
#include "ops.def"
#undef INPUT
#undef OP
};

enum plan_phase { PHASE_INPUT, PHASE_HOST, PHASE_INIT, PHASE_COMMAND };

/* A text's `bytes` end in a NUL that `length` does not count; blobs have no such promise. Points into the plan. */
struct plan_bytes {
    const char *bytes;
    uint32_t length;
};

/* A list of texts, walked with list_next(). */
struct plan_list {
    const unsigned char *at;
    uint32_t left;
};

union plan_field {
    uint64_t u;
    struct plan_bytes s;
    struct plan_list l;
};

struct record {
    enum record_kind kind;
    enum plan_phase phase;
    union plan_field field[PLAN_MAX_FIELDS];
};

struct plan {
    struct record *records; /* owned; inputs first, PREFIX at index 0, one EXEC or ANSWER among them */
    size_t count;
    uint32_t uid;           /* of the user who made it, as the header says */
};

/* Reads `size` bytes, which must outlive the plan. On failure: false, and `*why` says what is wrong (static text). */
bool plan_read(const unsigned char *bytes, size_t size, struct plan *plan, const char **why);
void plan_free(struct plan *plan);

/* The fields of a kind as ops.def writes them ("su"), its name and phase; NULL for an unknown kind. */
const char *plan_fields(unsigned kind, const char **name, enum plan_phase *phase);

/* The next text of a list, NULL after the last. Consumes: walk a copy. */
const char *list_next(struct plan_list *list);

/* The first record of a kind, or NULL. */
const struct record *plan_find(const struct plan *plan, enum record_kind kind);

/* The hash that names a saved plan: FNV-1a (64 bit), fed with one argument at a time (its length as u32, its bytes). */
#define PLAN_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t plan_hash(uint64_t hash, const char *argument);

#endif
