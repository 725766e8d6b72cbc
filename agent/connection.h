#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/* The socket that leads to the server, with what is on its way. */

struct frame {
    enum frame_type type;
    uint32_t id;
    uint32_t length;
    const unsigned char *bytes;
};

/* Gets each frame as it comes; false where it makes no sense, which ends the connection. */
typedef bool (*frame_handler)(const struct frame *frame);

/* Takes the socket over. */
void connection_open(int fd);

/* -1 where there is none any more. */
int connection_fd(void);

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

void connection_close(void);

uint32_t read_u32(const unsigned char *bytes);

#endif
