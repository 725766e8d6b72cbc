#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "program.h"

enum { NUMBERS = 4 };

static const char PWD[] = "PWD=";

bool launch_read(struct launch *launch, const unsigned char *bytes, uint32_t length) {
    if (length < 4 * NUMBERS + 1 || bytes[length - 1] != '\0') return false;
    uint32_t argc = read_u32(bytes + 12);
    *launch = (struct launch){.uid = read_u32(bytes), .gid = read_u32(bytes + 4), .has_input = read_u32(bytes + 8) == 1};
    const char *at = (const char *)bytes + 4 * NUMBERS, *end = (const char *)bytes + length;
    uint32_t strings = 0;
    for (const char *c = at; c < end; c++) strings += *c == '\0';
    if (argc < 1 || argc > strings - 1) return false;
    /* Two that end the lists, one for the directory. */
    char **all = calloc((size_t)strings + 3, sizeof *all);
    if (all == NULL) return false;
    launch->cwd = at;
    launch->argv = all;
    launch->env = all + argc + 1;
    at += strlen(at) + 1;
    for (uint32_t i = 0; i < argc; i++, at += strlen(at) + 1) launch->argv[i] = (char *)at;
    for (char **env = launch->env; at < end; at += strlen(at) + 1) {
        if (strncmp(at, PWD, sizeof PWD - 1) != 0) *env++ = (char *)at;
    }
    return true;
}

void launch_free(struct launch *launch) { free(launch->argv); }

static void close_all(int *fds, int count) {
    for (int i = 0; i < count; i++) {
        if (fds[i] >= 0) close(fds[i]);
    }
}

/* The directory that the command is in by now, as an environment variable; NULL where it may not be there. */
static char *working_directory(void) {
    static char variable[sizeof PWD + 64 * 1024];
    char *place = variable + sizeof PWD - 1;
    memcpy(variable, PWD, sizeof PWD - 1);
    if (getcwd(place, sizeof variable - sizeof PWD) == NULL || place[0] != '/') return NULL;
    for (int i = 0; i < 2; i++) {
        const char *kernel = i == 0 ? "/proc" : "/sys";
        size_t length = strlen(kernel);
        if (strncmp(place, kernel, length) == 0 && (place[length] == '/' || place[length] == '\0')) return NULL;
    }
    return variable;
}

/* Where memory runs out, the kernel is to end commands and not us. To be called as root. */
static void offer_to_oom_killer(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "600", 3) < 0) errno = 0;
    close(fd);
}

static void become(const struct launch *launch) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    offer_to_oom_killer();
    if (setgroups(0, NULL) < 0 || setresgid(launch->gid, launch->gid, launch->gid) < 0 ||
        setresuid(launch->uid, launch->uid, launch->uid) < 0) {
        dprintf(STDERR_FILENO, "cannot become user %u: %s\n", launch->uid, strerror(errno));
        _exit(126);
    }
}

static _Noreturn void refuse(int status) {
    _exit(write(status, "", 1) == 1 ? 125 : 124);
}

static _Noreturn void run(const struct launch *launch, const int *ends, int status) {
    for (int fd = 0; fd < 3; fd++) dup2(ends[fd], fd);
    become(launch);
    if (chdir(launch->cwd) < 0) refuse(status);
    char *variable = working_directory();
    if (variable == NULL) refuse(status);
    char **last = launch->env;
    while (*last != NULL) last++;
    *last = variable;
    program_run(launch->argv, launch->env);
}

/*
 * Pipes that belong to the command's user, because a program may open its /dev/stdout again. They belong to who makes
 * them; gVisor lets nobody change that later.
 */
static int make_pipes(const struct launch *launch, int *fds) {
    int problem = setegid(launch->gid) < 0 || seteuid(launch->uid) < 0 ? errno : 0;
    for (int i = launch->has_input ? 0 : 1; i < 3 && problem == 0; i++) {
        if (pipe2(fds + 2 * i, O_CLOEXEC) < 0) problem = errno;
    }
    if (seteuid(0) < 0 || setegid(0) < 0) abort();
    if (problem == 0 && !launch->has_input) fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return problem;
}

static int without_waiting(int fd) {
    if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int launch_start(const struct launch *launch, struct launched *launched) {
    /* Reading and writing end of input, output, errors, status. */
    int fds[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    int problem = make_pipes(launch, fds);
    if (problem == 0 && pipe2(fds + 6, O_CLOEXEC) < 0) problem = errno;
    pid_t pid = problem == 0 ? fork() : -1;
    if (pid == 0) run(launch, (int[]){fds[0], fds[3], fds[5]}, fds[7]);
    if (problem == 0 && pid < 0) problem = errno;
    if (problem != 0) {
        close_all(fds, 8);
        return problem;
    }
    close_all((int[]){fds[0], fds[3], fds[5], fds[7]}, 4);
    *launched = (struct launched){
        .pid = pid,
        .input = without_waiting(fds[1]),
        .outputs = {without_waiting(fds[2]), without_waiting(fds[4])},
        .status = without_waiting(fds[6]),
    };
    return 0;
}
