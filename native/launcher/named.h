/* NAMED: what the caller's words name on the host, where the image has directories of the same names. */
#ifndef WHERRY_NAMED_H
#define WHERRY_NAMED_H

#include "start.h"

/* If the plan has a NAMED record: lets start->plan be a copy of it in `wider`, with a BIND behind that record for each
   path below the record's directories that an argument or the current directory names on the host, itself or by symbolic
   links, and for the directories that these lie in. Nothing is opened. The caller's plan must outlive the copy. */
int named_widen(struct start *start, struct plan *wider, struct failure *failure);

#endif
