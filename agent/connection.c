#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "poll-set.h"

enum {
    OUT_BYTES = 4 * (FRAME_HEADER_BYTES + FRAME_DATA_BYTES),
    IN_BYTES = 256 * 1024,
};

enum { LOOK_MS = 100 };

static int in_fd = -1, out_fd = -1;
static int in_place = -1;
static bool is_up;
static bool owes_sync;

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

static void prepare(int fd) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Makes room for a frame that does not fit; small again when it is over. */
static bool resize_in(size_t wanted) {
    unsigned char *larger = realloc(in, wanted);
    if (larger == NULL) return false;
    in = larger;
    in_size = wanted;
    return true;
}

/* The server is gone, or makes no sense. */
static void lose(void) {
    is_up = owes_sync = false;
    in_used = out_start = out_end = 0;
    if (in_fd != out_fd) return;
    if (in_fd >= 0) close(in_fd);
    in_fd = out_fd = -1;
}

void connection_open(int from, int to) {
    in_fd = from;
    out_fd = to;
    prepare(from);
    prepare(to);
    is_up = true;
    if (!resize_in(IN_BYTES)) lose();
}

bool connection_is_up(void) { return is_up; }

bool connection_is_over(void) { return in_fd < 0; }

/* A pipe that nobody writes to is at its end until somebody opens it. */
void connection_look(void) {
    if (is_up || in_fd < 0) return;
    ssize_t got = read(in_fd, in, in_size);
    is_up = got > 0 || (got < 0 && errno == EAGAIN);
    if (got > 0) in_used = (size_t)got;
}

/* One without a server would be ready for ever; so it is looked at from time to time. */
void connection_poll(void) {
    in_place = -1;
    if (is_up) {
        in_place = poll_add(in_fd, POLLIN);
        if (connection_is_behind()) poll_add(out_fd, POLLOUT);
    } else if (in_fd >= 0) {
        poll_until(now_ms() + LOOK_MS);
    }
}

bool connection_is_ready(void) { return is_up && (poll_has(in_place) || in_used >= FRAME_HEADER_BYTES); }

static size_t longest(uint32_t type) {
    switch (type) {
    case FRAME_START: return FRAME_START_BYTES;
    case FRAME_STDIN: return FRAME_DATA_BYTES;
    case FRAME_SIGNAL: return 4;
    case FRAME_CREDIT: return 8;
    case FRAME_RESET: return RESET_BYTES;
    default: return 0;
    }
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
        if (!handle(&frame)) return -1;
        at += whole;
    }
    return (long)at;
}

void connection_receive(frame_handler handle) {
    ssize_t got = read(in_fd, in + in_used, in_size - in_used);
    if (got < 0 && errno != EAGAIN && errno != EINTR) return lose();
    if (got == 0) return lose();
    if (got > 0) in_used += (size_t)got;
    long done = handle_frames(handle);
    if (done < 0) return lose();
    in_used -= (size_t)done;
    memmove(in, in + done, in_used);
    if (in_size > IN_BYTES && in_used == 0) resize_in(IN_BYTES);
}

bool connection_has_room(size_t length) {
    if (!is_up) return false;
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

void connection_reset(const unsigned char *bytes) {
    owes_sync = false;
    memcpy(out, bytes, RESET_BYTES);
    out_start = 0;
    out_end = RESET_BYTES;
}

void connection_sync(void) { owes_sync = true; }

void connection_flush(void) {
    if (owes_sync && connection_has_room(0)) {
        connection_commit(FRAME_SYNCED, 0, 0);
        owes_sync = false;
    }
    while (is_up && out_end > out_start) {
        ssize_t sent = write(out_fd, out + out_start, out_end - out_start);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) return lose();
        out_start += (size_t)sent;
    }
    out_start = out_end = 0;
}
