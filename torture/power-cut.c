#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

/*
 * Does to a mounted file system what a power cut does to its disk: from now on nothing reaches it, what was not synced is
 * gone, and so is the part of the journal that was not. The kernel's own tests of ext4 and XFS use the same call.
 */

#define SHUTDOWN _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2

int main(int argc, char **argv)
{
    uint32_t how = NO_LOG_FLUSH;
    int dir = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0 || ioctl(dir, SHUTDOWN, &how) < 0) {
        perror(argc == 2 ? argv[1] : "one directory");
        return 1;
    }
    return 0;
}
