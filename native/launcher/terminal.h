/* The terminal of `-t`: made in the container, its master handed to the launcher, which passes bytes to and fro. */
#ifndef WHERRY_TERMINAL_H
#define WHERRY_TERMINAL_H

#include <termios.h>

#include "start.h"

/* In the container: makes a terminal, sends its master through `socket`, returns the slave; -1 with the failure set. */
int terminal_make(int socket, struct failure *failure);

/* In the launcher: the master, or -1 when the other side failed. */
int terminal_receive(int socket);

/* The caller's own terminal while it is raw. */
struct terminal {
    bool raw;
    struct termios before;
};

void terminal_raw(struct terminal *terminal);
void terminal_restore(struct terminal *terminal);

/* Gives the master the size of the caller's window. */
void terminal_resize(int master);

#endif
