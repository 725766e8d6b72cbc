#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A command as the server describes it: user, group, whether it has input, directory, arguments, environment. */
struct launch {
    uid_t uid;
    gid_t gid;
    bool has_input;
    const char *cwd;
    char **argv;
    char **env;
};

/*
 * Reads the description: four numbers (user, group, 1 for input, how many arguments), then the directory, the arguments
 * and the environment, each ended by a NUL. The strings stay where they are. False where it makes no sense.
 */
bool launch_read(struct launch *launch, const unsigned char *bytes, uint32_t length);

void launch_free(struct launch *launch);

/* Our ends of what a command has; -1 where it has none. */
struct launched {
    pid_t pid;
    int input;
    int outputs[2];
    /* Ends when the command runs; holds a byte where it may not be in its directory. */
    int status;
};

#define LAUNCHED_NOTHING ((struct launched){.pid = -1, .input = -1, .outputs = {-1, -1}, .status = -1})

/* Starts it. Returns 0, or the errno of why there is no new process. */
int launch_start(const struct launch *launch, struct launched *launched);

#endif
