/* Who processes are taken for: sets of ids, each kept once under a number, and the rules by which set*id(2) change them
 * (credentials(7)). Pure memory; the caller serialises.
 *
 * Number 0 is who the step starts as. Every set stays for the step: a process that is somebody may have children of
 * whom nobody told us. So there is a limit to how many there can be.
 */
#ifndef SUPERVISOR_PEOPLE_H
#define SUPERVISOR_PEOPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEOPLE_MOST = 1 << 16, PEOPLE_GROUPS = 1 << 16, PEOPLE_ROOM = 16 << 20 };

struct ids {
    uint32_t real, effective, saved, file;
};

struct person {
    struct ids user, group;
    uint32_t *groups; /* within the set's own memory */
    uint32_t group_count;
    uint32_t keeps; /* KEEPS_*: of what a process gives away by becoming another, it still may do this, once */
};

enum { KEEPS_GROUP = 1, KEEPS_GROUPS = 2 };

struct people;

/* NULL when memory is short. */
struct people *people_new(const struct person *first);
void people_free(struct people *people);

/* The person of a number; number 0's for one that was never given out. Valid until people_free(). */
const struct person *people_get(const struct people *people, uint64_t number);

/* The number of an equal person, noted if new; -1 when there are too many. Copies the groups. */
int64_t people_note(struct people *people, const struct person *person);

/* Whether anybody but root was ever noted. */
bool people_differ(const struct people *people);

/* The rules. `id` all ones: as it is. False: EPERM, nothing changed. `is_root`: the effective user is 0. */
bool ids_set(struct ids *ids, uint32_t id, bool is_root);                             /* setuid(2), setgid(2) */
bool ids_set_two(struct ids *ids, uint32_t real, uint32_t effective, bool is_root);   /* setreuid(2) */
bool ids_set_three(struct ids *ids, uint32_t real, uint32_t effective, uint32_t saved, bool is_root);
void ids_set_file(struct ids *ids, uint32_t file, bool is_root);                      /* setfsuid(2): says nothing */

bool person_in(const struct person *person, uint32_t group);

#endif
