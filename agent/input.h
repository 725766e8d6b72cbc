#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the server sends to a command, held as long as the command does not take it. */
struct input {
    int fd;
    int place;
    bool is_ended;
    /* WINDOW_BYTES, made when they are needed. */
    unsigned char *held;
    size_t first, count;
    /* What the server may send in addition, and does not know yet. */
    uint32_t taken;
};

/* Without one where the descriptor is below 0. */
void input_open(struct input *input, int fd);

/* Takes bytes; false where they are more than there is credit for. */
bool input_take(struct input *input, const unsigned char *bytes, uint32_t length);

/* Nothing more comes: closed when all is handed on. */
void input_end(struct input *input);

void input_poll(struct input *input);

/* Hands on what it can, and gives credit to the server. */
void input_advance(struct input *input, uint32_t id);

void input_close(struct input *input);

#endif
