#ifndef NETLINK_H
#define NETLINK_H

#include <stdint.h>
#include <sys/types.h>

/* What there is to ask the kernel about the network of this process. All are 0, or -1 with errno. */

/* A pair of linked interfaces: `name` here, `eth0` in the network of a process. */
int make_link_pair(const char *name, pid_t inside, uint32_t mtu);

/* Removes an interface, and so its other end. ENODEV where there is none. */
int remove_link(const char *name);

int raise_link(const char *name);

/* `address` as in `192.0.2.1`, in a block of four. */
int add_address(const char *name, const char *address);

int add_default_route(const char *name, const char *gateway);

#endif
