#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sha256.h"

/* Trees were made inside of containers: no name in them is followed anywhere. All functions are 0, or -1 with errno. */

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define MAX_PATH 65536
/* A byte takes four where it is escaped. */
#define MAX_LINE (4 * MAX_PATH + 4 * 4096 + 512)
#define NOT_READ "?"

enum { TREE = 1, LIST, DEPTH };

struct listing {
    FILE *file;
    struct sha256 digest;
    /* Whether files are read, and whether lines are compared with those of the file or written to it. */
    bool reads;
    bool compares;
    char path[MAX_PATH];
    size_t path_length;
    char line[MAX_LINE];
    size_t line_length;
    /* The first difference. */
    char problem[700];
};

static int list_dir(struct listing *listing, int dir);

/* At the end of the line, so that it has no space, no line break and nothing that is not ASCII. */
static void add_escaped(struct listing *listing, const char *text)
{
    char *end = listing->line + listing->line_length;
    for (const unsigned char *byte = (const unsigned char *)text; *byte != 0; byte++)
        if (*byte <= ' ' || *byte >= 127 || *byte == '\\')
            end += sprintf(end, "\\%03o", *byte);
        else
            *end++ = (char)*byte;
    *end = '\0';
    listing->line_length = (size_t)(end - listing->line);
}

static char kind_of(const struct stat *status)
{
    switch (status->st_mode & S_IFMT) {
    case S_IFREG:
        return 'f';
    case S_IFDIR:
        return 'd';
    case S_IFLNK:
        return 'l';
    default:
        return 's';
    }
}

static int hash_file(int file, char hex[65])
{
    static char buffer[256 * 1024];
    struct sha256 hash;
    sha256_begin(&hash);
    for (;;) {
        ssize_t got = read(file, buffer, sizeof buffer);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        sha256_add(&hash, buffer, (size_t)got);
    }
    sha256_end(&hash, hex);
    return 0;
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* Of an open file or directory; "-" where it has none. */
static int hash_attributes(int fd, char hex[65])
{
    static char names[64 * 1024], value[64 * 1024];
    ssize_t length = flistxattr(fd, names, sizeof names);
    if (length < 0 && errno != ENOTSUP)
        return -1;
    strcpy(hex, "-");
    if (length <= 0)
        return 0;
    char *sorted[1024];
    size_t count = 0;
    for (char *name = names; name < names + length && count < 1024; name += strlen(name) + 1)
        sorted[count++] = name;
    qsort(sorted, count, sizeof *sorted, by_name);
    struct sha256 hash;
    sha256_begin(&hash);
    for (size_t index = 0; index < count; index++) {
        ssize_t size = fgetxattr(fd, sorted[index], value, sizeof value);
        if (size < 0)
            return -1;
        sha256_add(&hash, sorted[index], strlen(sorted[index]) + 1);
        sha256_add(&hash, &size, sizeof size);
        sha256_add(&hash, value, (size_t)size);
    }
    sha256_end(&hash, hex);
    return 0;
}

/* Makes the line of an entry; `fd` is it where it is a file or a directory, `parent` and `name` say where else it is. */
static int describe(struct listing *listing, const struct stat *status, int fd, int parent, const char *name)
{
    char attributes[65] = "-", digest[65] = NOT_READ, target[4096] = "";
    char kind = kind_of(status);
    if (fd >= 0 && hash_attributes(fd, attributes) < 0)
        return -1;
    if (kind == 'f' && listing->reads && hash_file(fd, digest) < 0)
        return -1;
    if (kind == 'l' && readlinkat(parent, name, target, sizeof target - 1) < 0)
        return -1;
    listing->line_length = 0;
    add_escaped(listing, listing->path_length == 0 ? "." : listing->path);
    listing->line_length += (size_t)sprintf(
        listing->line + listing->line_length, " %c %o %u %u %lld %lld.%09ld %s ", kind, status->st_mode & 07777,
        status->st_uid, status->st_gid, kind == 'f' ? (long long)status->st_size : 0LL,
        (long long)status->st_mtim.tv_sec, status->st_mtim.tv_nsec, attributes);
    if (kind == 's')
        sprintf(target, "%o-%u:%u", status->st_mode & S_IFMT, major(status->st_rdev), minor(status->st_rdev));
    add_escaped(listing, kind == 'f' ? digest : kind == 'd' ? "-" : target);
    return 0;
}

/* The words of a line end at spaces. */
static bool same_word(const char **one, const char **other)
{
    size_t length = strcspn(*one, " "), other_length = strcspn(*other, " ");
    bool same = length == other_length && memcmp(*one, *other, length) == 0;
    *one += length + ((*one)[length] == ' ');
    *other += other_length + ((*other)[other_length] == ' ');
    return same;
}

static void tell_difference(struct listing *listing, const char *expected)
{
    static const char *const words[] = {"path",  "kind",   "mode",           "owner",               "group",
                                        "size",  "time",   "extended attributes", "content"};
    const char *one = listing->line, *other = expected;
    int path_length = (int)strcspn(one, " "), other_length = (int)strcspn(other, " ");
    if (!same_word(&one, &other)) {
        snprintf(listing->problem, sizeof listing->problem, "%.*s stands where %.*s was kept",
                 path_length > 300 ? 300 : path_length, listing->line, other_length > 300 ? 300 : other_length, expected);
        return;
    }
    for (int index = 1; index < 9; index++) {
        bool is_unread = index == 8 && strcmp(one, NOT_READ) == 0;
        if (is_unread || same_word(&one, &other))
            continue;
        snprintf(listing->problem, sizeof listing->problem, "%.*s has another %s", path_length > 500 ? 500 : path_length,
                 listing->line, words[index]);
        return;
    }
}

/* Writes the line down, or compares it. */
static int settle(struct listing *listing)
{
    static char *expected;
    static size_t size;
    if (!listing->compares) {
        sha256_add(&listing->digest, listing->line, listing->line_length);
        sha256_add(&listing->digest, "\n", 1);
        return fprintf(listing->file, "%s\n", listing->line) < 0 ? -1 : 0;
    }
    ssize_t length = getline(&expected, &size, listing->file);
    if (length <= 0 || strncmp(expected, "= ", 2) == 0) {
        listing->line[strcspn(listing->line, " ")] = '\0';
        snprintf(listing->problem, sizeof listing->problem, "%.500s was not kept there", listing->line);
        return 0;
    }
    expected[length - 1] = '\0';
    tell_difference(listing, expected);
    return 0;
}

static int list_entry(struct listing *listing, int parent, const char *name)
{
    struct stat status;
    int fd = -1;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISDIR(status.st_mode) || S_ISREG(status.st_mode))
        if ((fd = openat(parent, name, S_ISDIR(status.st_mode) ? OPEN_DIR : OPEN_FILE)) < 0)
            return -1;
    int result = describe(listing, &status, fd, parent, name);
    if (result == 0)
        result = settle(listing);
    if (result == 0 && listing->problem[0] == '\0' && S_ISDIR(status.st_mode))
        result = list_dir(listing, fd);
    int problem = errno;
    if (fd >= 0)
        close(fd);
    errno = problem;
    return result;
}

static int list_named(struct listing *listing, int dir, const char *name)
{
    size_t before = listing->path_length, length = strlen(name);
    if (before + length + 2 > MAX_PATH) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (before > 0)
        listing->path[listing->path_length++] = '/';
    memcpy(listing->path + listing->path_length, name, length + 1);
    listing->path_length += length;
    /* Where it fails, the path says what cannot be read. */
    if (list_entry(listing, dir, name) < 0)
        return -1;
    listing->path_length = before;
    listing->path[before] = '\0';
    return 0;
}

static int not_special(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **one, const struct dirent **other)
{
    return strcmp((*one)->d_name, (*other)->d_name);
}

static int list_dir(struct listing *listing, int dir)
{
    struct dirent **entries;
    int count = scandirat(dir, ".", &entries, not_special, by_bytes);
    if (count < 0)
        return -1;
    int result = 0;
    for (int index = 0; index < count; index++) {
        if (result == 0 && listing->problem[0] == '\0')
            result = list_named(listing, dir, entries[index]->d_name);
        int problem = errno;
        free(entries[index]);
        errno = problem;
    }
    free(entries);
    return result;
}

/* Whoever waits for nothing takes what others leave of the processor and the disk. */
static void step_back(void)
{
    const int who = 1, lowest = 2 << 13 | 7;
    setpriority(PRIO_PROCESS, 0, 19);
    syscall(SYS_ioprio_set, who, 0, lowest);
}

static void allow_depth(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int list_tree(struct listing *listing, const char *tree)
{
    allow_depth();
    return list_entry(listing, AT_FDCWD, tree);
}

void write_listing(const struct request *request)
{
    static struct listing listing;
    listing.reads = true;
    if (request->count != LIST + 1)
        answer(request->number, EINVAL, "a tree and a file");
    step_back();
    int file = open(request->words[LIST], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    listing.file = file < 0 ? NULL : fdopen(file, "w");
    if (listing.file == NULL)
        fail(request->number, request->words[LIST]);
    sha256_begin(&listing.digest);
    if (list_tree(&listing, request->words[TREE]) < 0)
        fail(request->number, listing.path_length > 0 ? listing.path : request->words[TREE]);
    char digest[65];
    sha256_end(&listing.digest, digest);
    fprintf(listing.file, "= %s\n", digest);
    if (fflush(listing.file) != 0 || fsync(file) < 0)
        fail(request->number, request->words[LIST]);
    answer(request->number, 0, "");
}

/* Whether the list is the one that was written, to its last byte. */
static bool is_whole(FILE *file)
{
    char *line = NULL, digest[65];
    size_t size = 0;
    struct sha256 hash;
    bool whole = false;
    sha256_begin(&hash);
    for (ssize_t length; (length = getline(&line, &size, file)) > 0;) {
        if (strncmp(line, "= ", 2) != 0) {
            sha256_add(&hash, line, (size_t)length);
            continue;
        }
        sha256_end(&hash, digest);
        whole = length == 67 && memcmp(line + 2, digest, 64) == 0 && getc(file) == EOF;
        break;
    }
    free(line);
    rewind(file);
    return whole;
}

void check_listing(const struct request *request)
{
    static struct listing listing;
    listing.compares = true;
    if (request->count != DEPTH + 1)
        answer(request->number, EINVAL, "a tree, a file and how");
    listing.reads = strcmp(request->words[DEPTH], "full") == 0;
    if (strcmp(request->words[DEPTH], "quick") != 0)
        step_back();
    listing.file = fopen(request->words[LIST], "re");
    if (listing.file == NULL)
        fail(request->number, request->words[LIST]);
    if (!is_whole(listing.file))
        answer(request->number, ENODATA, "the list is damaged");
    if (list_tree(&listing, request->words[TREE]) < 0)
        snprintf(listing.problem, sizeof listing.problem, "%.500s cannot be read: %s",
                 listing.path_length > 0 ? listing.path : ".", strerror(errno));
    char first[3] = "";
    if (listing.problem[0] == '\0' && (fread(first, 1, 2, listing.file) != 2 || strcmp(first, "= ") != 0))
        strcpy(listing.problem, "the last of its entries are missing");
    answer(request->number, 0, listing.problem);
}
