/* The pure parts: owners as text and as rules, people, the list of the layers, the filter. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filter.h"
#include "lower.h"
#include "owner.h"
#include "people.h"

static bool reads(const char *text, struct owner *owner) { return owner_read(text, strlen(text), owner); }

static void writes_owners_as_it_reads_them(void) {
    static const char *const good[] = {"0:0:0000", "5:6:2750", "4294967294:4294967294:7777", "0:6:0640:b:8:0", "1:2:0644:c:4095:1048575"};
    struct owner owner;
    char text[OWNER_TEXT];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert(reads(good[i], &owner));
        assert(owner_write(&owner, text) == strlen(good[i]) && strcmp(text, good[i]) == 0);
    }
}

static void refuses_what_is_no_owner(void) {
    static const char *const bad[] = {"", ":", "0", "0:0", "0:0:", "0:0:8", "0:0:10000", "-1:0:0", "4294967295:0:0", "0:0:0:", "0:0:0:c",
                                      "0:0:0:c:", "0:0:0:c:1", "0:0:0:c:1:", "0:0:0:d:1:1", "0:0:0:c:1:1:", "0:0:0 ", " 0:0:0", "0:0:0:c:1:x",
                                      "99999999999999999999:0:0"};
    struct owner owner;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert(!reads(bad[i], &owner));
    assert(!owner_read("0:0:0\0", 6, &owner));
}

static void giving_takes_set_id_bits_away(void) {
    struct owner file = {.mode = 06755}, locked = {.mode = 02644};
    assert(owner_given(file, 5, (uint32_t)OWNER_KEEP, false).mode == 0755);
    assert(owner_given(file, 5, 6, false).uid == 5 && owner_given(file, 5, 6, false).gid == 6);
    assert(owner_given(locked, 5, 5, false).mode == 02644);
    assert(owner_given(file, 5, 5, true).mode == 06755);
    assert(owner_given(file, (uint32_t)OWNER_KEEP, (uint32_t)OWNER_KEEP, false).uid == 0);
}

static void permissions_are_those_of_the_first_class_that_fits(void) {
    struct owner owner = {.mode = 0570};
    assert(owner_allows(&owner, true, true, 5) && !owner_allows(&owner, true, true, 2));
    assert(owner_allows(&owner, false, true, 7) && !owner_allows(&owner, false, false, 1));
}

static void devices_show_their_kind(void) {
    struct owner owner = {.mode = 0640, .kind = 'b'};
    assert(owner_mode(&owner, S_IFREG | 0600) == (S_IFBLK | 0640));
    owner.kind = 0;
    assert(owner_mode(&owner, S_IFDIR | 0755) == (S_IFDIR | 0640));
    assert(owner_mode(&owner, S_IFLNK | 0777) == (S_IFLNK | 0777));
}

static void writes_take_no_bits_away(void) {
    assert(owner_written(04755, S_IFREG | 0755) == 04755 && owner_written(06755, S_IFREG | 02755) == 06755);
    assert(owner_written(04755, S_IFREG | 04755) == 04755 && owner_written(0755, S_IFREG | 04755) == 04755);
    assert(owner_written(04755, S_IFREG | 0750) == 0750 && owner_written(02755, S_IFDIR | 0755) == 0755);
    assert(owner_written(04755, S_IFREG | 02755) == 02755);
}

static struct ids all(uint32_t id) { return (struct ids){id, id, id, id}; }

static bool same(struct ids ids, uint32_t real, uint32_t effective, uint32_t saved, uint32_t file) {
    return ids.real == real && ids.effective == effective && ids.saved == saved && ids.file == file;
}

static void ids_change_as_the_kernel_lets_them(void) {
    struct ids ids = all(0);
    assert(ids_set(&ids, 5, true) && same(ids, 5, 5, 5, 5));
    assert(!ids_set(&ids, 0, false) && same(ids, 5, 5, 5, 5));
    ids = (struct ids){5, 6, 7, 6};
    assert(ids_set(&ids, 7, false) && same(ids, 5, 7, 7, 7));
    assert(!ids_set(&ids, (uint32_t)-1, true));
    ids = all(0);
    assert(ids_set_three(&ids, (uint32_t)-1, 5, (uint32_t)-1, true) && same(ids, 0, 5, 0, 5));
    assert(ids_set_three(&ids, (uint32_t)-1, 0, (uint32_t)-1, false) && same(ids, 0, 0, 0, 0));
    ids = (struct ids){5, 6, 7, 6};
    assert(!ids_set_three(&ids, 5, 8, 7, false) && same(ids, 5, 6, 7, 6));
    assert(ids_set_three(&ids, 7, 5, 6, false) && same(ids, 7, 5, 6, 5));
    ids = (struct ids){5, 6, 7, 6};
    assert(!ids_set_two(&ids, 7, (uint32_t)-1, false));
    assert(ids_set_two(&ids, 6, 5, false) && same(ids, 6, 5, 5, 5));
    ids = all(0);
    assert(ids_set_two(&ids, (uint32_t)-1, 5, true) && same(ids, 0, 5, 5, 5));
    ids_set_file(&ids, 9, false);
    assert(ids.file == 5);
    ids_set_file(&ids, 0, false);
    assert(ids.file == 0);
    ids_set_file(&ids, 9, true);
    assert(ids.file == 9);
}

static void people_have_one_number_each(void) {
    uint32_t zero = 0, groups[] = {4, 24};
    struct person root = {all(0), all(0), &zero, 1, 0}, other = {all(5), all(6), groups, 2, 0};
    struct people *people = people_new(&root);
    assert(people != NULL && !people_differ(people));
    assert(people_note(people, &root) == 0 && people_note(people, &other) == 1 && people_note(people, &other) == 1);
    assert(people_differ(people) && people_get(people, 1)->user.real == 5 && people_get(people, 99)->user.real == 0);
    assert(person_in(people_get(people, 1), 24) && person_in(&other, 6) && !person_in(&other, 5));
    other.group_count = 1;
    assert(people_note(people, &other) == 2);
    other.keeps = KEEPS_GROUP;
    assert(people_note(people, &other) == 3 && people_get(people, 3)->keeps == KEEPS_GROUP && people_get(people, 2)->keeps == 0);
    int64_t number = 0;
    for (uint32_t i = 0; i < PEOPLE_MOST && number >= 0; i++) number = (other.user.saved = i + 10, people_note(people, &other));
    assert(number == -1 && people_note(people, &root) == 0);
    people_free(people);
}

static void free_all(struct foreign *foreign) {
    while (foreign != NULL) {
        struct foreign *next = (struct foreign *)(uintptr_t)foreign->next;
        free(foreign);
        foreign = next;
    }
}

static int next_of(struct lower *lower, const char **path, struct owner *owner) {
    struct foreign *foreign;
    int answer = lower_next(lower, path, owner, &foreign);
    free_all(foreign);
    return answer;
}

static void reads_the_list_of_the_layers(void) {
    char bytes[] = "etc/shadow\0" "0:42:0640\0" "0\0" "bin/ping\0" "0:0:0755\0" "1\0" "security.capability\0" "0100ff\0" "\0" "1:1:0700\0" "0";
    struct lower lower = {.bytes = bytes, .size = sizeof bytes};
    const char *path;
    struct owner owner;
    struct foreign *foreign;
    assert(lower_next(&lower, &path, &owner, &foreign) == 1 && strcmp(path, "etc/shadow") == 0 && owner.gid == 42 && foreign == NULL);
    assert(lower_next(&lower, &path, &owner, &foreign) == 1 && strcmp(path, "bin/ping") == 0);
    assert(strcmp(foreign->name, "security.capability") == 0 && foreign->length == 3 && memcmp(foreign->value, "\1\0\377", 3) == 0);
    free_all(foreign);
    assert(next_of(&lower, &path, &owner) == 1 && *path == 0 && owner.uid == 1);
    assert(next_of(&lower, &path, &owner) == 0);
}

static void refuses_a_broken_list(void) {
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {{"x", 1}, {"x\0", 2}, {"x\0" "0:0:0\0", 8}, {"x\0" "0:0\0" "0\0", 8}, {"x\0" "0:0:0\0" "1\0", 10},
               {"x\0" "0:0:0\0" "1\0" "n\0" "0\0", 14}, {"x\0" "0:0:0\0" "1\0" "n\0" "zz\0", 15}, {"x\0" "0:0:0\0" "99999\0", 14}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *copy = malloc(bad[i].size);
        const char *path;
        struct owner owner;
        memcpy(copy, bad[i].bytes, bad[i].size);
        struct lower lower = {.bytes = copy, .size = bad[i].size};
        assert(next_of(&lower, &path, &owner) == -1);
        free(copy);
    }
}

/* What the filter says of a call; `judged`: of a step that starts as another than root. */
static uint32_t filtered(const struct kernel_call *call, bool judged) {
    static struct kernel_step steps[FILTER_ROOM];
    size_t length = filter_make(steps, judged);
    uint32_t accumulator = 0;
    assert(length <= FILTER_ROOM);
    for (size_t at = 0; at < length; at++) {
        const struct kernel_step *step = &steps[at];
        if (step->code == STEP_RETURN) return step->k;
        if (step->code == STEP_LOAD) memcpy(&accumulator, (const char *)call + step->k, sizeof accumulator);
        if (step->code == STEP_EQUAL) at += accumulator == step->k ? step->yes : step->no;
        if (step->code == STEP_ANY_OF) at += (accumulator & step->k) != 0 ? step->yes : step->no;
    }
    abort(); /* a filter ends */
}

static uint32_t calls(long number, uint64_t a, uint64_t b, uint64_t c) {
    struct kernel_call call = {.number = (int32_t)number, .arch = KERNEL_ARCH, .args = {a, b, c}};
    return filtered(&call, false);
}

static uint32_t judged(long number, uint64_t a, uint64_t b, uint64_t c) {
    struct kernel_call call = {.number = (int32_t)number, .arch = KERNEL_ARCH, .args = {a, b, c}};
    return filtered(&call, true);
}

static void filters_what_is_answered_and_nothing_else(void) {
    struct kernel_call foreign = {.number = SYS_fchown, .arch = 0x40000003};
    assert(filtered(&foreign, false) == ACTION_ALLOW && filtered(&foreign, true) == ACTION_ALLOW);
    for (int number = 0; number < 600; number++) {
        bool notified = calls(number, PR_SET_KEEPCAPS, O_CREAT | W_OK, O_CREAT | W_OK) == ACTION_NOTIFY;
        bool spared = number == SYS_execve;
#ifdef SYS_rename
        spared = spared || number == SYS_rename || number == SYS_rmdir;
#endif
        assert(notified == (filter_answer(number) != NULL && !spared));
        assert((judged(number, PR_SET_KEEPCAPS, 0, 0) == ACTION_NOTIFY) == (filter_answer(number) != NULL));
    }
    static const uint32_t opening[] = {0, KERNEL_LARGEFILE, O_WRONLY, O_RDWR, O_TRUNC, O_CREAT, O_DIRECTORY | O_CLOEXEC, O_TMPFILE};
    for (size_t i = 0; i < sizeof opening / sizeof *opening; i++) assert(calls(SYS_openat, 0, 0, opening[i]) == ACTION_NOTIFY);
    assert(calls(SYS_openat, 0, 0, O_CLOEXEC) == ACTION_ALLOW && judged(SYS_openat, 0, 0, O_CLOEXEC) == ACTION_NOTIFY);
    assert(calls(SYS_openat, 0, 0, O_NOCTTY | KERNEL_LARGEFILE) == ACTION_ALLOW && calls(SYS_openat, 0, 0, O_PATH) == ACTION_ALLOW);
    assert(judged(SYS_faccessat, 0, 0, R_OK) == ACTION_NOTIFY && judged(SYS_prctl, PR_SET_NAME, 0, 0) == ACTION_ALLOW);
    assert(calls(SYS_faccessat, 0, 0, R_OK) == ACTION_ALLOW && calls(SYS_faccessat, 0, 0, W_OK) == ACTION_NOTIFY);
    assert(calls(SYS_prctl, PR_SET_NAME, 0, 0) == ACTION_ALLOW && calls(SYS_prctl, PR_SET_KEEPCAPS, 1, 0) == ACTION_NOTIFY);
    assert(calls(SYS_read, 0, 0, 0) == ACTION_ALLOW && calls(SYS_execve, 0, 0, 0) == ACTION_ALLOW);
    assert(calls(425, 0, 0, 0) == (ACTION_ERROR | ENOSYS) && calls(463, 0, 0, 0) == (ACTION_ERROR | ENOSYS));
    assert(calls(SYS_prlimit64, 0, RLIMIT_LOCKS, 0) == ACTION_ALLOW && calls(SYS_prlimit64, 0, RLIMIT_LOCKS, 1) == ACTION_ERROR);
    assert(calls(SYS_prlimit64, 0, RLIMIT_LOCKS, UINT64_C(1) << 40) == ACTION_ERROR);
    assert(calls(SYS_prlimit64, 0, RLIMIT_NOFILE, 1) == ACTION_ALLOW);
}

int main(void) {
    writes_owners_as_it_reads_them();
    refuses_what_is_no_owner();
    giving_takes_set_id_bits_away();
    permissions_are_those_of_the_first_class_that_fits();
    devices_show_their_kind();
    ids_change_as_the_kernel_lets_them();
    people_have_one_number_each();
    writes_take_no_bits_away();
    reads_the_list_of_the_layers();
    refuses_a_broken_list();
    filters_what_is_answered_and_nothing_else();
    return 0;
}
