#ifndef USAGE_H
#define USAGE_H

#include "protocol.h"

/*
 * `usage` LIMIT_MS DIR ROOT PROCS: what a container takes of the disk. All below DIR counts, and all files without a name
 * that the processes in the control group's file PROCS hold open or mapped on the file system of ROOT. Answers `BYTES FILES`,
 * and the result ETIME where there was more than could be counted in time: at least so much, then.
 */
_Noreturn void sum_usage(const struct request *request);

#endif
