#include "input.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "poll-set.h"

enum {
    /* Credit is given in parcels, because each costs a frame. */
    PARCEL_BYTES = WINDOW_BYTES / 4,
};

void input_open(struct input *input, int fd) { *input = (struct input){.fd = fd, .place = -1}; }

void input_close(struct input *input) {
    if (input->fd >= 0) close(input->fd);
    free(input->held);
    input_open(input, -1);
}

/* How many of these the command took; all of them where it reads no more, which is no error. */
static size_t hand_on(struct input *input, const unsigned char *bytes, size_t length) {
    ssize_t sent = write(input->fd, bytes, length);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (sent >= 0) return (size_t)sent;
    close(input->fd);
    input->fd = -1;
    return length;
}

static bool hold(struct input *input, const unsigned char *bytes, size_t length) {
    if (length > WINDOW_BYTES - input->count) return false;
    if (input->held == NULL) input->held = malloc(WINDOW_BYTES);
    if (input->held == NULL) return false;
    size_t at = (input->first + input->count) % WINDOW_BYTES;
    size_t until_end = WINDOW_BYTES - at;
    size_t part = length < until_end ? length : until_end;
    memcpy(input->held + at, bytes, part);
    memcpy(input->held, bytes + part, length - part);
    input->count += length;
    return true;
}

bool input_take(struct input *input, const unsigned char *bytes, uint32_t length) {
    size_t sent = 0;
    if (input->fd < 0) sent = length;
    else if (input->count == 0) sent = hand_on(input, bytes, length);
    input->taken += (uint32_t)sent;
    return sent == length || hold(input, bytes + sent, length - sent);
}

void input_end(struct input *input) {
    input->is_ended = true;
    if (input->count == 0) input_close(input);
}

void input_poll(struct input *input) { input->place = input->count > 0 ? poll_add(input->fd, POLLOUT) : -1; }

static void drop_held(struct input *input) {
    input->taken += (uint32_t)input->count;
    input->count = 0;
}

void input_advance(struct input *input, uint32_t id) {
    if (poll_has(input->place)) {
        size_t until_end = WINDOW_BYTES - input->first;
        size_t sent = hand_on(input, input->held + input->first, input->count < until_end ? input->count : until_end);
        input->first = (input->first + sent) % WINDOW_BYTES;
        input->count -= sent;
        input->taken += (uint32_t)sent;
        if (input->fd < 0) drop_held(input);
    }
    input->place = -1;
    if (input->is_ended && input->count == 0) return input_close(input);
    if (input->taken < PARCEL_BYTES || !connection_has_room(4)) return;
    connection_say(FRAME_STDIN_CREDIT, id, &input->taken, 1);
    input->taken = 0;
}
