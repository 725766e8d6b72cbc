#include "command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drain.h"
#include "input.h"
#include "launch.h"
#include "poll-set.h"

struct output {
    int fd;
    int place;
    uint32_t credit;
    /* What is still to be handed on; only counts once the command is over. */
    uint32_t left;
};

struct command {
    struct command *next;
    uint32_t id;
    pid_t pid;
    /* Tells whether it runs; -1 once that is known. */
    int status;
    /* The errno of why there is no process. */
    int refusal;
    struct input input;
    struct output outputs[2];
    bool is_known;
    bool is_over;
    bool is_told;
    int ending;
};

static struct command *commands;

static struct command *find(uint32_t id) {
    for (struct command *command = commands; command != NULL; command = command->next) {
        if (command->id == id) return command;
    }
    return NULL;
}

static bool start(const struct frame *frame) {
    struct launch launch;
    if (find(frame->id) != NULL || !launch_read(&launch, frame->bytes, frame->length)) return false;
    struct command *command = calloc(1, sizeof *command);
    struct launched launched = LAUNCHED_NOTHING;
    int problem = command == NULL ? ENOMEM : launch_start(&launch, &launched);
    launch_free(&launch);
    if (command == NULL) return false;
    *command = (struct command){.id = frame->id, .pid = launched.pid, .status = launched.status, .refusal = problem};
    command->is_over = command->is_told = problem != 0;
    input_open(&command->input, launched.input);
    for (int i = 0; i < 2; i++) {
        command->outputs[i] = (struct output){.fd = launched.outputs[i], .place = -1, .credit = WINDOW_BYTES};
    }
    command->next = commands;
    commands = command;
    return true;
}

/* Nobody reads this output any more. */
static void let_go(struct output *output) {
    if (output->fd >= 0) drain_add(output->fd);
    output->fd = -1;
}

static bool add_credit(struct command *command, const struct frame *frame) {
    if (frame->length != 8) return false;
    uint32_t stream = read_u32(frame->bytes), bytes = read_u32(frame->bytes + 4);
    if (stream < 1 || stream > 2) return false;
    struct output *output = &command->outputs[stream - 1];
    if (bytes > WINDOW_BYTES - output->credit) return false;
    output->credit += bytes;
    return true;
}

/* Its number is nobody else's as long as we have not waited for it. */
static void send_signal(const struct command *command, uint32_t number) {
    if (!command->is_over) kill(-command->pid, (int)number);
}

static bool reset(const struct frame *frame) {
    if (frame->length != RESET_BYTES) return false;
    command_abandon();
    connection_reset(frame->bytes);
    return true;
}

bool command_handle(const struct frame *frame) {
    if (frame->type == FRAME_START) return start(frame);
    if (frame->type == FRAME_RESET) return reset(frame);
    if (frame->type == FRAME_SYNC) {
        connection_sync();
        return true;
    }
    struct command *command = find(frame->id);
    /* It has ended meanwhile. */
    if (command == NULL) return true;
    switch (frame->type) {
    case FRAME_STDIN: return input_take(&command->input, frame->bytes, frame->length);
    case FRAME_STDIN_END: input_end(&command->input); return true;
    case FRAME_CREDIT: return add_credit(command, frame);
    case FRAME_SIGNAL:
        if (frame->length != 4) return false;
        send_signal(command, read_u32(frame->bytes));
        return true;
    case FRAME_FORGET:
        for (int i = 0; i < 2; i++) let_go(&command->outputs[i]);
        return true;
    default: return false;
    }
}

void command_ended(pid_t pid, int status) {
    for (struct command *command = commands; command != NULL; command = command->next) {
        if (command->pid != pid || command->is_over) continue;
        command->is_over = true;
        command->ending = status;
        input_close(&command->input);
        for (int i = 0; i < 2; i++) {
            int left = 0;
            if (command->outputs[i].fd >= 0) ioctl(command->outputs[i].fd, FIONREAD, &left);
            command->outputs[i].left = left > 0 ? (uint32_t)left : 0;
        }
    }
}

static bool is_readable(const struct command *command, const struct output *output) {
    return output->fd >= 0 && output->credit > 0 && (!command->is_over || output->left > 0);
}

void command_poll(void) {
    bool is_behind = connection_is_behind();
    for (struct command *command = commands; command != NULL; command = command->next) {
        poll_add(command->status, POLLIN);
        input_poll(&command->input);
        for (int i = 0; i < 2; i++) {
            struct output *output = &command->outputs[i];
            output->place = !is_behind && is_readable(command, output) ? poll_add(output->fd, POLLIN) : -1;
        }
    }
}

/* The start is known when the program runs, or says why not. */
static bool tell_start(struct command *command) {
    if (command->is_known) return true;
    if (!connection_has_room(4)) return false;
    unsigned char sign;
    ssize_t got = command->refusal != 0 ? 1 : read(command->status, &sign, 1);
    if (got < 0) return false;
    if (command->status >= 0) close(command->status);
    command->status = -1;
    command->is_known = true;
    if (got == 0) {
        connection_commit(FRAME_STARTED, command->id, 0);
        return true;
    }
    command->is_told = true;
    connection_say(FRAME_REFUSED, command->id, &(uint32_t){(uint32_t)command->refusal}, 1);
    return true;
}

/* Hands on at most one frame, so that all outputs get their turn. */
static void move_output(const struct command *command, struct output *output, enum frame_type type) {
    if (!is_readable(command, output) || !connection_has_room(FRAME_DATA_BYTES)) return;
    size_t wanted = output->credit < FRAME_DATA_BYTES ? output->credit : FRAME_DATA_BYTES;
    if (command->is_over && output->left < wanted) wanted = output->left;
    ssize_t got = read(output->fd, connection_reserve(), wanted);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        close(output->fd);
        output->fd = -1;
        return;
    }
    connection_commit(type, command->id, (uint32_t)got);
    output->credit -= (uint32_t)got;
    if (command->is_over) output->left -= (uint32_t)got;
}

static void tell_end(struct command *command) {
    if (command->is_told || !command->is_over || !connection_has_room(8)) return;
    int status = command->ending;
    uint32_t signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
    uint32_t code = signal > 0 ? 128 + signal : (uint32_t)WEXITSTATUS(status);
    connection_say(FRAME_EXITED, command->id, (uint32_t[]){code, signal}, 2);
    command->is_told = true;
}

/* Whether nothing is left to do for it. */
static bool advance(struct command *command) {
    if (!tell_start(command)) return false;
    tell_end(command);
    input_advance(&command->input, command->id);
    for (int i = 0; i < 2; i++) {
        struct output *output = &command->outputs[i];
        if (poll_has(output->place) || command->is_over) move_output(command, output, FRAME_STDOUT + i);
        output->place = -1;
        if (command->is_over && output->left == 0) let_go(output);
    }
    bool is_done = command->is_over && command->is_told && command->outputs[0].fd < 0 && command->outputs[1].fd < 0;
    if (!is_done || !connection_has_room(0)) return false;
    connection_commit(FRAME_DONE, command->id, 0);
    return true;
}

void command_advance(void) {
    struct command **link = &commands;
    while (*link != NULL) {
        struct command *command = *link;
        if (advance(command)) {
            *link = command->next;
            free(command);
        } else {
            link = &command->next;
        }
    }
    /* The first becomes the last: where there is little room, everybody has it in turn. */
    if (commands == NULL || commands->next == NULL) return;
    struct command *first = commands;
    commands = first->next;
    *link = first;
    first->next = NULL;
}

void command_abandon(void) {
    while (commands != NULL) {
        struct command *command = commands;
        commands = command->next;
        if (command->status >= 0) close(command->status);
        input_close(&command->input);
        for (int i = 0; i < 2; i++) let_go(&command->outputs[i]);
        free(command);
    }
}
