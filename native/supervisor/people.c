#include "people.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

struct known {
    struct person person;
    uint32_t next; /* in its bucket, by number + 1; 0: none */
};

struct people {
    struct known **known; /* each stays where it is */
    uint32_t count, room, buckets[BUCKETS];
    size_t groups; /* bytes of all lists */
    bool differ;
};

static uint32_t hash(const struct person *person) {
    uint32_t sum = 2166136261U;
    const uint32_t *ids = &person->user.real;
    for (size_t i = 0; i < 8; i++) sum = (sum ^ ids[i]) * 16777619U;
    for (uint32_t i = 0; i < person->group_count; i++) sum = (sum ^ person->groups[i]) * 16777619U;
    return (sum ^ sum >> 16) % BUCKETS;
}

static bool equal(const struct person *a, const struct person *b) {
    return memcmp(&a->user, &b->user, sizeof a->user) == 0 && memcmp(&a->group, &b->group, sizeof a->group) == 0 &&
           a->group_count == b->group_count && a->keeps == b->keeps &&
           (a->group_count == 0 || memcmp(a->groups, b->groups, a->group_count * sizeof *a->groups) == 0);
}

struct people *people_new(const struct person *first) {
    struct people *people = calloc(1, sizeof *people);
    if (people == NULL || people_note(people, first) == 0) return people;
    people_free(people);
    return NULL;
}

void people_free(struct people *people) {
    if (people == NULL) return;
    for (uint32_t i = 0; i < people->count; i++) {
        free(people->known[i]->person.groups);
        free(people->known[i]);
    }
    free(people->known);
    free(people);
}

const struct person *people_get(const struct people *people, uint64_t number) {
    return &people->known[number < people->count ? number : 0]->person;
}

bool people_differ(const struct people *people) { return people->differ; }

static bool is_root(const struct person *person) {
    static const struct ids zero;
    return person->keeps == 0 && memcmp(&person->user, &zero, sizeof zero) == 0 && memcmp(&person->group, &zero, sizeof zero) == 0 &&
           person->group_count == 1 && person->groups[0] == 0;
}

static bool make_room(struct people *people, size_t bytes) {
    if (people->count == PEOPLE_MOST || people->groups + bytes > PEOPLE_ROOM) return false;
    if (people->count < people->room) return true;
    uint32_t room = people->room == 0 ? 16 : 2 * people->room;
    struct known **known = reallocarray(people->known, room, sizeof *known);
    if (known == NULL) return false;
    people->known = known;
    people->room = room;
    return true;
}

int64_t people_note(struct people *people, const struct person *person) {
    uint32_t *bucket = &people->buckets[hash(person)];
    for (uint32_t at = *bucket; at != 0; at = people->known[at - 1]->next)
        if (equal(&people->known[at - 1]->person, person)) return at - 1;
    size_t bytes = person->group_count * sizeof *person->groups;
    if (!make_room(people, bytes)) return -1;
    struct known *made = malloc(sizeof *made);
    uint32_t *groups = bytes == 0 ? NULL : malloc(bytes);
    if (made == NULL || (bytes != 0 && groups == NULL)) return free(made), free(groups), -1;
    *made = (struct known){.person = *person, .next = *bucket};
    made->person.groups = groups;
    people->known[people->count] = made;
    if (bytes != 0) memcpy(made->person.groups, person->groups, bytes);
    people->groups += bytes;
    people->differ = people->differ || !is_root(person);
    *bucket = ++people->count;
    return people->count - 1;
}

static bool one_of(uint32_t id, const struct ids *ids) {
    return id == ids->real || id == ids->effective || id == ids->saved;
}

enum { AS_IT_IS = -1 };

bool ids_set(struct ids *ids, uint32_t id, bool is_root) {
    if (id == (uint32_t)AS_IT_IS) return false;
    if (is_root)
        ids->real = ids->saved = id;
    else if (id != ids->real && id != ids->saved)
        return false;
    ids->effective = ids->file = id;
    return true;
}

bool ids_set_two(struct ids *ids, uint32_t real, uint32_t effective, bool is_root) {
    bool sets_real = real != (uint32_t)AS_IT_IS, sets_effective = effective != (uint32_t)AS_IT_IS;
    if (!is_root && sets_real && real != ids->real && real != ids->effective) return false;
    if (!is_root && sets_effective && !one_of(effective, ids)) return false;
    uint32_t before = ids->real;
    if (sets_effective) ids->effective = effective;
    if (sets_real) ids->real = real;
    if (sets_real || (sets_effective && effective != before)) ids->saved = ids->effective;
    ids->file = ids->effective;
    return true;
}

bool ids_set_three(struct ids *ids, uint32_t real, uint32_t effective, uint32_t saved, bool is_root) {
    const uint32_t wanted[] = {real, effective, saved};
    uint32_t *target[] = {&ids->real, &ids->effective, &ids->saved};
    for (size_t i = 0; !is_root && i < 3; i++)
        if (wanted[i] != (uint32_t)AS_IT_IS && !one_of(wanted[i], ids)) return false;
    for (size_t i = 0; i < 3; i++)
        if (wanted[i] != (uint32_t)AS_IT_IS) *target[i] = wanted[i];
    ids->file = ids->effective;
    return true;
}

void ids_set_file(struct ids *ids, uint32_t file, bool is_root) {
    if (file != (uint32_t)AS_IT_IS && (is_root || one_of(file, ids) || file == ids->file)) ids->file = file;
}

bool person_in(const struct person *person, uint32_t group) {
    if (group == person->group.file || group == person->group.effective) return true;
    for (uint32_t i = 0; i < person->group_count; i++)
        if (person->groups[i] == group) return true;
    return false;
}
