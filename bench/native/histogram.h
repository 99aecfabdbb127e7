/* Latencies in log buckets: 32 to each doubling, so at most 3 % too high. */
#ifndef EDGELAKE_BENCH_HISTOGRAM_H
#define EDGELAKE_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { SUB_BITS = 5, SUB_BUCKETS = 1 << SUB_BITS, BUCKETS = (64 - SUB_BITS + 1) * SUB_BUCKETS };

struct histogram {
    uint64_t count, max;
    uint64_t buckets[BUCKETS];
};

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    size_t bucket = (size_t)value;
    if (value >= SUB_BUCKETS) {
        int shift = 63 - __builtin_clzll(value) - SUB_BITS;
        bucket = (size_t)shift * SUB_BUCKETS + (size_t)(value >> shift);
    }
    histogram->buckets[bucket]++;
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
}

static inline void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
}

/* The value that `part` (0..1) of all values do not exceed; 0 when there is none. */
static inline uint64_t histogram_at(const struct histogram *histogram, double part)
{
    uint64_t rank = (uint64_t)(part * (double)histogram->count);
    uint64_t seen = 0;
    if (rank >= histogram->count)
        return histogram->max;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen <= rank)
            continue;
        if (i < SUB_BUCKETS)
            return i;
        int shift = (int)(i / SUB_BUCKETS) - 1;
        uint64_t upper = (((uint64_t)(i % SUB_BUCKETS) + SUB_BUCKETS + 1) << shift) - 1;
        return upper < histogram->max ? upper : histogram->max;
    }
    return histogram->max;
}

#endif
