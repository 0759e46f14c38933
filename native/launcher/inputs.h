/* The inputs of a plan: what planning consulted, compared with the world as it is now. */
#ifndef WHERRY_INPUTS_H
#define WHERRY_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "plan.h"

/* True when every input reads as recorded; else false, and `why` names the first that does not. */
bool inputs_hold(const struct plan *plan, char **environment, char *why, size_t size);

#endif
