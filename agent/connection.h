#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/*
 * What leads to the server, with what is on its way: a socket, which is of no use any more once its other end is closed,
 * or a pair of pipes, on which another server may speak when one is gone.
 */

struct frame {
    enum frame_type type;
    uint32_t id;
    uint32_t length;
    const unsigned char *bytes;
};

/* Gets each frame as it comes; false where it makes no sense, which ends the connection. */
typedef bool (*frame_handler)(const struct frame *frame);

/* Takes the descriptors over; those of a socket are the same. */
void connection_open(int from, int to);

/* Whether somebody is there. */
bool connection_is_up(void);

/* Whether nobody will ever be there again. */
bool connection_is_over(void);

/* Looks whether somebody has come, where one may. */
void connection_look(void);

/* Waits for what may come or go; connection_is_ready says afterwards whether something has come. */
void connection_poll(void);
bool connection_is_ready(void);

/* Hands on what has come. */
void connection_receive(frame_handler handle);

/* Whether a frame with so many bytes can be queued. */
bool connection_has_room(size_t length);

/* Whether something is queued that the socket has not taken. */
bool connection_is_behind(void);

/* Where the bytes of the next frame may be put; then send it with `connection_commit`. */
unsigned char *connection_reserve(void);
void connection_commit(enum frame_type type, uint32_t id, uint32_t length);

/* Queues a frame of numbers; there must be room. */
void connection_say(enum frame_type type, uint32_t id, const uint32_t *numbers, uint32_t count);

/* Sends as much as the socket takes. */
void connection_flush(void);

/* Throws away what is on its way to the server, and says these RESET_BYTES instead. */
void connection_reset(const unsigned char *bytes);

/* Says FRAME_SYNCED as soon as there is room. */
void connection_sync(void);

uint32_t read_u32(const unsigned char *bytes);

#endif
