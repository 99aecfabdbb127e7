# Numbers by which other threads name the sessions of a worker; C only, no GIL.
from libc.stdint cimport uint32_t, uint64_t

cdef struct Slot:
    uint64_t id                 # differs each time the slot is used again
    void* holder                # NULL while it is free
    uint32_t next_free

cdef struct Slots:
    # Owner: the worker with that number. An id is worker, generation, place.
    int worker
    uint32_t generation         # of new places, not 0
    Slot* slots
    uint32_t count
    uint32_t first_free         # `count` for none

cdef inline int worker_of(uint64_t id) noexcept nogil:
    return <int>(id >> 56)

cdef uint64_t slots_take(Slots* slots, void* holder) noexcept nogil
cdef void slots_give(Slots* slots, uint64_t id) noexcept nogil
cdef void* slots_find(const Slots* slots, uint64_t id) noexcept nogil
cdef void slots_free(Slots* slots) noexcept nogil
