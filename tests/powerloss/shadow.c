/* Power loss, simulated: what a disk is sure to hold of the files under $SHADOW_ROOT.
 *
 * Loaded with LD_PRELOAD. At each fsync or fdatasync it copies the synced file to $SHADOW_DIR/files/<identity>, and the
 * folder tree to $SHADOW_DIR/names: like ext4, where one sync commits all names changed so far. sync_file_range is
 * left alone: it promises nothing about power. The test then puts the folder back to this state (powerloss.rs).
 *
 * A file's identity is its inode and the time of its birth, for inodes are used again. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_SIZE 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A simulation that goes wrong must not look like a store that holds. */
static void die(const char *what) {
    perror(what);
    abort();
}

static void identity(const char *path, char *out, size_t size, unsigned *mode) {
    struct statx about;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &about)) {
        out[0] = 0; /* removed meanwhile */
        return;
    }
    *mode = about.stx_mode;
    snprintf(out, size, "%llu.%lld%09u", (unsigned long long)about.stx_ino,
             (long long)about.stx_btime.tv_sec, about.stx_btime.tv_nsec);
}

/* One line per entry: d or f, identity, path. Parents come before what they hold. */
static void write_names(FILE *out, const char *folder) {
    DIR *dir = opendir(folder);
    if (!dir) return;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char path[PATH_SIZE], id[64];
        unsigned mode = 0;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        identity(path, id, sizeof id, &mode);
        if (!id[0]) continue;
        fprintf(out, "%c\t%s\t%s\n", S_ISDIR(mode) ? 'd' : 'f', id, path);
        if (S_ISDIR(mode)) write_names(out, path);
    }
    closedir(dir);
}

static void copy_file(const char *from, const char *to) {
    static char buffer[1 << 20];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (in < 0 || out < 0) die("shadow: open");
    ssize_t got;
    while ((got = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, got) != got) die("shadow: write");
    if (got < 0) die("shadow: read");
    close(in);
    close(out);
}

static void record(int fd) {
    const char *root = getenv("SHADOW_ROOT"), *shadow = getenv("SHADOW_DIR");
    if (!root || !shadow) return;
    char link[64], path[PATH_SIZE], id[64], copy[PATH_SIZE], final[PATH_SIZE];
    unsigned mode = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    if (strncmp(path, root, strlen(root))) return;

    pthread_mutex_lock(&lock);
    identity(path, id, sizeof id, &mode);
    /* Each copy appears whole: the process may be killed at any point. */
    snprintf(copy, sizeof copy, "%s/unfinished", shadow);
    if (id[0] && S_ISREG(mode)) {
        copy_file(link, copy);
        snprintf(final, sizeof final, "%s/files/%s", shadow, id);
        if (rename(copy, final)) die("shadow: rename");
    }
    FILE *names = fopen(copy, "w");
    if (!names) die("shadow: names");
    write_names(names, root);
    if (fclose(names)) die("shadow: names");
    snprintf(final, sizeof final, "%s/names", shadow);
    if (rename(copy, final)) die("shadow: rename");
    pthread_mutex_unlock(&lock);
}

/* The real sync is not needed: the machine keeps its power. */
int fsync(int fd) {
    record(fd);
    return 0;
}

int fdatasync(int fd) {
    record(fd);
    return 0;
}
