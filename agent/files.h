#ifndef FILES_H
#define FILES_H

/*
 * The file operations, each a command of its own that runs as root and ends with one of these codes; what else went
 * wrong is said on standard error. The server's side is src/engines/local/file-verbs.ts.
 */
enum file_result {
    FILE_DONE = 0,
    FILE_FAILED = 1,
    FILE_MISSING = 40,
    FILE_IS_DIRECTORY = 41,
    FILE_NOT_REGULAR = 42,
    FILE_NO_DIRECTORY = 43,
    FILE_BROKEN_OFF = 44,
};

/* Prints one byte once the file is found, then its bytes. */
int file_read(const char *path);

/*
 * Writes what comes on standard input, up to the seal that must stand at its end: whole or not at all. An existing file
 * keeps its mode and owner; a new one has 0644 and the owner of its directory. Missing parents are made.
 */
int file_write(const char *path, const char *seal);

/* Prints `<type> <size> <name>` and a NUL for each entry; links count as what they point to. */
int file_list(const char *path);

/* Makes a directory and its missing parents, 0755, for the owner of the nearest parent that exists. */
int file_make_dir(const char *path);

/* Says what went wrong, and is FILE_FAILED. */
int file_failed(const char *what);

#endif
