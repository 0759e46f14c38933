#include "bounds.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "watch.h"

enum { MOST_PROCESSORS = 1 << 16 };

bool bounds_processors(uint64_t wanted) {
    size_t size = CPU_ALLOC_SIZE(MOST_PROCESSORS);
    cpu_set_t *set = calloc(1, size);
    bool enough = set != NULL && sched_getaffinity(0, size, set) == 0 && (uint64_t)CPU_COUNT_S(size, set) >= wanted;
    free(set);
    return enough;
}

void bounds_watch(struct bounds *bounds, const struct record *record) {
    bounds->bytes = record->field[0].u;
    bounds->tasks = record->field[1].u;
}

/* From the processor that we run on upward: the kernel has just chosen it as the one with the least to do. */
static void keep_some(cpu_set_t *set, size_t size, uint64_t wanted) {
    int here = sched_getcpu();
    size_t first = here < 0 ? 0 : (size_t)here, most = size * 8;
    for (size_t i = 0; i < most; i++) {
        size_t processor = (first + i) % most;
        if (!CPU_ISSET_S(processor, size, set)) continue;
        if (wanted == 0) CPU_CLR_S(processor, size, set);
        if (wanted > 0) wanted--;
    }
}

int bounds_affinity(const struct start *start, struct failure *failure) {
    const struct record *record = plan_find(start->plan, OP_AFFINITY);
    if (record == NULL) return 0;
    size_t size = CPU_ALLOC_SIZE(MOST_PROCESSORS);
    cpu_set_t *set = calloc(1, size);
    if (set == NULL) return failure_set(failure, STEP_MEMORY, ENOMEM, "");
    uint64_t wanted = record->field[0].u;
    pid_t like = (pid_t)record->field[1].u;
    int answer = sched_getaffinity(wanted == 0 ? like : 0, size, set);
    if (answer == 0 && wanted > 0) keep_some(set, size, wanted);
    if (answer == 0) answer = sched_setaffinity(0, size, set);
    int error = errno;
    free(set);
    return answer == 0 ? 0 : failure_set(failure, STEP_AFFINITY, error, "");
}

bool bounds_reached(struct bounds *bounds, pid_t first) {
    struct watch_use use;
    if (!watch_look(first, false, &use)) return false;
    bool shared = bounds->bytes != 0 && use.bytes > bounds->bytes && use.processes > 1;
    if (shared && !watch_look(first, true, &use)) return false;
    if (use.bytes > bounds->peak) bounds->peak = use.bytes;
    if (bounds->bytes != 0 && use.bytes > bounds->bytes)
        bounds->hit = (struct limit_hit){LIMIT_MEMORY, bounds->bytes, use.bytes};
    else if (bounds->tasks != 0 && use.tasks > bounds->tasks)
        bounds->hit = (struct limit_hit){LIMIT_PROCESSES, bounds->tasks, use.tasks};
    return bounds->hit.kind != LIMIT_NONE;
}

void bounds_end(struct bounds *bounds) {
    if (bounds->cgroup.folder == NULL) return;
    struct cgroup_use use = cgroup_end(&bounds->cgroup);
    if (use.memory != 0) bounds->peak = use.memory;
    if (bounds->hit.kind != LIMIT_NONE) return;
    if (use.memory_reached)
        bounds->hit = (struct limit_hit){LIMIT_MEMORY, use.memory_limit, use.memory != 0 ? use.memory : use.memory_limit};
    else if (use.tasks_reached)
        bounds->hit = (struct limit_hit){LIMIT_PROCESSES, use.task_limit, use.tasks};
}

const char *bounds_name(const struct bounds *bounds) {
    static const char *const names[] = {"", "memory", "processes"};
    return names[bounds->hit.kind];
}

static void put_amount(char text[32], int kind, uint64_t amount) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    double value = (double)amount;
    if (kind == LIMIT_PROCESSES) {
        snprintf(text, 32, "%" PRIu64, amount);
        return;
    }
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) value /= 1024;
    int digits = value >= 100 || value == (double)(uint64_t)value ? 0 : 1;
    snprintf(text, 32, "%.*f %s", digits, value, units[unit]);
}

struct failure bounds_words(const struct bounds *bounds, bool killed) {
    static const char *const names[] = {"", "memory", "process"};
    struct failure words = {0};
    char value[32], peak[32], text[160];
    if (bounds->hit.kind == LIMIT_NONE) return words;
    put_amount(value, bounds->hit.kind, bounds->hit.value);
    put_amount(peak, bounds->hit.kind, bounds->hit.peak);
    snprintf(text, sizeof text, "%s limit %s reached (peak %s)", names[bounds->hit.kind], value, peak);
    enum step step = killed                                   ? STEP_ENDED
                     : bounds->hit.kind == LIMIT_PROCESSES ? STEP_REFUSED
                                                              : STEP_PART_ENDED;
    failure_set(&words, step, 0, text);
    return words;
}
