#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_BYTES = 4 * (FRAME_HEADER_BYTES + FRAME_DATA_BYTES),
    IN_BYTES = 256 * 1024,
};

static int sock = -1;

static unsigned char out[OUT_BYTES];
static size_t out_start, out_end;

/* Grows for the description of a command, which must be whole. */
static unsigned char *in;
static size_t in_size, in_used;

static void write_u32(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (8 * i));
}

uint32_t read_u32(const unsigned char *b) {
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

void connection_open(int fd) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    in_size = IN_BYTES;
    in = malloc(in_size);
    sock = fd;
    if (in == NULL) connection_close();
}

int connection_fd(void) { return sock; }

void connection_close(void) {
    if (sock >= 0) close(sock);
    sock = -1;
    free(in);
    in = NULL;
    in_used = out_start = out_end = 0;
}

static size_t longest(uint32_t type) {
    switch (type) {
    case FRAME_START: return FRAME_START_BYTES;
    case FRAME_STDIN: return FRAME_DATA_BYTES;
    case FRAME_SIGNAL: return 4;
    case FRAME_CREDIT: return 8;
    default: return 0;
    }
}

/* Makes room for a frame that does not fit; small again when it is over. */
static bool resize_in(size_t wanted) {
    unsigned char *larger = realloc(in, wanted);
    if (larger == NULL) return false;
    in = larger;
    in_size = wanted;
    return true;
}

/* How many bytes of `in` were whole frames; -1 where the connection is to end. */
static long handle_frames(frame_handler handle) {
    size_t at = 0;
    while (in_used - at >= FRAME_HEADER_BYTES) {
        const unsigned char *head = in + at;
        struct frame frame = {head[0], read_u32(head + 1), read_u32(head + 5), head + FRAME_HEADER_BYTES};
        if (frame.length > longest(frame.type)) return -1;
        size_t whole = FRAME_HEADER_BYTES + (size_t)frame.length;
        if (in_used - at < whole) {
            if (whole > in_size) {
                memmove(in, in + at, in_used - at);
                in_used -= at;
                return resize_in(whole) ? 0 : -1;
            }
            break;
        }
        if (!handle(&frame) || sock < 0) return -1;
        at += whole;
    }
    return (long)at;
}

void connection_receive(frame_handler handle) {
    ssize_t got = recv(sock, in + in_used, in_size - in_used, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return connection_close();
    in_used += (size_t)got;
    long done = handle_frames(handle);
    if (done < 0) return connection_close();
    in_used -= (size_t)done;
    memmove(in, in + done, in_used);
    if (in_size > IN_BYTES && in_used == 0) resize_in(IN_BYTES);
}

bool connection_has_room(size_t length) {
    if (sock < 0) return false;
    if (OUT_BYTES - out_end >= FRAME_HEADER_BYTES + length) return true;
    memmove(out, out + out_start, out_end - out_start);
    out_end -= out_start;
    out_start = 0;
    return OUT_BYTES - out_end >= FRAME_HEADER_BYTES + length;
}

bool connection_is_behind(void) { return out_end > out_start; }

unsigned char *connection_reserve(void) { return out + out_end + FRAME_HEADER_BYTES; }

void connection_commit(enum frame_type type, uint32_t id, uint32_t length) {
    out[out_end] = (unsigned char)type;
    write_u32(out + out_end + 1, id);
    write_u32(out + out_end + 5, length);
    out_end += FRAME_HEADER_BYTES + length;
}

void connection_say(enum frame_type type, uint32_t id, const uint32_t *numbers, uint32_t count) {
    unsigned char *to = connection_reserve();
    for (uint32_t i = 0; i < count; i++) write_u32(to + 4 * i, numbers[i]);
    connection_commit(type, id, 4 * count);
}

void connection_flush(void) {
    while (sock >= 0 && out_end > out_start) {
        ssize_t sent = send(sock, out + out_start, out_end - out_start, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) return connection_close();
        out_start += (size_t)sent;
    }
    out_start = out_end = 0;
}
