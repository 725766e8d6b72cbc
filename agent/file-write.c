#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "files.h"

enum { MOST_LINKS = 40, SEAL_BYTES = 64 };

/* A file that is being written, beside the one whose place it takes. */
struct draft {
    char target[PATH_MAX];
    /* What stands there; no mode where nothing does. */
    struct stat old;
    char dir[PATH_MAX];
    char temp[PATH_MAX];
    int fd;
};

static bool too_long(void) {
    errno = ENAMETOOLONG;
    return false;
}

/* Follows a link at the end of the path, also one to what is not there yet. */
static bool resolve(char *target) {
    for (int links = 0; links < MOST_LINKS; links++) {
        char link[PATH_MAX], joined[PATH_MAX];
        ssize_t length = readlink(target, link, sizeof link - 1);
        if (length < 0) return true;
        link[length] = '\0';
        const char *slash = strrchr(target, '/');
        int dir_length = link[0] == '/' || slash == NULL ? 0 : (int)(slash - target) + 1;
        int joined_length = snprintf(joined, sizeof joined, "%.*s%s", dir_length, target, link);
        if (joined_length < 0 || (size_t)joined_length >= sizeof joined) return too_long();
        memcpy(target, joined, (size_t)joined_length + 1);
    }
    errno = ELOOP;
    return false;
}

static bool name_files(struct draft *draft, const char *path, const char *seal) {
    if (strlen(path) >= sizeof draft->target) return too_long();
    memcpy(draft->target, path, strlen(path) + 1);
    if (!resolve(draft->target)) return false;
    const char *slash = strrchr(draft->target, '/');
    int dir_length = (int)(slash - draft->target) + 1;
    snprintf(draft->dir, sizeof draft->dir, "%.*s", dir_length, draft->target);
    int length = snprintf(draft->temp, sizeof draft->temp, "%s.opencomputer.%s", draft->dir, seal);
    return length > 0 && (size_t)length < sizeof draft->temp ? true : too_long();
}

static int open_draft(struct draft *draft) {
    struct stat dir;
    if (stat(draft->target, &draft->old) < 0) draft->old.st_mode = 0;
    if (S_ISDIR(draft->old.st_mode)) return FILE_IS_DIRECTORY;
    if (draft->old.st_mode != 0 && !S_ISREG(draft->old.st_mode)) return FILE_NOT_REGULAR;
    if (stat(draft->dir, &dir) < 0 && file_make_dir(draft->dir) != FILE_DONE) return FILE_NO_DIRECTORY;
    mode_t mode = draft->old.st_mode != 0 ? 0600 : 0644;
    draft->fd = open(draft->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    return draft->fd < 0 ? file_failed("create") : FILE_DONE;
}

/* Whether the seal stood at the end; it is taken away. */
static int fill(const struct draft *draft, const char *seal) {
    if (!bytes_copy(STDIN_FILENO, draft->fd)) return file_failed("write");
    char end[SEAL_BYTES];
    size_t length = strlen(seal);
    off_t size = lseek(draft->fd, 0, SEEK_END) - (off_t)length;
    if (size < 0 || pread(draft->fd, end, length, size) != (ssize_t)length) return FILE_BROKEN_OFF;
    if (memcmp(end, seal, length) != 0) return FILE_BROKEN_OFF;
    return ftruncate(draft->fd, size) == 0 ? FILE_DONE : file_failed("write");
}

static int put_in_place(const struct draft *draft) {
    struct stat dir;
    bool is_new = draft->old.st_mode == 0;
    if (stat(draft->dir, &dir) < 0) return file_failed("look at the directory");
    const struct stat *like = is_new ? &dir : &draft->old;
    if (fchown(draft->fd, like->st_uid, like->st_gid) < 0) return file_failed("give away");
    if (!is_new && fchmod(draft->fd, draft->old.st_mode & 07777) < 0) return file_failed("change the mode");
    return rename(draft->temp, draft->target) == 0 ? FILE_DONE : file_failed("put in place");
}

int file_write(const char *path, const char *seal) {
    static struct draft draft;
    size_t length = strlen(seal);
    if (length == 0 || length > SEAL_BYTES || strchr(seal, '/') != NULL) return FILE_FAILED;
    if (!name_files(&draft, path, seal)) return file_failed("resolve");
    int result = open_draft(&draft);
    if (result != FILE_DONE) return result;
    result = fill(&draft, seal);
    if (result == FILE_DONE) result = put_in_place(&draft);
    if (result != FILE_DONE) unlink(draft.temp);
    return result;
}
