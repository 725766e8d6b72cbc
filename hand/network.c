#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

enum { VERB, LINK, HOST, INSIDE, MTU, FIRST, COUNT, WORDS };

/* What the holder tells when a stage is over: its errno, 0 where all is well. */
static void report(int channel, int failed)
{
    const int32_t problem = failed ? (errno == 0 ? EIO : errno) : 0;
    if (write(channel, &problem, sizeof problem) != sizeof problem || problem != 0)
        _exit(1);
}

static void await(int channel)
{
    int32_t word;
    if (read(channel, &word, sizeof word) != sizeof word)
        _exit(1);
}

/* Inside: has all capabilities over namespaces that it made itself. */
static _Noreturn void hold(const struct request *request, int channel, int life)
{
    report(channel, unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0);
    await(channel);
    report(channel, raise_link("lo") < 0 || raise_link("eth0") < 0 ||
                        add_address("eth0", request->words[INSIDE]) < 0 || add_default_route("eth0", request->words[HOST]) < 0);
    close(channel);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    char end;
    while (read(life, &end, 1) < 0 && errno == EINTR)
        ;
    _exit(0);
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, strlen(text));
    close(fd);
    return written == (ssize_t)strlen(text) ? 0 : -1;
}

static int map_ids(const struct request *request, pid_t holder)
{
    char path[64], map[64];
    snprintf(map, sizeof map, "0 %s %s", request->words[FIRST], request->words[COUNT]);
    snprintf(path, sizeof path, "/proc/%d/uid_map", holder);
    if (write_file(path, map) < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/gid_map", holder);
    return write_file(path, map);
}

/* Only packets that would be answered through the same link: no sandbox speaks for another. */
static int filter_senders(const char *link)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/rp_filter", link);
    return write_file(path, "1");
}

static _Noreturn void give_up(uint32_t number, pid_t holder, const char *what)
{
    int problem = errno;
    kill(holder, SIGKILL);
    errno = problem;
    fail(number, what);
}

static void hear(const struct request *request, int channel, pid_t holder, const char *what)
{
    int32_t problem = EIO;
    errno = EIO;
    if (read(channel, &problem, sizeof problem) == sizeof problem && problem == 0)
        return;
    errno = problem;
    give_up(request->number, holder, what);
}

void make_network(const struct request *request, int life)
{
    int channels[2];
    const int32_t go = 0;
    if (request->count != WORDS)
        answer(request->number, EINVAL, "six words");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channels) < 0)
        fail(request->number, "socketpair");
    pid_t holder = fork();
    if (holder < 0)
        fail(request->number, "fork");
    if (holder == 0) {
        close(channels[0]);
        hold(request, channels[1], life);
    }
    close(channels[1]);
    const char *link = request->words[LINK];
    hear(request, channels[0], holder, "cannot make a user and a network namespace");
    if (map_ids(request, holder) < 0)
        give_up(request->number, holder, "cannot map the ids of a user namespace");
    if (make_link_pair(link, holder, (uint32_t)atol(request->words[MTU])) < 0)
        give_up(request->number, holder, link);
    if (add_address(link, request->words[HOST]) < 0 || raise_link(link) < 0 || filter_senders(link) < 0)
        give_up(request->number, holder, link);
    if (write(channels[0], &go, sizeof go) != sizeof go)
        give_up(request->number, holder, "the process that holds a network has ended");
    hear(request, channels[0], holder, "cannot set up the inside of a network");
    char text[16];
    snprintf(text, sizeof text, "%d", holder);
    answer(request->number, 0, text);
}

void remove_named_link(const struct request *request)
{
    if (request->count != 2)
        answer(request->number, EINVAL, "one link");
    if (remove_link(request->words[LINK]) == 0 || errno == ENODEV)
        answer(request->number, 0, "");
    fail(request->number, request->words[LINK]);
}
