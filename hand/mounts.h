#ifndef MOUNTS_H
#define MOUNTS_H

#include "protocol.h"

/* `mount` TARGET CWD (NAME VALUE)...: an overlay of these options, each handed over on its own; kernels from 6.8 on. */
_Noreturn void mount_by_option(const struct request *request);

/* `mount-page` TARGET CWD OPTIONS: an overlay of options in one text, of which the kernel reads one page. */
_Noreturn void mount_by_page(const struct request *request);

/* `unmount` TARGET: what is not mounted is fine. */
_Noreturn void unmount_target(const struct request *request);

#endif
