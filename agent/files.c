#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"

enum { CHUNK_BYTES = 1024 * 1024 };

int file_failed(const char *what) {
    dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
    return FILE_FAILED;
}

static int print_file(int fd) {
    for (;;) {
        ssize_t sent = sendfile(STDOUT_FILENO, fd, NULL, CHUNK_BYTES);
        if (sent == 0) return FILE_DONE;
        if (sent < 0 && errno == EINTR) continue;
        /* Files of the kernel's own cannot be sent so. */
        if (sent < 0) return errno == EINVAL && bytes_copy(fd, STDOUT_FILENO) ? FILE_DONE : file_failed("read");
    }
}

int file_read(const char *path) {
    struct stat there;
    /* Without waiting: a pipe that nobody writes to is no file, and would hold us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool is_found = fd >= 0 ? fstat(fd, &there) == 0 : stat(path, &there) == 0;
    if (!is_found) return FILE_MISSING;
    if (S_ISDIR(there.st_mode)) return FILE_IS_DIRECTORY;
    if (!S_ISREG(there.st_mode)) return FILE_NOT_REGULAR;
    if (fd < 0 || !bytes_write(STDOUT_FILENO, "+", 1)) return file_failed("open");
    return print_file(fd);
}

static char type_of(mode_t mode) {
    if (S_ISDIR(mode)) return 'd';
    return S_ISREG(mode) ? 'f' : 'l';
}

static void print_entry(int dir, const char *name) {
    struct stat there;
    if (fstatat(dir, name, &there, 0) < 0 && fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) < 0) return;
    printf("%c %lld %s%c", type_of(there.st_mode), (long long)there.st_size, name, '\0');
}

int file_list(const char *path) {
    DIR *dir = opendir(path);
    if (dir == NULL && errno == ENOTDIR && access(path, F_OK) == 0) return FILE_NO_DIRECTORY;
    if (dir == NULL) return errno == ENOENT || errno == ENOTDIR ? FILE_MISSING : file_failed("open");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) print_entry(dirfd(dir), entry->d_name);
    }
    return fflush(stdout) == 0 ? FILE_DONE : file_failed("write");
}

static bool make_one(const char *path, struct stat *owner) {
    struct stat there;
    if (stat(path, &there) == 0) {
        *owner = there;
        if (S_ISDIR(there.st_mode)) return true;
        errno = ENOTDIR;
        return false;
    }
    /* Somebody else may make it at the same time. */
    if (mkdir(path, 0755) < 0) return errno == EEXIST && stat(path, &there) == 0 && S_ISDIR(there.st_mode);
    return chown(path, owner->st_uid, owner->st_gid) == 0;
}

int file_make_dir(const char *path) {
    char part[PATH_MAX];
    struct stat owner = {0};
    size_t length = strlen(path);
    if (length >= sizeof part) {
        errno = ENAMETOOLONG;
        return file_failed("make a directory");
    }
    for (size_t end = 1; end <= length; end++) {
        if (path[end] != '/' && path[end] != '\0') continue;
        memcpy(part, path, end);
        part[end] = '\0';
        if (!make_one(part, &owner)) return file_failed("make a directory");
    }
    return FILE_DONE;
}
