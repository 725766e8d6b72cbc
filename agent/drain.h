#ifndef DRAIN_H
#define DRAIN_H

#include <stdbool.h>

/*
 * Output that nobody reads any more: of commands that are over and left something running in the background, or whose
 * reader is gone. Closed, it would end that by SIGPIPE at its next line; so it is read, to nowhere, while somebody holds
 * it open. What floods is read slowly.
 */

/* Takes the reading end of a pipe over; the oldest makes way where there are many. */
void drain_add(int fd);

/* What the loop is to wait for. */
void drain_poll(void);

/* Reads what has come. */
void drain_read(void);

bool drain_is_empty(void);

#endif
