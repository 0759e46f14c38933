/* What a detached container ends with (UNTIL): the login or the batch job that started it.
 *
 * That is the outermost process above us that belongs to our user: a login's shell, a batch job's script, the user's
 * systemd. No process above us of our user: the one that started us; process 1 never ends, and then nothing is done.
 */
#ifndef WHERRY_UNTIL_H
#define WHERRY_UNTIL_H

#include <stdbool.h>
#include <sys/types.h>

#include "plan.h"

struct until {
    pid_t pid; /* 0: nothing */
    unsigned long long started;
    int signal;       /* that asks the container to end */
    long long grace;  /* milliseconds that it has for that */
};

/* To be called while those above us live. */
struct until until_find(const struct record *record);
bool until_over(const struct until *until);

#endif
