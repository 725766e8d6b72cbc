#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* Writes all of these; false with errno where it cannot. */
bool bytes_write(int fd, const void *bytes, size_t length);

/* Copies to the end; false with errno where it cannot. */
bool bytes_copy(int from, int to);

#endif
