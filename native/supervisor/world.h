/* One step that is supervised: what all answers share. Made by main.c; counters and flags are atomic, `lock` guards the
 * rest of what changes.
 */
#ifndef SUPERVISOR_WORLD_H
#define SUPERVISOR_WORLD_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "kernel.h"
#include "known.h"
#include "people.h"

struct world {
    int listener;
    int processes; /* the host's /proc: process numbers of notifications are the host's */
    int folder;    /* /proc/self/fd of the host, the current directory: "7" is the file of descriptor 7 */
    int root;      /* the container's root */
    dev_t device;  /* the file system of that */
    ino_t root_number;
    struct known *known;
    struct people *people;
    pthread_mutex_t lock;
    atomic_bool people_differ;   /* somebody is not root */
    atomic_bool groups_inherit;  /* there is a set-group-ID directory of a group other than 0 */
    atomic_bool roots_differ;    /* somebody called chroot(2) */
    atomic_ullong answered;      /* notifications that were answered: whether a worker hangs */
    atomic_int receiving;        /* workers that wait for the next one */
};

/* One notified call. Numbers of processes are the host's. */
struct call {
    struct world *world;
    pid_t pid; /* of the thread */
    uint64_t id;
    int number;
    const uint64_t *args;
};

/* What an answer returns: a value of zero and more, -errno, or one of these. */
enum { ANSWER_PASS = INT_MIN, ANSWER_SENT };

typedef long (*answer)(const struct call *call);

#endif
