#ifndef POLL_SET_H
#define POLL_SET_H

#include <stdbool.h>
#include <signal.h>

/* What the loop waits for in one round. */

/* Begins a new round; all places of the last one are void. */
void poll_begin(void);

/* Waits for these events of a descriptor, too; returns the place where they are found, -1 for a descriptor below 0. */
int poll_add(int fd, short events);

/* Wait no longer than until this time, as `now_ms` tells it. */
void poll_until(long due_ms);

/* Waits; only meanwhile signals come in that are in no mask. False where it was a signal. */
bool poll_wait(const sigset_t *mask);

/* Whether something happened at a place. */
bool poll_has(int place);

/* Milliseconds of a clock that never goes back. */
long now_ms(void);

#endif
