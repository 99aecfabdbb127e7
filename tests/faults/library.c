/* Failing system calls, for one process and the files of one folder; loaded with LD_PRELOAD.
 *
 *   FAULTS_FOLDER  only calls on what lies in this folder (absolute, no links) are looked at
 *   FAULTS_RULES   what fails, read again whenever the file is another one: a rule a line,
 *                      <kind> <pattern> <first> <last> <action>
 *                  The first rule that fits applies, from its <first> such call on until its
 *                  <last> one (0: for ever). Patterns are those of fnmatch(3), for the path in
 *                  the folder. A new file counts from the beginning.
 *   FAULTS_TRACE   where each call is noted: <kind> <path>, of a rename <kind> <to> <from>
 *   FAULTS_DISK    what a power cut would leave: inodes/<number>-<generation> has the content
 *                  that was synchronised, tree/<path> are hard links to these, one for each
 *                  name whose folder was synchronised
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FILES 65536
#define MAX_RULES 16
#define MAX_INODES 65536
#define MAX_PATH 4096

enum action { NOTHING, BEFORE, WITHIN, AFTER, SHORT, FAIL };

struct rule {
    char kind[16], pattern[256];
    long first, last, count;
    enum action action;
    int error;
};

struct verdict {
    enum action action;
    int error;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[MAX_PATH], rules_path[MAX_PATH], disk[MAX_PATH];
static int trace = -1;
static char *paths[MAX_FILES];
static struct rule rules[MAX_RULES];
static int rule_count;
static struct stat rules_seen;
static struct {
    ino_t inode;
    int generation;
} born[MAX_INODES];
static int born_count;

static void copy_variable(char *to, const char *name) {
    const char *value = getenv(name);
    snprintf(to, MAX_PATH, "%s", value ? value : "");
}

__attribute__((constructor)) static void prepare(void) {
    char path[MAX_PATH];
    copy_variable(folder, "FAULTS_FOLDER");
    copy_variable(rules_path, "FAULTS_RULES");
    copy_variable(disk, "FAULTS_DISK");
    copy_variable(path, "FAULTS_TRACE");
    if (path[0])
        trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* ------------------------------------------------------------------ what is at which path */

static const char *inside(const char *path) {
    size_t size = strlen(folder);
    if (!size || strncmp(path, folder, size) || (path[size] && path[size] != '/'))
        return NULL;
    return path[size] ? path + size + 1 : ".";
}

/* The path in the folder, or NULL for what is none of our business. */
static const char *resolve(int base, const char *path, char *room) {
    if (path[0] == '/')
        return inside(path);
    if (base < 0 || base >= MAX_FILES || !paths[base])
        return NULL;
    if (!strcmp(paths[base], "."))
        snprintf(room, MAX_PATH, "%s", path);
    else
        snprintf(room, MAX_PATH, "%s/%s", paths[base], path);
    return room;
}

static const char *path_of(int number) {
    return number >= 0 && number < MAX_FILES ? paths[number] : NULL;
}

/* -------------------------------------------------------------------------------- the rules */

static void read_rules(void) {
    struct stat found;
    char text[8192], *line, *rest;
    if (!rules_path[0] || syscall(SYS_newfstatat, AT_FDCWD, rules_path, &found, 0)) {
        rule_count = 0;
        memset(&rules_seen, 0, sizeof rules_seen);
        return;
    }
    /* The number of a file that is gone may be given to the next one. */
    if (found.st_ino == rules_seen.st_ino && found.st_mtim.tv_sec == rules_seen.st_mtim.tv_sec
        && found.st_mtim.tv_nsec == rules_seen.st_mtim.tv_nsec)
        return;
    int file = syscall(SYS_openat, AT_FDCWD, rules_path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? 0 : syscall(SYS_read, file, text, sizeof text - 1);
    text[size > 0 ? size : 0] = 0;
    syscall(SYS_close, file);
    rules_seen = found;
    rule_count = 0;
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct rule *rule = &rules[rule_count];
        char action[32];
        if (rule_count == MAX_RULES || sscanf(line, "%15s %255s %ld %ld %31s", rule->kind,
                rule->pattern, &rule->first, &rule->last, action) != 5)
            abort();
        rule->count = 0;
        rule->error = 0;
        rule->action = FAIL;
        if (!strcmp(action, "die-before")) rule->action = BEFORE;
        else if (!strcmp(action, "die-within")) rule->action = WITHIN;
        else if (!strcmp(action, "die-after")) rule->action = AFTER;
        else if (!strcmp(action, "short")) rule->action = SHORT;
        else if (!strcmp(action, "ENOSPC")) rule->error = ENOSPC;
        else if (!strcmp(action, "EDQUOT")) rule->error = EDQUOT;
        else if (!strcmp(action, "EROFS")) rule->error = EROFS;
        else if (!strcmp(action, "EIO")) rule->error = EIO;
        else abort();
        rule_count++;
    }
}

/* Note a call, and say what becomes of it. */
static struct verdict judge(const char *kind, const char *path, const char *source) {
    struct verdict verdict = {NOTHING, 0};
    char line[2 * MAX_PATH + 32];
    pthread_mutex_lock(&lock);
    int kept = errno;
    if (trace >= 0) {
        int size = snprintf(line, sizeof line, "%s %s%s%s\n", kind, path, source ? " " : "",
            source ? source : "");
        syscall(SYS_write, trace, line, size);
    }
    read_rules();
    for (int i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];
        if ((strcmp(rule->kind, kind) && strcmp(rule->kind, "any"))
            || fnmatch(rule->pattern, path, 0))
            continue;
        rule->count++;
        if (rule->count < rule->first || (rule->last && rule->count > rule->last))
            continue;
        verdict.action = rule->action;
        verdict.error = rule->error;
        break;
    }
    errno = kept;
    pthread_mutex_unlock(&lock);
    return verdict;
}

static void die(void) {
    pthread_mutex_lock(&lock); /* What lies on the disk is not being changed now. */
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* --------------------------------------------------------------------------------- the disk */

static int generation_of(ino_t inode) {
    for (int i = born_count - 1; i >= 0; i--)
        if (born[i].inode == inode)
            return born[i].generation;
    return 0;
}

static void inode_name(char *to, ino_t inode) {
    snprintf(to, MAX_PATH + 64, "%s/inodes/%lu-%d", disk, (unsigned long)inode,
        generation_of(inode));
}

static void content_to(const char *target, int source) {
    char block[65536];
    off_t at = 0;
    ssize_t size;
    int to = syscall(SYS_openat, AT_FDCWD, target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        abort();
    while (source >= 0 && (size = syscall(SYS_pread64, source, block, sizeof block, at)) > 0) {
        if (syscall(SYS_write, to, block, size) != size)
            abort();
        at += size;
    }
    syscall(SYS_close, to);
}

/* A number that was used before belongs to another file now. */
static void file_made(int number) {
    struct stat found;
    char name[MAX_PATH + 64];
    if (!disk[0] || fstat(number, &found))
        return;
    pthread_mutex_lock(&lock);
    if (born_count == MAX_INODES)
        abort();
    int generation = generation_of(found.st_ino) + 1;
    born[born_count].inode = found.st_ino;
    born[born_count++].generation = generation;
    inode_name(name, found.st_ino);
    content_to(name, -1);
    pthread_mutex_unlock(&lock);
}

static void make_parents(char *path) {
    for (char *at = path + strlen(disk) + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        syscall(SYS_mkdirat, AT_FDCWD, path, 0700);
        *at = '/';
    }
}

static void names_kept(const char *path) {
    char real[2 * MAX_PATH], tree[2 * MAX_PATH], name[MAX_PATH + 64];
    char there[3 * MAX_PATH], here[3 * MAX_PATH];
    struct stat found;
    struct dirent *entry;
    snprintf(real, sizeof real, "%s/%s", folder, path);
    snprintf(tree, sizeof tree, "%s/tree/%s/", disk, path);
    make_parents(tree);
    DIR *listed = opendir(tree);
    while (listed && (entry = readdir(listed))) {
        snprintf(here, sizeof here, "%s/%s", real, entry->d_name);
        snprintf(there, sizeof there, "%s%s", tree, entry->d_name);
        if (entry->d_type == DT_REG && lstat(here, &found))
            syscall(SYS_unlinkat, AT_FDCWD, there, 0);
    }
    if (listed)
        closedir(listed);
    listed = opendir(real);
    while (listed && (entry = readdir(listed))) {
        snprintf(here, sizeof here, "%s/%s", real, entry->d_name);
        snprintf(there, sizeof there, "%s%s", tree, entry->d_name);
        if (lstat(here, &found))
            continue;
        if (S_ISDIR(found.st_mode)) {
            syscall(SYS_mkdirat, AT_FDCWD, there, 0700);
        } else if (S_ISREG(found.st_mode)) {
            inode_name(name, found.st_ino);
            syscall(SYS_unlinkat, AT_FDCWD, there, 0);
            syscall(SYS_linkat, AT_FDCWD, name, AT_FDCWD, there, 0);
        }
    }
    if (listed)
        closedir(listed);
}

static void synchronised(int number, const char *path) {
    struct stat found;
    char name[MAX_PATH + 64];
    if (!disk[0] || fstat(number, &found))
        return;
    int kept = errno;
    pthread_mutex_lock(&lock);
    if (S_ISDIR(found.st_mode)) {
        names_kept(path);
    } else {
        /* The descriptor may be for writing only. */
        char again[64];
        snprintf(again, sizeof again, "/proc/self/fd/%d", number);
        int source = syscall(SYS_openat, AT_FDCWD, again, O_RDONLY | O_CLOEXEC);
        inode_name(name, found.st_ino);
        content_to(name, source);
        syscall(SYS_close, source);
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
}

/* -------------------------------------------------------------------------------- the calls */

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Do a call that is not a write as it was judged. */
#define JUDGED(kind, path, source, result, call) \
    struct verdict verdict = judge(kind, path, source); \
    if (verdict.action == BEFORE || verdict.action == WITHIN) \
        die(); \
    if (verdict.action == FAIL) { \
        errno = verdict.error; \
        return -1; \
    } \
    result = call; \
    if (verdict.action == AFTER) \
        die()

#define OPENING(base, path, flags, call) \
    char room[MAX_PATH]; \
    int number; \
    const char *known = resolve(base, path, room); \
    if (!known) { \
        number = call; \
        if (number >= 0 && number < MAX_FILES && paths[number]) { \
            free(paths[number]); \
            paths[number] = NULL; \
        } \
        return number; \
    } \
    struct stat before; \
    int is_new = (flags & O_CREAT) && fstatat(base, path, &before, 0); \
    struct verdict verdict = {NOTHING, 0}; \
    if ((flags & O_ACCMODE) != O_RDONLY) \
        verdict = judge(is_new ? "create" : "open", known, NULL); \
    if (verdict.action == BEFORE || verdict.action == WITHIN) \
        die(); \
    if (verdict.action == FAIL) { \
        errno = verdict.error; \
        return -1; \
    } \
    number = call; \
    if (number >= MAX_FILES) \
        abort(); \
    if (number >= 0) { \
        free(paths[number]); \
        paths[number] = strdup(known); \
        if (is_new) \
            file_made(number); \
    } \
    if (verdict.action == AFTER) \
        die(); \
    return number

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) {
    REAL(open);
    MODE(flags)
    OPENING(AT_FDCWD, path, flags, real(path, flags, mode));
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    MODE(flags)
    OPENING(AT_FDCWD, path, flags, real(path, flags, mode));
}

int openat(int base, const char *path, int flags, ...) {
    REAL(openat);
    MODE(flags)
    OPENING(base, path, flags, real(base, path, flags, mode));
}

int openat64(int base, const char *path, int flags, ...) {
    REAL(openat64);
    MODE(flags)
    OPENING(base, path, flags, real(base, path, flags, mode));
}

int creat(const char *path, mode_t mode) {
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode) {
    return open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int close(int number) {
    REAL(close);
    if (path_of(number)) {
        free(paths[number]);
        paths[number] = NULL;
    }
    return real(number);
}

#define WRITING(number, size, whole, part) \
    const char *path = path_of(number); \
    if (!path) \
        return whole; \
    struct verdict verdict = judge("write", path, NULL); \
    ssize_t result; \
    switch (verdict.action) { \
    case BEFORE: \
        die(); \
    case WITHIN: \
        if (size > 1) \
            result = part; \
        die(); \
    case FAIL: \
        errno = verdict.error; \
        return -1; \
    case SHORT: \
        return size > 1 ? part : whole; \
    default: \
        result = whole; \
        if (verdict.action == AFTER) \
            die(); \
        return result; \
    }

ssize_t write(int number, const void *data, size_t size) {
    REAL(write);
    WRITING(number, size, real(number, data, size), real(number, data, size / 2))
}

ssize_t pwrite(int number, const void *data, size_t size, off_t at) {
    REAL(pwrite);
    WRITING(number, size, real(number, data, size, at), real(number, data, size / 2, at))
}

ssize_t pwrite64(int number, const void *data, size_t size, off64_t at) {
    REAL(pwrite64);
    WRITING(number, size, real(number, data, size, at), real(number, data, size / 2, at))
}

ssize_t writev(int number, const struct iovec *parts, int count) {
    REAL(writev);
    WRITING(number, parts[0].iov_len, real(number, parts, count),
        write(number, parts[0].iov_base, parts[0].iov_len / 2))
}

#define ON_FILE(kind, call) \
    const char *path = path_of(number); \
    if (!path) \
        return call; \
    int result; \
    JUDGED(kind, path, NULL, result, call); \
    return result

#define SYNCHRONISING(call) \
    const char *path = path_of(number); \
    if (!path) \
        return call; \
    struct verdict verdict = judge("sync", path, NULL); \
    if (verdict.action == BEFORE || verdict.action == WITHIN) \
        die(); \
    if (verdict.action == FAIL) { \
        errno = verdict.error; \
        return -1; \
    } \
    int result = call; \
    if (!result) \
        synchronised(number, path); \
    if (verdict.action == AFTER) \
        die(); \
    return result

int fsync(int number) {
    REAL(fsync);
    SYNCHRONISING(real(number));
}

int fdatasync(int number) {
    REAL(fdatasync);
    SYNCHRONISING(real(number));
}

int ftruncate(int number, off_t size) {
    REAL(ftruncate);
    ON_FILE("truncate", real(number, size));
}

int ftruncate64(int number, off64_t size) {
    REAL(ftruncate64);
    ON_FILE("truncate", real(number, size));
}

ssize_t read(int number, void *room, size_t size) {
    REAL(read);
    const char *path = path_of(number);
    ssize_t result;
    if (!path)
        return real(number, room, size);
    JUDGED("read", path, NULL, result, real(number, room, size));
    return result;
}

ssize_t pread64(int number, void *room, size_t size, off64_t at) {
    REAL(pread64);
    const char *path = path_of(number);
    ssize_t result;
    if (!path)
        return real(number, room, size, at);
    JUDGED("read", path, NULL, result, real(number, room, size, at));
    return result;
}

/* A name of the folder changes. */
#define ON_NAME(kind, base, name, source, call) \
    char room[MAX_PATH]; \
    const char *path = resolve(base, name, room); \
    if (!path) \
        return call; \
    int result; \
    JUDGED(kind, path, source, result, call); \
    return result

int rename(const char *from, const char *to) {
    REAL(rename);
    char from_room[MAX_PATH];
    const char *source = resolve(AT_FDCWD, from, from_room);
    ON_NAME("rename", AT_FDCWD, to, source, real(from, to));
}

int renameat(int from_base, const char *from, int to_base, const char *to) {
    REAL(renameat);
    char from_room[MAX_PATH];
    const char *source = resolve(from_base, from, from_room);
    ON_NAME("rename", to_base, to, source, real(from_base, from, to_base, to));
}

int unlink(const char *name) {
    REAL(unlink);
    ON_NAME("unlink", AT_FDCWD, name, NULL, real(name));
}

int unlinkat(int base, const char *name, int flags) {
    REAL(unlinkat);
    ON_NAME("unlink", base, name, NULL, real(base, name, flags));
}

int mkdir(const char *name, mode_t mode) {
    REAL(mkdir);
    ON_NAME("mkdir", AT_FDCWD, name, NULL, real(name, mode));
}

int mkdirat(int base, const char *name, mode_t mode) {
    REAL(mkdirat);
    ON_NAME("mkdir", base, name, NULL, real(base, name, mode));
}
