/* The pure parts: slots, environment, JSON, times, words of failures. */
#include "make_plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "command.h"
#include "env.h"
#include "fail.h"
#include "record.h"
#include "slots.h"

static bool equal(const char *a, const char *b) { return a != NULL && b != NULL && strcmp(a, b) == 0; }

static void release(const char *text) { free((void *)(uintptr_t)text); }

static void fills_slots(void) {
    struct slots slots = {.id = "0123456789abcdef", .scratch = "/s", .cwd = "/here"};
    const char *plain = "/plain\001x", *filled;
    assert(slots_fill(&slots, plain) == plain);
    assert(equal(filled = slots_fill(&slots, "\001/upper"), "/s/upper"));
    release(filled);
    assert(equal(filled = slots_fill(&slots, "\002"), "/here"));
    release(filled);
    assert(equal(filled = slots_fill(&slots, "\003.x"), "0123456789abcdef.x"));
    release(filled);
    assert(equal(filled = slots_fill(&slots, "\004-"), "0123456789ab-"));
    release(filled);
    assert(strstr(filled = slots_fill_all(&slots, "bind \005:/x"), "test_parts:/x") != NULL);
    release(filled);
    assert(equal(filled = slots_fill_value(&slots, "A=\002/b"), "A=/here/b"));
    release(filled);
    assert(equal(slots_fill_value(&slots, "A=b=\002"), "A=b=\002"));
    slots.scratch = NULL;
    errno = 0;
    assert(slots_fill(&slots, "\001/upper") == NULL && errno == ENOTSUP);
}

static void fills_slots_anywhere(void) {
    struct slots slots = {.id = "i", .scratch = "/s", .cwd = "/c"};
    assert(equal(slots_fill_all(&slots, "none"), "none"));
    const char *filled = slots_fill_all(&slots, "upperdir=\001");
    assert(equal(filled, "upperdir=/s"));
    release(filled);
}

static void matches_patterns(void) {
    assert(env_fits("LANG=de", "LANG") && env_fits("LANG", "LANG"));
    assert(!env_fits("LANGUAGE=de", "LANG") && !env_fits("LAN=", "LANG"));
    assert(env_fits("LC_ALL=de", "LC_*") && env_fits("ANY=", "*") && !env_fits("L=LC_", "LC_*"));
}

static void builds_the_environment_in_order(void) {
    struct maker maker = {0};
    struct plan plan;
    const char *why;
    char *caller[] = {"A=outer", "B=outer", "JOB=1", "X_1=x", "Y_1=x", "Y_2=x", "Z=x", "malformed", "P_C=p", "P_D=p", "P_=p", "P_1=p", "P_a-b=p", NULL};
    add(&maker, INPUT_PREFIX, "l", 1, "wherry");
    add(&maker, OP_ENV_PASS, "l", 2, "A", "malformed");
    add(&maker, OP_ENV_SET, "l", 2, "A=image", "B=image");
    add(&maker, OP_ENV_TAKE, "l", 2, "B", "ABSENT");
    add(&maker, OP_ENV_WHEN, "ll", 1, "JOB", 1, "X_*");
    add(&maker, OP_ENV_WHEN, "ll", 1, "NO_JOB*", 1, "JOB");
    add(&maker, OP_ENV_TAKE, "l", 4, "Y_*", "!Y_2*", "Z", "!Z");
    add(&maker, OP_ENV_BARE, "l", 4, "P_", "!P_D", "!P_1", "!P_a-b");
    add(&maker, OP_ENV_NAMES, "ll", 1, "NAMES", 2, "P_", "Z");
    add(&maker, OP_EXEC, "llu", 1, "e", 1, "d", UINT64_C(1));
    assert(plan_read(maker.bytes, maker.length, &plan, &why));
    struct start start = {.plan = &plan, .environment = caller};
    struct failure failure = {0};
    char **built = env_build(&start, &failure);
    assert(equal(built[0], "A=image") && equal(built[1], "B=outer") && equal(built[2], "X_1=x"));
    assert(equal(built[3], "Y_1=x") && equal(built[4], "C=p") && equal(built[5], "NAMES=P_C P_D ") && built[6] == NULL);
    free(built[5]);
    free(built);

    char *none[] = {NULL}, *dashes[] = {"--", "x", NULL};
    char **argv = command_argv(&plan, none, &failure);
    assert(equal(argv[0], "e") && equal(argv[1], "d") && argv[2] == NULL);
    free(argv);
    argv = command_argv(&plan, dashes, &failure);
    assert(equal(argv[0], "e") && equal(argv[1], "x") && argv[2] == NULL);
    free(argv);
    plan_free(&plan);
}

static void expect_json(const char *bytes, size_t length, const char *json) {
    struct buffer buffer = {0};
    buffer_json(&buffer, bytes, length);
    buffer_add(&buffer, "", 1);
    if (!equal(buffer.bytes, json)) fprintf(stderr, "expected %s, got %s\n", json, buffer.bytes);
    assert(!buffer.failed && equal(buffer.bytes, json));
    buffer_free(&buffer);
}

#define EXPECT_JSON(bytes, json) expect_json(bytes, sizeof(bytes) - 1, json)
#define LOST "\xef\xbf\xbd"

static void escapes_json(void) {
    EXPECT_JSON("", "\"\"");
    EXPECT_JSON("a\"b\\c\n\t\x01\x7f", "\"a\\\"b\\\\c\\n\\u0009\\u0001\\u007f\"");
    EXPECT_JSON("\0", "\"\\u0000\"");
    EXPECT_JSON("\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa3", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa3\"");
    EXPECT_JSON("\xff" "a\xc3", "\"" LOST "a" LOST "\"");
    EXPECT_JSON("\xc0\xaf", "\"" LOST LOST "\"");             /* an overlong slash */
    EXPECT_JSON("\xed\xa0\x80", "\"" LOST LOST LOST "\"");     /* a surrogate */
    EXPECT_JSON("\xf4\x90\x80\x80", "\"" LOST LOST LOST LOST "\""); /* beyond Unicode */
}

static void writes_times(void) {
    char text[RECORD_TIME_SIZE];
    record_time(&(struct timespec){.tv_sec = 0}, 3, text);
    assert(equal(text, "1970-01-01T00:00:00.000Z"));
    record_time(&(struct timespec){.tv_sec = 951827696, .tv_nsec = 123456789}, 9, text);
    assert(equal(text, "2000-02-29T12:34:56.123456789Z"));
    record_time(&(struct timespec){.tv_sec = 4107542399, .tv_nsec = 999999999}, 3, text);
    assert(equal(text, "2100-02-28T23:59:59.999Z"));
}

static void names_every_failure(void) {
    static const int errors[] = {0, EPERM, ENOENT, EACCES, ENOSPC, EINVAL, EUSERS, ELOOP, EMFILE, ENOMEM, EPROTO, EDOM};
    for (int step = STEP_NONE; step < STEP_COUNT; step++)
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
            struct failure failure = {0};
            struct words words;
            failure_detail(&failure, (enum step)step, errors[i], "PATH", "DETAIL");
            failure_words(&failure, &words);
            assert(words.what[0] != 0 && strstr(words.what, "%s") == NULL && strstr(words.why, "%s") == NULL);
            assert(errors[i] == 0 || words.why[0] != 0 || words.hint[0] != 0);
            assert(words.status >= STATUS_WHERRY_FAILED && words.status <= STATUS_NOT_FOUND);
            assert(words.why[0] == 0 || words.why[strlen(words.why) - 1] != '.');
        }
}

static void words_say_the_cause(void) {
    struct failure failure = {0};
    struct words words;
    failure_set(&failure, STEP_NAMESPACE, ENOSPC, "");
    failure_words(&failure, &words);
    assert(strstr(words.why, "no disk is full") != NULL);
    failure_detail(&failure, STEP_INTERPRETER, ENOENT, "/bin/x", "/lib64/ld.so");
    failure_words(&failure, &words);
    assert(equal(words.what, "cannot execute '/bin/x'") && strstr(words.why, "'/lib64/ld.so'") != NULL);
    assert(words.status == STATUS_NOT_FOUND);
    char longer[4096];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    failure_set(&failure, STEP_MKDIR, EDOM, longer);
    failure_words(&failure, &words);
    assert(strlen(words.what) < sizeof words.what);
}

int main(void) {
    fills_slots();
    fills_slots_anywhere();
    matches_patterns();
    builds_the_environment_in_order();
    escapes_json();
    writes_times();
    names_every_failure();
    words_say_the_cause();
    return 0;
}
