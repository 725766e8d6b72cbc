#ifndef RUN_H
#define RUN_H

#include "protocol.h"

/*
 * `run` LIMIT LOG SOCKET PROGRAM ARGUMENT...: runs a program to its end, at most LIMIT seconds, and answers with its exit
 * code, 128 and the number of the signal that ended it, or -1 and why it could not be started. Its output goes to the
 * file LOG. Where SOCKET is not empty, a connection to it, which begins with the number of the request, is its
 * descriptor 3; beside that and the standard streams it has none.
 */
_Noreturn void run_program(const struct request *request);

#endif
