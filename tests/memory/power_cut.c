/* A disk that can fail: preloaded into a process, it watches what is done to the files below one folder.

   power_watch() names the folder and, if wanted, another one that is kept as a disk would be found after a power cut:
   <inode> holds a file as it was when it was last synced, <inode>.dir the entries of a folder likewise. What was
   never synced is not there. Inodes are held open, so that none is used for another file.

   power_fail() makes the Nth operation of some kinds fail, once or from then on, with an errno, or (0) kills the
   process in the midst of it. A write that fails has written its first half. Called again, it begins anew.

   For a process that knows nothing of us: below the folder POWER_FOLDER, the disk is full while the file POWER_FULL
   is there. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, RENAME = 4, UNLINK = 8, CREATE = 16, TRUNCATE = 32 };
enum { HELD = 4096 };

static char folder[PATH_MAX], image[PATH_MAX];
static const char *full;
static long kinds, at, count;
static int error, from_then_on;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { ino_t inode; int descriptor; } held[HELD];
static int holding;

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

static int path_is_ours(const char *path) {
    size_t length = strlen(folder);
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int is_ours(int descriptor) {
    char link[64], path[PATH_MAX];
    if (!*folder) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return path_is_ours(path);
}

/* Whether this operation is the one that fails. */
static int fails(long kind) {
    if (full && (kind & (WRITE | CREATE)) && !access(full, F_OK)) {
        error = ENOSPC;
        return 1;
    }
    if (!(kinds & kind)) return 0;
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    return at && (number == at || (from_then_on && number > at));
}

static int failed(void) {
    if (!error) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    errno = error;
    return -1;
}

static void keep(const char *name, const char *bytes, size_t size) {
    char part[PATH_MAX + 64], whole[PATH_MAX + 64];
    snprintf(part, sizeof part, "%s/part", image);
    snprintf(whole, sizeof whole, "%s/%s", image, name);
    int to = REAL(open, part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (size_t done = 0; done < size;) {
        ssize_t more = REAL(write, to, bytes + done, size - done);
        if (more < 0) abort();
        done += (size_t)more;
    }
    close(to);
    if (REAL(rename, part, whole)) abort();
}

static void keep_file(int descriptor, const struct stat *status) {
    int from = -1;
    for (int each = 0; each < holding; each++)
        if (held[each].inode == status->st_ino) from = held[each].descriptor;
    if (from < 0) { /* never closed: that would lift SQLite's locks */
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        from = REAL(open, link, O_RDONLY | O_CLOEXEC);
        if (from < 0 || holding == HELD) abort();
        held[holding].inode = status->st_ino;
        held[holding++].descriptor = from;
    }
    char name[32], *bytes = malloc((size_t)status->st_size + 1);
    size_t size = 0;
    for (ssize_t more; (more = pread(from, bytes + size, (size_t)status->st_size - size, (off_t)size)) > 0;)
        size += (size_t)more;
    snprintf(name, sizeof name, "%lu", (unsigned long)status->st_ino);
    keep(name, bytes, size);
    free(bytes);
}

static void keep_folder(int descriptor, const struct stat *status) {
    char name[32], link[64], *text = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&text, &size);
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    DIR *entries = opendir(link);
    for (struct dirent *each; (each = readdir(entries));)
        if (strcmp(each->d_name, ".") && strcmp(each->d_name, ".."))
            fprintf(lines, "%s %lu %s\n", each->d_type == DT_DIR ? "dir" : "file", (unsigned long)each->d_ino,
                    each->d_name);
    closedir(entries);
    fclose(lines);
    snprintf(name, sizeof name, "%lu.dir", (unsigned long)status->st_ino);
    keep(name, text, size);
    free(text);
}

static void synced(int descriptor) {
    struct stat status;
    if (!*image || fstat(descriptor, &status)) return;
    pthread_mutex_lock(&lock);
    if (S_ISDIR(status.st_mode)) keep_folder(descriptor, &status);
    else keep_file(descriptor, &status);
    pthread_mutex_unlock(&lock);
}

static int keep_all(const char *path, const struct stat *status, int kind, struct FTW *place) {
    int descriptor = REAL(open, path, O_RDONLY | O_CLOEXEC);
    synced(descriptor);
    close(descriptor);
    return 0;
}

/* What lies in the folder already is taken to be safe on the disk. */
void power_watch(const char *watched, const char *kept) {
    snprintf(image, sizeof image, "%s", kept);
    if (*image) nftw(watched, keep_all, 16, FTW_PHYS);
    snprintf(folder, sizeof folder, "%s", watched);
}

void power_fail(long which, long number, int with, int always) {
    kinds = which, at = number, error = with, from_then_on = always;
    count = 0;
}

__attribute__((constructor)) static void from_outside(void) {
    full = getenv("POWER_FULL");
    if (full) power_watch(getenv("POWER_FOLDER"), "");
}

long power_count(void) { return count; }

/* --- What is watched */

ssize_t write(int descriptor, const void *bytes, size_t size) {
    if (is_ours(descriptor) && fails(WRITE)) {
        if (REAL(write, descriptor, bytes, size / 2) < 0) return -1;
        return failed();
    }
    return REAL(write, descriptor, bytes, size);
}

static ssize_t write_at(int descriptor, const void *bytes, size_t size, off_t offset) {
    if (is_ours(descriptor) && fails(WRITE)) {
        if (REAL(pwrite, descriptor, bytes, size / 2, offset) < 0) return -1;
        return failed();
    }
    return REAL(pwrite, descriptor, bytes, size, offset);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
    return write_at(descriptor, bytes, size, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) {
    return write_at(descriptor, bytes, size, offset);
}

static int sync_file(int descriptor) {
    if (!is_ours(descriptor)) return REAL(fsync, descriptor);
    if (fails(SYNC)) return failed();
    synced(descriptor); /* instead of waiting for the real disk */
    return 0;
}

int fsync(int descriptor) { return sync_file(descriptor); }
int fdatasync(int descriptor) { return sync_file(descriptor); }

int ftruncate(int descriptor, off_t size) {
    return is_ours(descriptor) && fails(TRUNCATE) ? failed() : REAL(ftruncate, descriptor, size);
}

int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

int rename(const char *from, const char *to) {
    return path_is_ours(to) && fails(RENAME) ? failed() : REAL(rename, from, to);
}

int unlink(const char *path) { return path_is_ours(path) && fails(UNLINK) ? failed() : REAL(unlink, path); }

int mkdir(const char *path, mode_t mode) {
    return path_is_ours(path) && fails(CREATE) ? failed() : REAL(mkdir, path, mode);
}

static int creates(const char *path, int flags) {
    return (flags & O_CREAT) && path_is_ours(path) && access(path, F_OK);
}

#define OPENED(name)                                                  \
    int name(const char *path, int flags, ...) {                      \
        va_list rest;                                                 \
        va_start(rest, flags);                                        \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;     \
        va_end(rest);                                                 \
        if (creates(path, flags) && fails(CREATE)) return failed();   \
        return REAL(name, path, flags, mode);                         \
    }

OPENED(open)
OPENED(open64)
