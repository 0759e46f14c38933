/* The plan's reader and hash: what is well formed is read, everything else refused. */
#include "make_plan.h"

#include <stdlib.h>

#include "plan.h"

static unsigned char *exact; /* as long as the plan, so that the sanitizer sees a read past its end */

static const char *read_copy(const unsigned char *bytes, size_t size, struct plan *plan) {
    const char *why;
    free(exact);
    exact = malloc(size + !size);
    memcpy(exact, bytes, size);
    bool good = plan_read(exact, size, plan, &why);
    assert(good == (why == NULL));
    return why;
}

static void make_small(struct maker *maker) {
    *maker = (struct maker){0};
    add(maker, INPUT_PREFIX, "l", 2, "wherry", "run");
    add(maker, INPUT_FILE, "suuuuuuu", "/x", UINT64_C(1), UINT64_C(2), UINT64_C(3), UINT64_C(4), UINT64_MAX,
        UINT64_C(6), UINT64_C(7));
    add(maker, OP_SECCOMP, "bu", "blob", UINT64_C(1) << 63);
    add(maker, OP_EXEC, "llu", 0, 2, "a", "", UINT64_C(1));
}

static void reads_every_field(void) {
    struct maker maker;
    struct plan plan;
    make_small(&maker);
    assert(read_copy(maker.bytes, maker.length, &plan) == NULL);
    assert(plan.count == 4 && plan.uid == 1000);
    assert(strcmp(plan.records[1].field[0].s.bytes, "/x") == 0 && plan.records[1].field[5].u == UINT64_MAX);
    assert(plan.records[2].phase == PHASE_COMMAND && plan.records[2].field[0].s.length == 4);
    struct plan_list list = plan.records[3].field[1].l;
    assert(strcmp(list_next(&list), "a") == 0 && strcmp(list_next(&list), "") == 0 && list_next(&list) == NULL);
    list = plan.records[3].field[0].l;
    assert(list_next(&list) == NULL);
    assert(plan_find(&plan, OP_SECCOMP) == &plan.records[2] && plan_find(&plan, OP_BIND) == NULL);
    plan_free(&plan);
}

static void reads_an_answer(void) {
    struct maker maker = {0};
    struct plan plan;
    add(&maker, INPUT_PREFIX, "l", 1, "wherry");
    add(&maker, OP_USED, "l", 1, "/x");
    add(&maker, OP_ANSWER, "bb", "error", "");
    assert(read_copy(maker.bytes, maker.length, &plan) == NULL);
    const struct record *record = plan_find(&plan, OP_ANSWER);
    assert(record->field[0].s.length == 5 && record->field[1].s.length == 0);
    plan_free(&plan);
}

static void refuses_every_cut_and_every_longer_one(void) {
    struct maker maker;
    struct plan plan;
    make_small(&maker);
    for (size_t size = 0; size < maker.length; size++) {
        struct maker cut = maker;
        assert(read_copy(cut.bytes, size, &plan) != NULL);
        cut.length = size; /* even when the header says so */
        for (unsigned i = 0; size >= 12 && i < 4; i++) cut.bytes[8 + i] = (unsigned char)(size >> (8 * i));
        assert(read_copy(cut.bytes, size, &plan) != NULL);
    }
    maker.bytes[maker.length] = 0;
    assert(read_copy(maker.bytes, maker.length + 1, &plan) != NULL);
}

static void survives_every_changed_byte(void) {
    struct maker maker;
    struct plan plan;
    make_small(&maker);
    for (size_t at = 0; at < maker.length; at++)
        for (int value = 0; value < 256; value += 51) {
            struct maker changed = maker;
            changed.bytes[at] = (unsigned char)value;
            if (read_copy(changed.bytes, changed.length, &plan) == NULL) plan_free(&plan);
        }
}

static void expect_refused(const struct maker *maker, const char *words) {
    struct plan plan;
    const char *why = read_copy(maker->bytes, maker->length, &plan);
    if (why == NULL || strstr(why, words) == NULL)
        fprintf(stderr, "expected '%s', got '%s'\n", words, why == NULL ? "" : why);
    assert(why != NULL && strstr(why, words) != NULL);
}

static void refuses_what_makes_no_sense(void) {
    struct maker maker = {0};
    add(&maker, OP_EXEC, "llu", 0, 0, UINT64_C(0));
    expect_refused(&maker, "does not begin with its prefix");
    maker = (struct maker){0};
    add(&maker, INPUT_PREFIX, "l", 0);
    add(&maker, OP_EXEC, "llu", 0, 0, UINT64_C(0));
    expect_refused(&maker, "prefix is empty");
    maker = (struct maker){0};
    add(&maker, INPUT_PREFIX, "l", 1, "wherry");
    expect_refused(&maker, "one EXEC");
    add(&maker, OP_EXEC, "llu", 0, 0, UINT64_C(0));
    add(&maker, INPUT_NODE, "s", "n");
    expect_refused(&maker, "an input follows");
    make_small(&maker);
    add(&maker, OP_EXEC, "llu", 0, 0, UINT64_C(0));
    expect_refused(&maker, "one EXEC");
    make_small(&maker);
    add(&maker, OP_ANSWER, "bb", "", "");
    expect_refused(&maker, "an answer must be all");
    maker = (struct maker){0};
    add(&maker, INPUT_PREFIX, "l", 1, "wherry");
    add(&maker, OP_USED, "l", 1, "/x");
    expect_refused(&maker, "one EXEC");
    add(&maker, OP_ANSWER, "bb", "", "said");
    add(&maker, OP_ANSWER, "bb", "", "said");
    expect_refused(&maker, "an answer must be all");
    make_small(&maker);
    add(&maker, 99, "s", "x");
    expect_refused(&maker, "unknown kind");
    make_small(&maker);
    add(&maker, OP_CWD, "s", "x");
    expect_refused(&maker, "wrong number of fields");
    make_small(&maker);
    add(&maker, OP_MKDIR, "su", "a", UINT64_C(1));
    maker.bytes[maker.length - 10] = 0; /* the text's only letter becomes a NUL */
    expect_refused(&maker, "a field is malformed");
    make_small(&maker);
    maker.bytes[4] = 2;
    expect_refused(&maker, "another format version");
}

static void hashes_as_documented(void) {
    assert(plan_hash(PLAN_HASH_START, "") == UINT64_C(0x4d25767f9dce13f5)); /* FNV-1a of four NULs */
    assert(plan_hash(plan_hash(PLAN_HASH_START, "ab"), "c") != plan_hash(plan_hash(PLAN_HASH_START, "a"), "bc"));
}

int main(void) {
    reads_every_field();
    reads_an_answer();
    refuses_every_cut_and_every_longer_one();
    survives_every_changed_byte();
    refuses_what_makes_no_sense();
    hashes_as_documented();
    free(exact);
    return 0;
}
