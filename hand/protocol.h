#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

/*
 * What the server asks and the hand answers, over stdin and stdout. A request is its length (4 bytes, of what follows),
 * its number (4 bytes) and words, each ended by a zero byte, the verb first. An answer is its length, the number of its
 * request, a result (4 bytes, signed) and a text. Numbers are in the byte order of the machine. The server's side is
 * src/engines/local/hand.ts.
 */

#define MAX_REQUEST (256 * 1024)
#define MAX_WORDS 4096

struct request {
    uint32_t number;
    int count;
    char *words[MAX_WORDS];
};

/* Reads the next request from stdin; 0 at its end, -1 where it makes no sense. */
int read_request(struct request *request);

/* Answers. */
void say(uint32_t number, int32_t result, const char *text);

/* Answers and ends this process. */
_Noreturn void answer(uint32_t number, int32_t result, const char *text);

/* Answers with what went wrong, and errno, and ends this process. */
_Noreturn void fail(uint32_t number, const char *what);

#endif
