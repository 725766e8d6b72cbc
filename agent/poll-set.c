#include "poll-set.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

static struct pollfd *places;
static int used, size;
static long until_ms;

void poll_begin(void) {
    used = 0;
    until_ms = -1;
}

int poll_add(int fd, short events) {
    if (fd < 0) return -1;
    if (used == size) {
        struct pollfd *larger = realloc(places, sizeof *places * (size_t)(size + 64));
        if (larger == NULL) return -1;
        places = larger;
        size += 64;
    }
    places[used] = (struct pollfd){.fd = fd, .events = events};
    return used++;
}

void poll_until(long due_ms) {
    if (until_ms < 0 || due_ms < until_ms) until_ms = due_ms;
}

bool poll_wait(const sigset_t *mask) {
    struct timespec limit = {0, 0};
    long left_ms = until_ms < 0 ? 0 : until_ms - now_ms();
    if (left_ms > 0) limit = (struct timespec){left_ms / 1000, left_ms % 1000 * 1000000};
    if (ppoll(places, (nfds_t)used, until_ms < 0 ? NULL : &limit, mask) >= 0) return true;
    for (int i = 0; i < used; i++) places[i].revents = 0;
    return false;
}

bool poll_has(int place) { return place >= 0 && places[place].revents != 0; }

long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}
