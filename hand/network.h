#ifndef NETWORK_H
#define NETWORK_H

#include "protocol.h"

/*
 * `network` LINK HOST INSIDE MTU FIRST COUNT: a user namespace, its ids 0 to COUNT - 1 being FIRST and on here, and in it
 * a network namespace with one end of the link LINK; HOST and INSIDE are the addresses of its ends. The answer is the
 * process that holds both, until `life`, a pipe, is closed at its other end.
 */
_Noreturn void make_network(const struct request *request, int life);

/* `remove-link` LINK: one that is gone is fine. */
_Noreturn void remove_named_link(const struct request *request);

#endif
