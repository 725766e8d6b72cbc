#include "program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *search_path(char **env) {
    for (; *env != NULL; env++) {
        if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
    }
    return "";
}

/* A script without a first line that names its interpreter is for the shell. */
static void run_script(const char *file, char **argv, char **env) {
    size_t count = 0;
    while (argv[count] != NULL) count++;
    char **shell = calloc(count + 2, sizeof *shell);
    if (shell == NULL) return;
    shell[0] = "sh";
    shell[1] = (char *)file;
    memcpy(shell + 2, argv + 1, sizeof *shell * count);
    execve("/bin/sh", shell, env);
    free(shell);
}

static void try(const char *file, char **argv, char **env) {
    execve(file, argv, env);
    if (errno == ENOEXEC) run_script(file, argv, env);
}

static void search(char **argv, char **env) {
    int worth_telling = ENOENT;
    const char *dir = search_path(env);
    while (dir != NULL) {
        const char *end = strchrnul(dir, ':');
        char file[PATH_MAX];
        int length = snprintf(file, sizeof file, "%.*s%s%s", (int)(end - dir), dir, end > dir ? "/" : "", argv[0]);
        if (length > 0 && (size_t)length < sizeof file) {
            try(file, argv, env);
            if (errno != ENOENT && errno != ENOTDIR) worth_telling = errno;
        }
        dir = *end == ':' ? end + 1 : NULL;
    }
    errno = worth_telling;
}

_Noreturn void program_run(char **argv, char **env) {
    if (strchr(argv[0], '/') != NULL) {
        try(argv[0], argv, env);
    } else if (argv[0][0] == '\0') {
        errno = ENOENT;
    } else {
        search(argv, env);
    }
    int problem = errno;
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], problem == ENOENT ? "not found" : strerror(problem));
    _exit(problem == ENOENT || problem == ENOTDIR ? 127 : 126);
}
