/* What floor and load share: failing loudly, numbers, descriptors. */
#ifndef EDGELAKE_BENCH_COMMON_H
#define EDGELAKE_BENCH_COMMON_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* For what must not fail in a benchmark: a figure after it would be wrong. */
_Noreturn static inline void fail(const char *what)
{
    perror(what);
    exit(1);
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

#endif
