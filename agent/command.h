#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "connection.h"

/*
 * The commands that the server started, each from its start until all that it wrote has been handed on. A command leads
 * a session and a process group of its own.
 */

/* Does what the server asks for. */
bool command_handle(const struct frame *frame);

/* A process has ended, with this status of `waitpid`; it may be a command. */
void command_ended(pid_t pid, int status);

/* What the loop is to wait for. */
void command_poll(void);

/* Moves bytes on and tells what there is to tell, as far as there is room. */
void command_advance(void);

/* The server is gone: commands run on, and what they print goes nowhere. */
void command_abandon(void);

#endif
