#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "listing.h"
#include "merge.h"
#include "mounts.h"
#include "network.h"
#include "protocol.h"
#include "run.h"
#include "usage.h"

/*
 * The hand of the local engine: does for the server what a program in JavaScript cannot do itself, or only by starting
 * one for each. A small process of its own, because to fork the server's costs milliseconds. Each request is done by a
 * child, so none waits for another, and none can harm the next. It ends when the server does; what it began goes on to
 * its end.
 */

#define MAX_HELD 4096

/* The networks that are held: the request that made each, and the end of the pipe that keeps its holder alive. */
static struct {
    uint32_t number;
    int life;
} held[MAX_HELD];
static int held_count;

static void forget_held(void)
{
    for (int index = 0; index < held_count; index++)
        close(held[index].life);
}

/* `release` NUMBER: lets go of the network that this request made; there is no answer. */
static void release(const struct request *request)
{
    uint32_t number = request->count == 2 ? (uint32_t)strtoul(request->words[1], NULL, 10) : 0;
    for (int index = 0; index < held_count; index++) {
        if (held[index].number != number)
            continue;
        close(held[index].life);
        held[index] = held[--held_count];
        return;
    }
}

static _Noreturn void work(const struct request *request, int life)
{
    const char *verb = request->words[0];
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    forget_held();
    if (strcmp(verb, "mount") == 0)
        mount_by_option(request);
    if (strcmp(verb, "mount-page") == 0)
        mount_by_page(request);
    if (strcmp(verb, "unmount") == 0)
        unmount_target(request);
    if (strcmp(verb, "run") == 0)
        run_program(request);
    if (strcmp(verb, "network") == 0)
        make_network(request, life);
    if (strcmp(verb, "remove-link") == 0)
        remove_named_link(request);
    if (strcmp(verb, "merge") == 0)
        merge_layers(request);
    if (strcmp(verb, "list") == 0)
        write_listing(request);
    if (strcmp(verb, "check") == 0)
        check_listing(request);
    if (strcmp(verb, "usage") == 0)
        sum_usage(request);
    answer(request->number, -1, "unknown verb");
}

static void serve(const struct request *request)
{
    int life[2] = {-1, -1};
    int is_network = strcmp(request->words[0], "network") == 0;
    if (is_network && (held_count == MAX_HELD || pipe2(life, O_CLOEXEC) < 0)) {
        say(request->number, -1, "no room for one more network");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        close(life[1]);
        work(request, life[0]);
    }
    close(life[0]);
    if (child < 0)
        say(request->number, -1, "cannot fork");
    if (is_network && child > 0) {
        held[held_count].number = request->number;
        held[held_count++].life = life[1];
    } else {
        close(life[1]);
    }
}

int main(void)
{
    static struct request request;
    /* Nothing of the server's stays open in here. */
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    /* What containers inherit holds no key of whoever started the server. */
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    /* Nobody waits for children here: the kernel collects them. */
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    /* What outlives its parent is collected here, too: not every machine has an init that does. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int got;
    while ((got = read_request(&request)) > 0) {
        if (strcmp(request.words[0], "release") == 0)
            release(&request);
        else
            serve(&request);
    }
    return got < 0 ? 1 : 0;
}
