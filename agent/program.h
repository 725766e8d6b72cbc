#ifndef PROGRAM_H
#define PROGRAM_H

/*
 * Becomes this program, looked up on the PATH of this environment. Where that cannot be, says why on standard error and
 * ends as a shell would: with 127 where there is no such program, else 126.
 */
_Noreturn void program_run(char **argv, char **env);

#endif
