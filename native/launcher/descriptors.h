/* Which descriptors the command inherits: 0, 1, 2, those that FDS names, and those that named variables speak of. */
#ifndef WHERRY_DESCRIPTORS_H
#define WHERRY_DESCRIPTORS_H

#include "start.h"

/* Marks all above 2 as closed on exec. */
void descriptors_seal(void);

/* That every descriptor which FDS lists by number is open. */
int descriptors_check(const struct record *record, struct failure *failure);

/* Takes the mark off those that FDS lists or that its variables name in `environment`: PMI_FD=N, and of make
   `--jobserver-auth=R,W` (or -fds); a fifo: needs none. Descriptors that are not open are left out. */
void descriptors_pass(const struct record *record, char **environment);

#endif
