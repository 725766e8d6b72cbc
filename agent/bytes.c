#include "bytes.h"

#include <errno.h>
#include <unistd.h>

bool bytes_write(int fd, const void *bytes, size_t length) {
    for (const char *at = bytes; length > 0;) {
        ssize_t sent = write(fd, at, length);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool bytes_copy(int from, int to) {
    static char chunk[256 * 1024];
    for (;;) {
        ssize_t got = read(from, chunk, sizeof chunk);
        if (got == 0) return true;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 || !bytes_write(to, chunk, (size_t)got)) return false;
    }
}
