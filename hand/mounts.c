#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Declared here, because <sys/mount.h> and <linux/mount.h> do not go together everywhere. */
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);
#define NO_FOLLOW 8
/* Whatever an image holds as a device is none; a container's own devices are mounted beside it. */
#define NO_DEVICES 4

enum { VERB, TARGET, CWD, OPTIONS };

static void enter_cwd(const struct request *request)
{
    if (request->count <= OPTIONS)
        answer(request->number, EINVAL, "words are missing");
    if (chdir(request->words[CWD]) < 0)
        fail(request->number, request->words[CWD]);
}

static long set_option(long context, const char *name, const char *value)
{
    return syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, name, value, 0);
}

void mount_by_option(const struct request *request)
{
    enter_cwd(request);
    long context = syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    if (context < 0)
        fail(request->number, "fsopen");
    if (set_option(context, "source", "overlay") < 0)
        fail(request->number, "source");
    for (int index = OPTIONS; index + 1 < request->count; index += 2)
        if (set_option(context, request->words[index], request->words[index + 1]) < 0)
            fail(request->number, request->words[index]);
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, (void *)0, (void *)0, 0) < 0)
        fail(request->number, "cannot make the overlay");
    long made = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
    if (made < 0)
        fail(request->number, "fsmount");
    if (syscall(SYS_move_mount, made, "", AT_FDCWD, request->words[TARGET], MOVE_MOUNT_F_EMPTY_PATH) < 0)
        fail(request->number, request->words[TARGET]);
    /* Before anybody may want to unmount it. */
    close((int)made);
    close((int)context);
    answer(request->number, 0, "");
}

void mount_by_page(const struct request *request)
{
    enter_cwd(request);
    if (mount("overlay", request->words[TARGET], "overlay", NO_DEVICES, request->words[OPTIONS]) < 0)
        fail(request->number, "cannot mount the overlay");
    answer(request->number, 0, "");
}

void unmount_target(const struct request *request)
{
    if (request->count != CWD)
        answer(request->number, EINVAL, "one target");
    if (umount2(request->words[TARGET], NO_FOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
        answer(request->number, 0, "");
    fail(request->number, request->words[TARGET]);
}
