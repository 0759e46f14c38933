#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "answers.h"

/* Newer than the oldest headers that we build with; the same on all machines. */
enum { CALL_io_uring_setup = 425, CALL_io_uring_enter = 426, CALL_io_uring_register = 427 };
enum { CALL_setxattrat = 463, CALL_removexattrat = 466 };
#ifndef SYS_openat2
#define SYS_openat2 KERNEL_OPENAT2
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 KERNEL_FACCESSAT2
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 KERNEL_FCHMODAT2
#endif
#ifndef __O_TMPFILE
#define __O_TMPFILE 020000000
#endif

/* Which values of an argument make a call one that is answered (calls.def): with any of these bits, or just this value. Of
   TO_OPEN also without any other flag. */
struct when {
    enum { EACH, TO_OPEN, TO_WRITE, WITH_VALUE, NOT_OF_ROOT } kind;
    int argument;
    uint32_t bits;
};

#define OPENING (O_WRONLY | O_RDWR | O_TRUNC | O_CREAT | __O_TMPFILE | O_DIRECTORY)
#define ALWAYS {EACH, 0, 0}
#define IF_OPENS(argument) {TO_OPEN, argument, OPENING}
#define IF_WRITES(argument) {TO_WRITE, argument, 2}
#define IF_IS(argument, value) {WITH_VALUE, argument, value}
#define IF_JUDGED {NOT_OF_ROOT, 0, 0}

static const struct {
    int number;
    struct when when;
    answer answer;
} calls[] = {
#define CALL(name, when, answer) {SYS_##name, when, answer},
#ifdef SYS_open
#define OLD(name, when, answer) {SYS_##name, when, answer},
#else
#define OLD(name, when, answer)
#endif
#include "calls.def"
};

enum { CALLS = sizeof calls / sizeof *calls };

struct program {
    struct kernel_step *steps;
    size_t length;
};

static void step(struct program *program, unsigned code, uint32_t k, unsigned yes, unsigned no) {
    program->steps[program->length++] = (struct kernel_step){(uint16_t)code, (uint8_t)yes, (uint8_t)no, k};
}

/* The lower half of an argument: flags and numbers are no longer. */
static uint32_t argument(int number) { return (uint32_t)(offsetof(struct kernel_call, args) + 8 * (size_t)number); }

static void refuse(struct program *program, int number, uint32_t error) {
    step(program, STEP_EQUAL, (uint32_t)number, 0, 1);
    step(program, STEP_RETURN, ACTION_ERROR | error, 0, 0);
}

/* Setting the limit that says who a process is seems to work. */
static void keep_limit(struct program *program, int number, int resource) {
    step(program, STEP_EQUAL, (uint32_t)number, 0, 4);
    step(program, STEP_LOAD, argument(resource), 0, 0);
    step(program, STEP_EQUAL, RLIMIT_LOCKS, 0, 1);
    step(program, STEP_RETURN, ACTION_ERROR | 0, 0, 0);
    step(program, STEP_RETURN, ACTION_ALLOW, 0, 0);
}

/* prlimit(2) may only read it. */
static void keep_limit_of(struct program *program) {
    step(program, STEP_EQUAL, SYS_prlimit64, 0, 8);
    step(program, STEP_LOAD, argument(1), 0, 0);
    step(program, STEP_EQUAL, RLIMIT_LOCKS, 0, 5);
    step(program, STEP_LOAD, argument(2), 0, 0);
    step(program, STEP_EQUAL, 0, 0, 2);
    step(program, STEP_LOAD, argument(2) + 4, 0, 0);
    step(program, STEP_EQUAL, 0, 1, 0);
    step(program, STEP_RETURN, ACTION_ERROR | 0, 0, 0);
    step(program, STEP_RETURN, ACTION_ALLOW, 0, 0);
}

static void notify(struct program *program, uint32_t number, struct when when) {
    bool each = when.kind == EACH || when.kind == NOT_OF_ROOT, plain = when.kind == TO_OPEN;
    step(program, STEP_EQUAL, number, 0, each ? 1 : plain ? 5 : 4);
    if (!each) {
        step(program, STEP_LOAD, argument(when.argument), 0, 0);
        step(program, when.kind == WITH_VALUE ? STEP_EQUAL : STEP_ANY_OF, when.bits, plain ? 2 : 1, 0);
        if (plain) step(program, STEP_ANY_OF, ~(uint32_t)KERNEL_LARGEFILE, 0, 1);
        step(program, STEP_RETURN, ACTION_ALLOW, 0, 0);
    }
    step(program, STEP_RETURN, ACTION_NOTIFY, 0, 0);
}

size_t filter_make(struct kernel_step steps[FILTER_ROOM], bool judged) {
    struct program program = {.steps = steps};
    step(&program, STEP_LOAD, offsetof(struct kernel_call, arch), 0, 0);
    step(&program, STEP_EQUAL, KERNEL_ARCH, 1, 0);
    step(&program, STEP_RETURN, ACTION_ALLOW, 0, 0);
    step(&program, STEP_LOAD, offsetof(struct kernel_call, number), 0, 0);
    for (size_t i = 0; i < CALLS; i++) {
        struct when when = calls[i].when;
        if (judged && when.kind != WITH_VALUE) when.kind = EACH;
        if (when.kind != NOT_OF_ROOT) notify(&program, (uint32_t)calls[i].number, when);
    }
    /* What would pass us by: a kernel without them has programs use the older calls. */
    for (int number = CALL_io_uring_setup; number <= CALL_io_uring_register; number++) refuse(&program, number, ENOSYS);
    for (int number = CALL_setxattrat; number <= CALL_removexattrat; number++) refuse(&program, number, ENOSYS);
#ifdef SYS_setrlimit
    keep_limit(&program, SYS_setrlimit, 0);
#endif
    keep_limit_of(&program);
    step(&program, STEP_RETURN, ACTION_ALLOW, 0, 0);
    return program.length;
}

answer filter_answer(int number) {
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].number == number) return calls[i].answer;
    return NULL;
}
