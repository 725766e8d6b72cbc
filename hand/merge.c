#include "merge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Layers are made inside of containers: no name in them is followed anywhere. All functions are 0, or -1 with errno. */

#define OPAQUE "trusted.overlay.opaque"
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static bool is_whiteout(const struct stat *status)
{
    return S_ISCHR(status->st_mode) && status->st_rdev == makedev(0, 0);
}

static bool is_opaque(int dir)
{
    char value;
    return fgetxattr(dir, OPAQUE, &value, 1) == 1 && value == 'y';
}

static bool is_special(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Opens a directory's entries and leaves the descriptor itself to the caller. */
static DIR *entries_of(int dir)
{
    int own = openat(dir, ".", OPEN_DIR);
    DIR *entries = own < 0 ? NULL : fdopendir(own);
    if (own >= 0 && entries == NULL)
        close(own);
    return entries;
}

/* NULL at the end; a directory that cannot be read to its end is no shorter one. */
static int next_entry(DIR *entries, struct dirent **entry)
{
    errno = 0;
    *entry = readdir(entries);
    return *entry == NULL && errno != 0 ? -1 : 0;
}

/* Removes a name with all below it; one that is not there is fine. */
static int remove_all(int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    int dir = openat(parent, name, OPEN_DIR);
    DIR *entries = dir < 0 ? NULL : fdopendir(dir);
    if (entries == NULL)
        return -1;
    int result = 0;
    for (struct dirent *entry; result == 0 && (result = next_entry(entries, &entry)) == 0 && entry != NULL;)
        if (!is_special(entry->d_name))
            result = remove_all(dirfd(entries), entry->d_name);
    int problem = errno;
    closedir(entries);
    errno = problem;
    return result < 0 ? result : unlinkat(parent, name, AT_REMOVEDIR);
}

/* Calls back for each attribute of a directory but the one that makes it opaque. */
static int each_attribute(int dir, int (*act)(int dir, int other, const char *name), int other)
{
    static char names[64 * 1024];
    ssize_t length = flistxattr(dir, names, sizeof names);
    for (char *name = names; name < names + length; name += strlen(name) + 1)
        if (strcmp(name, OPAQUE) != 0 && act(dir, other, name) < 0)
            return -1;
    return length < 0 ? -1 : 0;
}

static int drop_attribute(int dir, int other, const char *name)
{
    (void)other;
    return fremovexattr(dir, name);
}

static int copy_attribute(int from, int into, const char *name)
{
    static char value[64 * 1024];
    ssize_t length = fgetxattr(from, name, value, sizeof value);
    return length < 0 ? -1 : fsetxattr(into, name, value, (size_t)length, 0);
}

/* The owner before the mode: to change it takes away bits of the mode. */
static int copy_nature(int from, int into)
{
    struct stat status;
    if (fstat(from, &status) < 0 || fchown(into, status.st_uid, status.st_gid) < 0)
        return -1;
    if (fchmod(into, status.st_mode & 07777) < 0)
        return -1;
    if (each_attribute(into, drop_attribute, -1) < 0 || each_attribute(from, copy_attribute, into) < 0)
        return -1;
    const struct timespec times[2] = {status.st_atim, status.st_mtim};
    return futimens(into, times);
}

/*
 * The place of a directory: what was there before stays where both are directories and the upper one does not hide it.
 * One that takes the place of something else hides what is further below, as that did.
 */
static int place_dir(int parent, const char *name, bool hides)
{
    struct stat there;
    if (fstatat(parent, name, &there, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISDIR(there.st_mode) && !hides)
            return openat(parent, name, OPEN_DIR);
        if (remove_all(parent, name) < 0)
            return -1;
        hides = true;
    } else if (errno != ENOENT) {
        return -1;
    }
    if (mkdirat(parent, name, 0700) < 0)
        return -1;
    int dir = openat(parent, name, OPEN_DIR);
    return dir >= 0 && hides && fsetxattr(dir, OPAQUE, "y", 1, 0) < 0 ? -1 : dir;
}

static int merge_dir(int from, int into, bool is_hidden);

static int merge_subdir(int from, int into, const char *name, bool is_hidden)
{
    int source = openat(from, name, OPEN_DIR);
    if (source < 0)
        return -1;
    int target = place_dir(into, name, is_opaque(source));
    int result = target < 0 ? -1 : merge_dir(source, target, is_hidden || is_opaque(target));
    int problem = errno;
    close(source);
    if (target >= 0)
        close(target);
    errno = problem;
    return result;
}

static int merge_entry(int from, int into, const char *name, bool is_hidden)
{
    struct stat status;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISDIR(status.st_mode))
        return merge_subdir(from, into, name, is_hidden);
    if (remove_all(into, name) < 0)
        return -1;
    if (!is_whiteout(&status))
        return linkat(from, name, into, name, 0);
    /* Where nothing shines through there is nothing to hide, and a whiteout would be seen. */
    return is_hidden ? 0 : mknodat(into, name, S_IFCHR, makedev(0, 0));
}

/* Times last: whatever is put into a directory changes them. */
static int merge_dir(int from, int into, bool is_hidden)
{
    DIR *entries = entries_of(from);
    if (entries == NULL)
        return -1;
    int result = 0;
    for (struct dirent *entry; result == 0 && (result = next_entry(entries, &entry)) == 0 && entry != NULL;)
        if (!is_special(entry->d_name))
            result = merge_entry(from, into, entry->d_name, is_hidden);
    int problem = errno;
    closedir(entries);
    errno = problem;
    return result < 0 ? -1 : copy_nature(from, into);
}

void merge_layers(const struct request *request)
{
    int into = request->count < 3 ? -1 : open(request->words[1], OPEN_DIR);
    if (into < 0)
        fail(request->number, "merge");
    for (int index = 2; index < request->count; index++) {
        int from = open(request->words[index], OPEN_DIR);
        if (from < 0 || merge_dir(from, into, false) < 0)
            fail(request->number, request->words[index]);
        close(from);
    }
    answer(request->number, 0, "");
}
