#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * The tree belongs to somebody hostile who changes it meanwhile. Directories that are still to be read are kept by handle,
 * not by path and not open: so no link leads out of the tree, and neither depth nor breadth is more than memory. A file with
 * several names counts a part for each.
 */

enum { VERB, LIMIT_MS, DIR_NAME, ROOT, PROCS, WORDS };

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define BLOCK 512
/* Memory that a walk may take: more than this is not counted in time either. */
#define MAX_KEPT (1 << 21)

struct place {
    struct file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
};

/* Handles lie one after the other, each followed by its length. */
struct stack {
    unsigned char *bytes;
    size_t used, room;
};

struct unnamed {
    ino_t number;
    uint64_t bytes;
};

static struct {
    struct timespec until;
    uint64_t bytes, files;
    bool is_late;
    struct stack dirs;
    struct unnamed *unnamed;
    size_t unnamed_count;
} sum;

static bool is_over(void)
{
    static unsigned calls;
    struct timespec now;
    if (sum.is_late || ++calls % 64 != 0)
        return sum.is_late;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sum.is_late = now.tv_sec > sum.until.tv_sec || (now.tv_sec == sum.until.tv_sec && now.tv_nsec > sum.until.tv_nsec);
    return sum.is_late;
}

/* Keeps a directory to be read later: its handle, then the length of that. */
static void push(int parent, const char *name)
{
    struct place place = {.head.handle_bytes = MAX_HANDLE_SZ};
    int mount;
    if (name_to_handle_at(parent, name, &place.head, &mount, 0) < 0)
        return;
    size_t length = sizeof place.head + place.head.handle_bytes, needed = sum.dirs.used + length + sizeof length;
    if (needed > sum.dirs.room) {
        size_t room = needed * 2;
        unsigned char *bytes = room > (size_t)MAX_KEPT * 32 ? NULL : realloc(sum.dirs.bytes, room);
        if (bytes == NULL) {
            sum.is_late = true;
            return;
        }
        sum.dirs.bytes = bytes;
        sum.dirs.room = room;
    }
    memcpy(sum.dirs.bytes + sum.dirs.used, &place, length);
    memcpy(sum.dirs.bytes + sum.dirs.used + length, &length, sizeof length);
    sum.dirs.used = needed;
}

/* The directory that was kept last, opened; -1 where it is gone. */
static int pop(int mount)
{
    struct place place;
    size_t length;
    sum.dirs.used -= sizeof length;
    memcpy(&length, sum.dirs.bytes + sum.dirs.used, sizeof length);
    sum.dirs.used -= length;
    memcpy(&place, sum.dirs.bytes + sum.dirs.used, length);
    return open_by_handle_at(mount, &place.head, OPEN_DIR);
}

static void count_entry(int dir, const char *name)
{
    struct stat status;
    if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    bool is_dir = S_ISDIR(status.st_mode);
    sum.files += 1;
    sum.bytes += (uint64_t)status.st_blocks * BLOCK / (is_dir || status.st_nlink == 0 ? 1 : status.st_nlink);
    if (is_dir)
        push(dir, name);
}

static bool is_special(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void each_entry(int dir, void (*act)(int dir, const char *name))
{
    DIR *entries = dir < 0 ? NULL : fdopendir(dir);
    if (entries == NULL) {
        if (dir >= 0)
            close(dir);
        return;
    }
    for (struct dirent *entry; !is_over() && (entry = readdir(entries)) != NULL;)
        if (!is_special(entry->d_name))
            act(dirfd(entries), entry->d_name);
    closedir(entries);
}

static dev_t file_system;

/* What was in the image and was replaced since counts, too, while somebody has it open. */
static void note_unnamed(int dir, const char *name)
{
    struct stat status;
    if (fstatat(dir, name, &status, 0) < 0 || !S_ISREG(status.st_mode) || status.st_nlink > 0)
        return;
    if (status.st_dev != file_system || status.st_blocks == 0)
        return;
    if (sum.unnamed_count == MAX_KEPT) {
        sum.is_late = true;
        return;
    }
    sum.unnamed[sum.unnamed_count].number = status.st_ino;
    sum.unnamed[sum.unnamed_count++].bytes = (uint64_t)status.st_blocks * BLOCK;
}

static int by_number(const void *one, const void *other)
{
    ino_t a = ((const struct unnamed *)one)->number, b = ((const struct unnamed *)other)->number;
    return a < b ? -1 : a > b;
}

static void count_unnamed(const char *root, const char *procs)
{
    struct stat status;
    FILE *members = stat(root, &status) < 0 ? NULL : fopen(procs, "re");
    /* Memory is given when it is touched. */
    sum.unnamed = members == NULL ? NULL : malloc(sizeof *sum.unnamed * MAX_KEPT);
    if (sum.unnamed == NULL)
        return;
    file_system = status.st_dev;
    for (int pid; !is_over() && fscanf(members, "%d", &pid) == 1;) {
        static const char *const HELD[] = {"fd", "map_files"};
        for (int index = 0; index < 2; index++) {
            char path[64];
            snprintf(path, sizeof path, "/proc/%d/%s", pid, HELD[index]);
            each_entry(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), note_unnamed);
        }
    }
    fclose(members);
    qsort(sum.unnamed, sum.unnamed_count, sizeof *sum.unnamed, by_number);
    for (size_t index = 0; index < sum.unnamed_count; index++) {
        if (index > 0 && sum.unnamed[index].number == sum.unnamed[index - 1].number)
            continue;
        sum.bytes += sum.unnamed[index].bytes;
        sum.files += 1;
    }
}

void sum_usage(const struct request *request)
{
    if (request->count != WORDS)
        answer(request->number, EINVAL, "four words");
    long limit_ms = atol(request->words[LIMIT_MS]);
    clock_gettime(CLOCK_MONOTONIC, &sum.until);
    sum.until.tv_sec += limit_ms / 1000;
    sum.until.tv_nsec += limit_ms % 1000 * 1000000;
    sum.until.tv_sec += sum.until.tv_nsec / 1000000000;
    sum.until.tv_nsec %= 1000000000;
    int mount = open(request->words[DIR_NAME], OPEN_DIR);
    if (mount < 0)
        fail(request->number, request->words[DIR_NAME]);
    /* Before the tree, whose walk may take all the time. */
    count_unnamed(request->words[ROOT], request->words[PROCS]);
    push(mount, ".");
    if (sum.dirs.used == 0)
        fail(request->number, "this file system has no file handles");
    while (sum.dirs.used > 0 && !is_over())
        each_entry(pop(mount), count_entry);
    char text[64];
    snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64, sum.bytes, sum.files);
    answer(request->number, sum.is_late ? ETIME : 0, text);
}
