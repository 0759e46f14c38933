/* A tracer and what it traces take turns: at each stop one sleeps and the other is woken. On two processors that costs an
 * interrupt and a way out of idleness each time, ten times the stop itself in a virtual machine. So a start under such a
 * program stays on one processor; the command is let go before its first instruction, since it may count its processors.
 */
#ifndef WHERRY_TURNS_H
#define WHERRY_TURNS_H

#include <stdbool.h>
#include <sys/types.h>

/* Keeps this process, and what it starts, on the processor that it runs on. Where it may run otherwise, as text for
   turns_over(); "" where nothing was done. */
const char *turns_begin(void);

/* Lets a process (0: this one) go where it might before. False with errno where the kernel refuses. */
bool turns_over(const char *text, pid_t process);

#endif
