#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "connection.h"
#include "drain.h"
#include "files.h"
#include "poll-set.h"

/*
 * The agent inside a container: runs commands for the server, on the socket that it inherits as descriptor 3.
 *
 *   init    as PID 1: also reaps orphans, and goes on with that when the server is gone; without a descriptor 3 it
 *           listens to stdin and speaks on stdout, two pipes, and serves whoever comes to their other ends later
 *   serve   beside it, for a server that has no connection: ends when there is nothing left to do
 *
 * The other verbs are file operations, which the server starts as commands; see files.h.
 *
 * When the connection ends, commands run on, and what they print is read to nowhere.
 */

enum { SOCKET = 3 };

static volatile sig_atomic_t has_children_ended;

static void on_child(int signal) {
    (void)signal;
    has_children_ended = 1;
}

static void connect(void) {
    if (fcntl(SOCKET, F_GETFD) >= 0) return connection_open(SOCKET, SOCKET);
    int from = fcntl(STDIN_FILENO, F_DUPFD, SOCKET);
    connection_open(from, fcntl(STDOUT_FILENO, F_DUPFD, SOCKET));
}

/* Whoever may write to our streams or trace us could speak for us. */
static void keep_to_ourselves(void) {
    prctl(PR_SET_DUMPABLE, 0);
    connect();
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    if (null > 2) close(null);
    umask(022);
    if (chdir("/") < 0) _exit(1);
}

static void ignore(int signal) { (void)signal; }

/* Those of our own mistakes are not to be survived; the others cannot be. */
static bool is_deadly(int number) {
    return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE || number == SIGABRT ||
           number == SIGKILL || number == SIGSTOP;
}

/*
 * We only hear of children that end, and only while we wait. PID 1 lets all other signals pass, also where the kernel does
 * not see to that itself. By handlers, because these do not outlive the start of a program, as SIG_IGN would.
 */
static sigset_t prepare_signals(bool is_init) {
    sigset_t block, waiting;
    sigemptyset(&waiting);
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_SETMASK, &block, NULL);
    for (int number = 1; number < NSIG; number++) {
        bool passes = number == SIGPIPE || (is_init && !is_deadly(number));
        if (number != SIGKILL && number != SIGSTOP) signal(number, passes ? ignore : SIG_DFL);
    }
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    return waiting;
}

static void reap(void) {
    has_children_ended = 0;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) command_ended(pid, status);
}

static void work(bool for_ever) {
    sigset_t mask = prepare_signals(for_ever);
    while (for_ever || !connection_is_over() || !drain_is_empty()) {
        poll_begin();
        connection_poll();
        command_poll();
        drain_poll();
        poll_wait(&mask);
        if (has_children_ended) reap();
        connection_look();
        if (connection_is_ready()) connection_receive(command_handle);
        if (connection_is_up()) command_advance();
        connection_flush();
        if (!connection_is_up()) command_abandon();
        drain_read();
    }
}

static int serve(bool is_init) {
    /* Who started us is done at once, and PID 1 takes care of our end. */
    if (!is_init && fork() != 0) return 0;
    if (!is_init) setsid();
    keep_to_ourselves();
    work(is_init);
    return 0;
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    if (argc == 2 && strcmp(verb, "init") == 0) return serve(true);
    if (argc == 2 && strcmp(verb, "serve") == 0) return serve(false);
    if (argc == 3 && strcmp(verb, "read") == 0) return file_read(argv[2]);
    if (argc == 3 && strcmp(verb, "list") == 0) return file_list(argv[2]);
    if (argc == 3 && strcmp(verb, "make-dir") == 0) return file_make_dir(argv[2]);
    if (argc == 4 && strcmp(verb, "write") == 0) return file_write(argv[2], argv[3]);
    dprintf(STDERR_FILENO, "usage: opencomputer-agent init|serve, read|list|make-dir PATH, write PATH SEAL\n");
    return 2;
}
