# Times in log buckets, as HdrHistogram has them: 16 to each doubling, so at most 6 % too high.
from libc.stdint cimport int64_t, uint64_t

from edgelake._native cimport atomic

cdef extern from *:
    int count_leading_zeros "__builtin_clzll"(unsigned long long value) noexcept nogil

cdef enum:
    SUB_BITS = 4
    SUB_BUCKETS = 16
    MOST_BITS = 40              # 18 minutes in nanoseconds; longer times count as that
    HISTOGRAM_BUCKETS = 592     # (MOST_BITS - SUB_BITS + 1) * SUB_BUCKETS

cdef struct Histogram:
    # Nanoseconds. Any thread may read it at any time.
    uint64_t buckets[HISTOGRAM_BUCKETS]

cdef inline int bucket_of(int64_t value) noexcept nogil:
    cdef int shift
    if value < SUB_BUCKETS:
        return <int>value if value > 0 else 0
    if value >> MOST_BITS:
        return HISTOGRAM_BUCKETS - 1
    shift = 63 - count_leading_zeros(<unsigned long long>value) - SUB_BITS
    return shift * SUB_BUCKETS + <int>(value >> shift)

cdef inline void histogram_add(Histogram* histogram, int64_t value) noexcept nogil:
    # For one writing thread.
    atomic.count(&histogram.buckets[bucket_of(value)], 1)

cdef inline void histogram_add_shared(
    Histogram* histogram, int64_t value, uint64_t times
) noexcept nogil:
    atomic.count_shared(&histogram.buckets[bucket_of(value)], times)

cdef inline void histogram_sum(Histogram* total, const Histogram* part) noexcept nogil:
    cdef int at
    for at in range(HISTOGRAM_BUCKETS):
        total.buckets[at] += atomic.counted(&part.buckets[at])
