#include "protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char buffer[MAX_REQUEST];

static int read_whole(void *into, size_t length)
{
    char *bytes = into;
    while (length > 0) {
        ssize_t got = read(STDIN_FILENO, bytes, length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        bytes += got;
        length -= (size_t)got;
    }
    return 1;
}

int read_request(struct request *request)
{
    uint32_t length;
    int got = read_whole(&length, sizeof length);
    if (got <= 0)
        return got;
    if (length < sizeof request->number + 2 || length > sizeof buffer)
        return -1;
    if (read_whole(buffer, length) <= 0 || buffer[length - 1] != '\0')
        return -1;
    memcpy(&request->number, buffer, sizeof request->number);
    request->count = 0;
    for (char *word = buffer + sizeof request->number; word < buffer + length; word += strlen(word) + 1) {
        /* One place is left for the null that ends an argv. */
        if (request->count == MAX_WORDS - 1)
            return -1;
        request->words[request->count++] = word;
    }
    request->words[request->count] = NULL;
    return 1;
}

/* In one write, short enough to stay whole among those of others. */
void say(uint32_t number, int32_t result, const char *text)
{
    char bytes[1024];
    size_t text_length = strnlen(text, sizeof bytes - 12);
    uint32_t length = (uint32_t)(8 + text_length);
    memcpy(bytes, &length, 4);
    memcpy(bytes + 4, &number, 4);
    memcpy(bytes + 8, &result, 4);
    memcpy(bytes + 12, text, text_length);
    while (write(STDOUT_FILENO, bytes, 4 + length) < 0 && errno == EINTR)
        ;
}

void answer(uint32_t number, int32_t result, const char *text)
{
    say(number, result, text);
    _exit(0);
}

void fail(uint32_t number, const char *what)
{
    int32_t error = errno == 0 ? EIO : errno;
    char text[512];
    snprintf(text, sizeof text, "%s: %s", what, strerror(error));
    answer(number, error, text);
}
