/* The program that mounts the image and serves it: our child, which does not outlive us. */
#ifndef KEEPER_SERVER_H
#define KEEPER_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "place.h"

struct server {
    const char *helper; /* fusermount3, or NULL: in namespaces of its own */
    pid_t pid;          /* 0: it has ended */
    bool plain;         /* the image holds no extended attributes */
};

/* Starts it; -1 with errno. */
int server_start(struct server *server, const struct place *place, char **argv);

/* Waits until its mount answers, and says so in `server`; -1 when it ends before, or takes too long. */
int server_await(struct server *server, const struct place *place);

/* Whether it has ended; reaps it. */
bool server_ended(struct server *server);

/* Unmounts and ends it. */
void server_end(struct server *server, const struct place *place);

#endif
