/* Shifts the clock of a process and its child processes by CLOCK_OFFSET seconds (LD_PRELOAD).
 *
 * Only the time of day changes. Waiting uses the monotonic clock, which libfaketime 0.9 breaks for Python and the JVM.
 * File times are shifted, too, so that a file that was just written looks new.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

static time_t offset(void) {
    static time_t known;
    static int read;
    if (!read) {
        const char *text = getenv("CLOCK_OFFSET");
        known = text ? atol(text) : 0;
        read = 1;
    }
    return known;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *at) {
    static __typeof__(&clock_gettime) next;
    if (!next) next = NEXT(clock_gettime);
    int failed = next(clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

#define SHIFT(found) ((found)->st_mtime += offset(), (found)->st_ctime += offset(), (found)->st_atime += offset())
#define STAT(name, kind, arguments, names)                                                                              \
    int name arguments {                                                                                                \
        static __typeof__(&name) next;                                                                                  \
        if (!next) next = NEXT(name);                                                                                   \
        int failed = next names;                                                                                        \
        if (!failed) SHIFT(found);                                                                                      \
        return failed;                                                                                                  \
    }

STAT(stat, struct stat, (const char *restrict path, struct stat *restrict found), (path, found))
STAT(lstat, struct stat, (const char *restrict path, struct stat *restrict found), (path, found))
STAT(fstat, struct stat, (int file, struct stat *found), (file, found))
STAT(fstatat, struct stat, (int folder, const char *restrict path, struct stat *restrict found, int how),
     (folder, path, found, how))
STAT(stat64, struct stat64, (const char *restrict path, struct stat64 *restrict found), (path, found))
STAT(lstat64, struct stat64, (const char *restrict path, struct stat64 *restrict found), (path, found))
STAT(fstat64, struct stat64, (int file, struct stat64 *found), (file, found))
STAT(fstatat64, struct stat64, (int folder, const char *restrict path, struct stat64 *restrict found, int how),
     (folder, path, found, how))

int statx(int folder, const char *restrict path, int how, unsigned wanted, struct statx *restrict found) {
    static __typeof__(&statx) next;
    if (!next) next = NEXT(statx);
    int failed = next(folder, path, how, wanted, found);
    if (!failed) found->stx_mtime.tv_sec += offset(), found->stx_ctime.tv_sec += offset(), found->stx_atime.tv_sec += offset();
    return failed;
}

static struct timespec moved(struct timespec at) {
    if (at.tv_nsec != UTIME_NOW && at.tv_nsec != UTIME_OMIT) at.tv_sec -= offset();
    return at;
}

int utimensat(int folder, const char *path, const struct timespec at[2], int how) {
    struct timespec both[2];
    if (at) both[0] = moved(at[0]), both[1] = moved(at[1]);
    return NEXT(utimensat)(folder, path, at ? both : 0, how);
}

int futimens(int file, const struct timespec at[2]) {
    struct timespec both[2];
    if (at) both[0] = moved(at[0]), both[1] = moved(at[1]);
    return NEXT(futimens)(file, at ? both : 0);
}

int utimes(const char *path, const struct timeval at[2]) {
    struct timeval both[2];
    if (at) both[0] = at[0], both[1] = at[1], both[0].tv_sec -= offset(), both[1].tv_sec -= offset();
    return NEXT(utimes)(path, at ? both : 0);
}
