#include "plan.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    const unsigned char *at, *end;
};

static bool read_number(struct reader *r, unsigned width, uint64_t *value) {
    if ((size_t)(r->end - r->at) < width) return false;
    *value = 0;
    for (unsigned i = 0; i < width; i++) *value |= (uint64_t)r->at[i] << (8 * i);
    r->at += width;
    return true;
}

static bool read_u32(struct reader *r, uint32_t *value) {
    uint64_t wide;
    if (!read_number(r, 4, &wide)) return false;
    *value = (uint32_t)wide;
    return true;
}

static bool read_blob(struct reader *r, struct plan_bytes *blob) {
    if (!read_u32(r, &blob->length) || (size_t)(r->end - r->at) < blob->length) return false;
    blob->bytes = (const char *)r->at;
    r->at += blob->length;
    return true;
}

static bool read_text(struct reader *r, struct plan_bytes *text) {
    if (!read_blob(r, text) || r->at == r->end || *r->at != 0) return false;
    r->at++;
    return memchr(text->bytes, 0, text->length) == NULL;
}

static bool read_list(struct reader *r, struct plan_list *list) {
    struct plan_bytes text;
    if (!read_u32(r, &list->left)) return false;
    list->at = r->at;
    for (uint32_t i = 0; i < list->left; i++)
        if (!read_text(r, &text)) return false;
    return true;
}

static bool read_field(struct reader *r, char type, union plan_field *field) {
    switch (type) {
    case 'u': return read_number(r, 8, &field->u);
    case 's': return read_text(r, &field->s);
    case 'b': return read_blob(r, &field->s);
    case 'l': return read_list(r, &field->l);
    default: return false;
    }
}

/* Reads one record's head; `body` gets its fields' bytes. */
static bool read_head(struct reader *r, uint64_t *kind, uint64_t *fields, struct reader *body) {
    uint32_t length;
    if (!read_number(r, 2, kind) || !read_number(r, 2, fields) || !read_u32(r, &length)) return false;
    if ((size_t)(r->end - r->at) < length) return false;
    body->at = r->at;
    body->end = r->at += length;
    return true;
}

static const char *read_record(struct reader *r, struct record *record) {
    struct reader body;
    uint64_t kind, count;
    if (!read_head(r, &kind, &count, &body)) return "a record goes past the end of the plan";
    const char *name, *fields = plan_fields((unsigned)kind, &name, &record->phase);
    if (fields == NULL) return "it has a record of an unknown kind";
    if (strlen(fields) != count) return "a record has a wrong number of fields";
    record->kind = (enum record_kind)kind;
    for (size_t i = 0; fields[i] != 0; i++)
        if (!read_field(&body, fields[i], &record->field[i])) return "a field is malformed";
    return body.at == body.end ? NULL : "a record is longer than its fields";
}

static size_t count_records(struct reader r) {
    struct reader body;
    uint64_t kind, fields;
    size_t count = 0;
    while (r.at < r.end && read_head(&r, &kind, &fields, &body)) count++;
    return count;
}

static const char *check_order(const struct plan *plan) {
    size_t execs = 0, answers = 0, others = 0;
    if (plan->count == 0 || plan->records[0].kind != INPUT_PREFIX) return "it does not begin with its prefix";
    if (plan->records[0].field[0].l.left == 0) return "its prefix is empty";
    for (size_t i = 1; i < plan->count; i++) {
        const struct record *record = &plan->records[i];
        if (record->kind == INPUT_PREFIX) return "it has two prefixes";
        if (record->phase == PHASE_INPUT && plan->records[i - 1].phase != PHASE_INPUT)
            return "an input follows an operation";
        execs += record->kind == OP_EXEC;
        answers += record->kind == OP_ANSWER;
        others += record->phase != PHASE_INPUT && record->kind != OP_ANSWER && record->kind != OP_USED;
    }
    if (answers > 0) return answers == 1 && others == 0 ? NULL : "an answer must be all that it does";
    return execs == 1 ? NULL : "it must have one EXEC";
}

bool plan_read(const unsigned char *bytes, size_t size, struct plan *plan, const char **why) {
    struct reader r = {bytes, bytes + size};
    uint32_t version, length;
    *plan = (struct plan){0};
    *why = "it is too short or too long";
    if (size < PLAN_HEADER || size > PLAN_MAX_BYTES) return false;
    *why = "it is not a plan";
    if (memcmp(r.at, "WHRY", 4) != 0) return false;
    r.at += 4;
    *why = "its header is wrong";
    if (!read_u32(&r, &version) || !read_u32(&r, &length) || !read_u32(&r, &plan->uid) || length != size) return false;
    *why = "it has another format version";
    if (version != PLAN_VERSION) return false;
    size_t capacity = count_records(r);
    *why = "there is no memory for it";
    plan->records = calloc(capacity + 1, sizeof *plan->records);
    if (plan->records == NULL) return false;
    *why = NULL;
    while (r.at < r.end && *why == NULL) {
        /* A record whose head is cut off was not counted: read_record() finds it before it is written to. */
        struct record *record = &plan->records[plan->count];
        *why = read_record(&r, record);
        if (*why == NULL) plan->count++;
    }
    if (*why == NULL) *why = check_order(plan);
    if (*why != NULL) plan_free(plan);
    return *why == NULL;
}

void plan_free(struct plan *plan) {
    free(plan->records);
    *plan = (struct plan){0};
}

const char *plan_fields(unsigned kind, const char **name, enum plan_phase *phase) {
    switch (kind) {
#define INPUT(label, number, fields) \
    case number: *name = #label; *phase = PHASE_INPUT; return fields;
#define OP(label, number, where, fields) \
    case number: *name = #label; *phase = PHASE_##where; return fields;
#include "ops.def"
#undef INPUT
#undef OP
    default: return NULL;
    }
}

const char *list_next(struct plan_list *list) {
    if (list->left == 0) return NULL;
    struct reader r = {list->at, list->at + 4};
    uint32_t length;
    if (!read_u32(&r, &length)) return NULL;
    const char *text = (const char *)list->at + 4;
    list->at += 4 + (size_t)length + 1;
    list->left--;
    return text;
}

const struct record *plan_find(const struct plan *plan, enum record_kind kind) {
    for (size_t i = 0; i < plan->count; i++)
        if (plan->records[i].kind == kind) return &plan->records[i];
    return NULL;
}

static uint64_t hash_byte(uint64_t hash, unsigned char byte) { return (hash ^ byte) * UINT64_C(0x100000001b3); }

uint64_t plan_hash(uint64_t hash, const char *argument) {
    size_t length = strlen(argument);
    for (unsigned i = 0; i < 4; i++) hash = hash_byte(hash, (unsigned char)(length >> (8 * i)));
    for (const char *c = argument; *c != 0; c++) hash = hash_byte(hash, (unsigned char)*c);
    return hash;
}
