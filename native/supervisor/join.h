/* How the supervisor comes to the container, over the socket that its starter left as descriptor 3. One message each:
 *
 *   the process that becomes the command   "hello", from inside the finished container; the socket has SO_PASSCRED, set
 *                                          before anybody could send
 *   we, having joined its namespaces       0 and the filter, or an errno and what failed
 *   it, having installed that              a byte, and the listener with it
 *   we, ready to answer                    0
 */
#ifndef SUPERVISOR_JOIN_H
#define SUPERVISOR_JOIN_H

#include "world.h"

enum { JOIN_SOCKET = 3, JOIN_MESSAGE = 4096 };

/* Waits for the hello; the number of the process, 0 when there comes none: nothing was started. */
pid_t join_await(void);

/* Joins the user and mount namespaces of a process, and takes its root as ours. 0, or what failed with errno set. */
const char *join_enter(struct world *world, pid_t pid);

/* Sends the filter and gets the listener; false when the process has gone. */
bool join_exchange(struct world *world);

/* Says that something failed, or (error 0) that we are ready. */
void join_say(int error, const char *what);

#endif
