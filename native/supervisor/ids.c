#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "caller.h"

static int change(const struct call *call, struct person *person) {
    uint32_t a = (uint32_t)call->args[0], b = (uint32_t)call->args[1], c = (uint32_t)call->args[2];
    bool is_root = person->user.effective == 0, done = true;
    bool may_group = is_root || (person->keeps & KEEPS_GROUP) != 0;
    uint32_t keeps = is_root ? person->keeps : person->keeps & ~(uint32_t)KEEPS_GROUP;
    switch (call->number) {
    case SYS_setuid: done = ids_set(&person->user, a, is_root); break;
    case SYS_setgid: done = ids_set(&person->group, a, may_group); break;
    case SYS_setreuid: done = ids_set_two(&person->user, a, b, is_root); break;
    case SYS_setregid: done = ids_set_two(&person->group, a, b, may_group); break;
    case SYS_setresuid: done = ids_set_three(&person->user, a, b, c, is_root); break;
    default: done = ids_set_three(&person->group, a, b, c, may_group); break;
    }
    bool of_group = call->number == SYS_setgid || call->number == SYS_setregid || call->number == SYS_setresgid;
    if (of_group) person->keeps = keeps;
    return done ? caller_become(call, person) : -EPERM;
}

/* PR_SET_KEEPCAPS, by which a process that is no longer root may still set its groups. exec(2) ends it, which nobody tells us:
   so it is good for one change of each kind. */
long answer_keeps(const struct call *call) {
    const struct person *who;
    int answer = caller_person(call, &who);
    if (answer != 0) return answer;
    struct person person = *who;
    person.keeps = call->args[1] == 1 && person.user.effective == 0 ? KEEPS_GROUP | KEEPS_GROUPS : 0;
    if (person.keeps != who->keeps) answer = caller_become(call, &person);
    return answer == 0 ? ANSWER_PASS : answer;
}

/* setfsuid(2) and setfsgid(2) say what was before, and never that they failed. */
static long change_file(const struct call *call, struct person *person) {
    struct ids *ids = call->number == SYS_setfsuid ? &person->user : &person->group;
    uint32_t before = ids->file;
    ids_set_file(ids, (uint32_t)call->args[0], person->user.effective == 0);
    if (ids->file != before) caller_become(call, person);
    return before;
}

static int tell_three(const struct call *call, const struct ids *ids) {
    const uint32_t *values[] = {&ids->real, &ids->effective, &ids->saved};
    for (size_t i = 0; i < 3; i++)
        if (caller_write(call, call->args[i], values[i], sizeof *values[i]) != 0) return -EFAULT;
    return 0;
}

long answer_ids(const struct call *call) {
    const struct person *who;
    int answer = caller_person(call, &who);
    if (answer != 0) return answer;
    struct person person = *who;
    switch (call->number) {
    case SYS_getuid: return person.user.real;
    case SYS_geteuid: return person.user.effective;
    case SYS_getgid: return person.group.real;
    case SYS_getegid: return person.group.effective;
    case SYS_getresuid: return tell_three(call, &person.user);
    case SYS_getresgid: return tell_three(call, &person.group);
    case SYS_setfsuid:
    case SYS_setfsgid: return change_file(call, &person);
    default: return change(call, &person);
    }
}

long answer_groups(const struct call *call) {
    const struct person *who;
    long answer = caller_person(call, &who);
    int count = (int)call->args[0];
    if (answer != 0) return answer;
    if (call->number == SYS_getgroups) {
        int have = (int)who->group_count;
        if (count < 0 || (count != 0 && count < have)) return -EINVAL;
        if (count == 0 || have == 0) return have;
        answer = caller_write(call, call->args[1], who->groups, who->group_count * sizeof *who->groups);
        return answer == 0 ? have : answer;
    }
    if (who->user.effective != 0 && (who->keeps & KEEPS_GROUPS) == 0) return -EPERM;
    if (count < 0 || count > PEOPLE_GROUPS) return -EINVAL;
    struct person person = *who;
    if (who->user.effective != 0) person.keeps &= ~(uint32_t)KEEPS_GROUPS;
    person.group_count = (uint32_t)count;
    person.groups = calloc((size_t)count + 1, sizeof *person.groups);
    if (person.groups == NULL) return -ENOMEM;
    answer = count == 0 ? 0 : caller_read(call, call->args[1], person.groups, (size_t)count * sizeof *person.groups);
    if (answer == 0) answer = caller_become(call, &person);
    free(person.groups);
    return answer;
}
