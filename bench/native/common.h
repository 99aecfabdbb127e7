/* What the programs share: failing loudly, numbers, time, descriptors. */
#ifndef EDGELAKE_BENCH_COMMON_H
#define EDGELAKE_BENCH_COMMON_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

/* For what must not fail in a benchmark: a figure after it would be wrong. */
_Noreturn static inline void fail(const char *what)
{
    perror(what);
    exit(1);
}

static inline void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        fail("calloc");
    return memory;
}

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Takes all descriptors this process may have, and returns how many. */
static inline size_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("setrlimit");
    return (size_t)limit.rlim_cur;
}

/* The value of an argument; ends the program when it is not in its range. */
static inline double decimal(const char *name, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most)) {
        fprintf(stderr, "%s %s is not from %g to %g\n", name, text, least, most);
        exit(2);
    }
    return value;
}

static inline uint64_t whole(const char *name, const char *text, uint64_t least, uint64_t most)
{
    double value = decimal(name, text, (double)least, (double)most);
    if (value != (double)(uint64_t)value) {
        fprintf(stderr, "%s %s is not a whole number\n", name, text);
        exit(2);
    }
    return (uint64_t)value;
}

#endif
