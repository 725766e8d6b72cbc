#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VERB, LIMIT, LOG, SOCKET, PROGRAM };
#define HANDED_DOWN 3

static sigset_t inherited;

static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                    NULL};

static int connect_to(const char *path, uint32_t number)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return write(fd, &number, sizeof number) == sizeof number ? fd : -1;
}

/* The standard streams first: what is opened on the way may have the number that is handed down. */
static int hand_over(const struct request *request)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int log = open(request->words[LOG], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (null < 0 || log < 0)
        return -1;
    if (dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
        return -1;
    if (request->words[SOCKET][0] == '\0')
        return 0;
    int fd = connect_to(request->words[SOCKET], request->number);
    /* Above what it becomes: dup2 of a descriptor to itself would leave it closed by exec. */
    if (fd < 0 || (fd = fcntl(fd, F_DUPFD_CLOEXEC, HANDED_DOWN + 1)) < 0)
        return -1;
    return dup2(fd, HANDED_DOWN) < 0 ? -1 : 0;
}

/* What went wrong before the program began is told by `problem`, which is shared until then. */
static pid_t start(const struct request *request, volatile int *problem)
{
    pid_t pid = vfork();
    if (pid != 0)
        return pid;
    sigprocmask(SIG_SETMASK, &inherited, NULL);
    if (hand_over(request) == 0)
        execve(request->words[PROGRAM], request->words + PROGRAM, environment);
    *problem = errno;
    _exit(127);
}

/* Whether one of these signals comes in so many seconds; others only cut the wait in pieces. */
static bool ends_within(time_t seconds, const sigset_t *signals)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        struct timespec left = {.tv_sec = end.tv_sec - now.tv_sec, .tv_nsec = end.tv_nsec - now.tv_nsec};
        if (left.tv_nsec < 0) {
            left.tv_nsec += 1000000000;
            left.tv_sec -= 1;
        }
        if (left.tv_sec < 0)
            return false;
        if (sigtimedwait(signals, NULL, &left) >= 0)
            return true;
    } while (errno == EINTR);
    return false;
}

void run_program(const struct request *request)
{
    if (request->count <= PROGRAM)
        answer(request->number, -1, "words are missing");
    volatile int problem = 0;
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, &inherited);
    pid_t pid = start(request, &problem);
    if (pid < 0)
        answer(request->number, -1, strerror(errno));
    /* A kill of last resort. */
    if (!ends_within(atol(request->words[LIMIT]), &ended))
        kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (problem != 0)
        answer(request->number, -1, strerror(problem));
    answer(request->number, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), "");
}
