# Counters that several threads read and write without a lock (GCC and Clang builtins).
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    int __ATOMIC_RELAXED
    int __ATOMIC_SEQ_CST
    int64_t load_signed "__atomic_load_n"(const int64_t* at, int order) noexcept nogil
    uint64_t load_counter "__atomic_load_n"(const uint64_t* at, int order) noexcept nogil
    void store_signed "__atomic_store_n"(int64_t* at, int64_t value, int order) noexcept nogil
    void store_counter "__atomic_store_n"(uint64_t* at, uint64_t value, int order) noexcept nogil
    int64_t add_signed "__atomic_add_fetch"(int64_t* at, int64_t value, int order) noexcept nogil
    uint64_t add_counter "__atomic_add_fetch"(
        uint64_t* at, uint64_t value, int order
    ) noexcept nogil

cdef inline int64_t read(const int64_t* at) noexcept nogil:
    return load_signed(at, __ATOMIC_SEQ_CST)

cdef inline void write(int64_t* at, int64_t value) noexcept nogil:
    store_signed(at, value, __ATOMIC_SEQ_CST)

cdef inline int64_t add(int64_t* at, int64_t value) noexcept nogil:
    return add_signed(at, value, __ATOMIC_SEQ_CST)

cdef inline uint64_t counted(const uint64_t* at) noexcept nogil:
    return load_counter(at, __ATOMIC_RELAXED)

cdef inline void count(uint64_t* at, uint64_t more) noexcept nogil:
    # For counters with one writing thread: no locked instruction is needed.
    store_counter(at, load_counter(at, __ATOMIC_RELAXED) + more, __ATOMIC_RELAXED)

cdef inline void count_shared(uint64_t* at, uint64_t more) noexcept nogil:
    # For counters with several writing threads.
    add_counter(at, more, __ATOMIC_RELAXED)
