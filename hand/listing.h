#ifndef LISTING_H
#define LISTING_H

#include "protocol.h"

/*
 * What a tree holds, one line an entry, sorted: path, kind, mode, owner, group, size, time of change, digest of extended
 * attributes, and the SHA-256 of a file's bytes or the target of a link. The last line is the digest of those before it,
 * so that a list that was damaged itself is told from a tree that was.
 */

/* `list` TREE FILE: writes it, and has it on disk. */
_Noreturn void write_listing(const struct request *request);

/*
 * `check` TREE FILE quick|unhurried|full: compares; only `full` reads files' bytes, only for `quick` somebody waits. Answers 0 with the first difference in words, ""
 * where there is none; ENODATA where the list cannot be believed.
 */
_Noreturn void check_listing(const struct request *request);

#endif
