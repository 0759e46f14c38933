/* An answer: what a command would print, when nothing of what it depends on has changed. Python is not started. */
#ifndef WHERRY_ANSWER_H
#define WHERRY_ANSWER_H

#include "fail.h"
#include "plan.h"

enum answer { ANSWER_NONE, ANSWER_GIVEN, ANSWER_CUT };

/* Writes what the plan's ANSWER says and marks what USED names. ANSWER_NONE: nothing was written, for the plan has no
   answer, or its first byte was refused: the caller goes on without. ANSWER_CUT: some of it was written; the failure says
   why not all, its error is EPIPE where the reader has gone. */
enum answer answer_give(const struct plan *plan, struct failure *failure);

#endif
