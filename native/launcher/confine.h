/* What the command may no longer do. Each step is proved after it is taken: asked of the kernel, not assumed. */
#ifndef WHERRY_CONFINE_H
#define WHERRY_CONFINE_H

#include "start.h"

/* Bit 63 of SECCOMP's flags: TIOCSTI must be refused afterwards. */
#define SECCOMP_PROVE_TIOCSTI (UINT64_C(1) << 63)

/* Lets a helper keep our capabilities over its exec, although it is not root inside. Best effort. */
void confine_pass_on_capabilities(void);

/* Carries out CAPS, NO_NEW_PRIVS and SECCOMP, in this order whatever the plan's: a filter may forbid the others. */
int confine_apply(const struct plan *plan, struct failure *failure);

#endif
