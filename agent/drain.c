#include "drain.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "poll-set.h"

enum {
    MOST = 512,
    CHUNK_BYTES = 64 * 1024,
    /* At most a chunk in this time. */
    PAUSE_MS = 50,
};

struct drain {
    int fd;
    int place;
    long due_ms;
};

/* Oldest first. */
static struct drain drains[MOST];
static int count;

static void remove_at(int index) {
    close(drains[index].fd);
    count--;
    memmove(drains + index, drains + index + 1, sizeof *drains * (size_t)(count - index));
}

void drain_add(int fd) {
    if (count == MOST) remove_at(0);
    drains[count++] = (struct drain){.fd = fd, .place = -1, .due_ms = 0};
}

void drain_poll(void) {
    long now = now_ms();
    for (int i = 0; i < count; i++) {
        struct drain *drain = &drains[i];
        drain->place = drain->due_ms <= now ? poll_add(drain->fd, POLLIN) : -1;
        if (drain->due_ms > now) poll_until(drain->due_ms);
    }
}

void drain_read(void) {
    static char nowhere[CHUNK_BYTES];
    /* From the end, because what is removed moves the later ones. */
    for (int i = count - 1; i >= 0; i--) {
        if (!poll_has(drains[i].place)) continue;
        ssize_t got = read(drains[i].fd, nowhere, sizeof nowhere);
        drains[i].place = -1;
        drains[i].due_ms = now_ms() + PAUSE_MS;
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) remove_at(i);
    }
}

bool drain_is_empty(void) { return count == 0; }
