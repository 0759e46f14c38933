/* Waiting until nobody uses the mount any more. */
#ifndef KEEPER_USE_H
#define KEEPER_USE_H

#include <signal.h>

#include "place.h"
#include "server.h"

/* The signals that use_await_end() takes: they must be blocked. */
void use_signals(sigset_t *signals);

/* Comes back when the server has ended, or with the lock held exclusively: nobody used the mount for as long as the place's
   grace, or since SIGTERM came. */
void use_await_end(const struct place *place, struct server *server);

#endif
