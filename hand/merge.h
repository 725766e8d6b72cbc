#ifndef MERGE_H
#define MERGE_H

#include "protocol.h"

/*
 * `merge` INTO LAYER...: lays the layers of an overlay, the lowest first, over the directory INTO, which then stands for
 * all of them over whatever is below: with what they removed and replaced there. Files are the same files, linked. All are
 * on one file system.
 */
_Noreturn void merge_layers(const struct request *request);

#endif
