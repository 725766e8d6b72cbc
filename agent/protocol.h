#ifndef PROTOCOL_H
#define PROTOCOL_H

/*
 * What the server and the agent say to each other, over one stream socket or a pair of pipes: frames of a type (1 byte),
 * the number of a command (4 bytes) and a length (4 bytes), then so many bytes; numbers are little endian. The server's
 * side is src/engines/local/agent-frames.ts.
 */

enum frame_type {
    /* From the server. */
    FRAME_START = 1,     /* see launch.h */
    FRAME_STDIN = 2,     /* bytes */
    FRAME_STDIN_END = 3, /* nothing */
    FRAME_SIGNAL = 4,    /* signal, for the whole process group */
    FRAME_CREDIT = 5,    /* stream (1 or 2), bytes that may be sent in addition */
    FRAME_FORGET = 6,    /* nobody reads the output any more */
    FRAME_RESET = 7,     /* 16 bytes: whoever asked for what runs is gone; the answer is these bytes, and no frame */
    FRAME_SYNC = 8,      /* nothing; to be answered when all that came before was read */
    /* From the agent. */
    FRAME_STARTED = 16,
    FRAME_REFUSED = 17,      /* errno; 0 where the working directory is none */
    FRAME_STDOUT = 18,       /* bytes */
    FRAME_STDERR = 19,       /* bytes */
    FRAME_STDIN_CREDIT = 20, /* bytes that may be sent in addition */
    FRAME_EXITED = 21,       /* exit code, signal; its last output may still come */
    FRAME_DONE = 22,         /* the last frame of a command */
    FRAME_SYNCED = 23,       /* all that came before FRAME_SYNC was read */
};

enum {
    FRAME_HEADER_BYTES = 9,
    RESET_BYTES = 16,
    /* The most that one frame of output or input holds. */
    FRAME_DATA_BYTES = 64 * 1024,
    /* The most that the description of a command takes; the kernel allows half of it. */
    FRAME_START_BYTES = 4 * 1024 * 1024,
    /* How much of each stream of a command may be on its way without credit. */
    WINDOW_BYTES = 512 * 1024,
};

#endif
