/* Sparing the kernel questions to which the answer is always no.
 *
 * An overlay asks for an attribute of its own (`user.overlay.metacopy`) of each file that is opened, and the kernel passes
 * that on to the server each time: half of all that it waits for when Python imports. Where the file system holds no
 * extended attributes at all, one answer ENOSYS lets the kernel ask no more. squashfuse does not give it, so we do, in its
 * place, once, while it is stopped and nobody else uses the mount.
 */
#ifndef KEEPER_QUIET_H
#define KEEPER_QUIET_H

#include <sys/types.h>

/* `tree` is the mount as we can reach it. What cannot be done (before Linux 5.6) leaves all as it was. */
void quiet_attributes(pid_t server, const char *tree);

#endif
