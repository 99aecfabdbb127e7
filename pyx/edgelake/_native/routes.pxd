# Commands that an I/O thread answers by itself; C only, no GIL.
from libc.stdint cimport uint8_t, uint64_t

from edgelake._native.header cimport Header

cdef enum:
    ROUTE_BUCKETS = 64          # also one more than the longest command of a route, in bytes

cdef struct Answer:
    # Whole blocks; their job fields are those of the request. Length 0: no answer.
    uint8_t* blocks
    size_t length

cdef struct Route:
    Route* next
    uint8_t* command
    size_t command_length
    Answer near                 # to peers of the local network, who see our internal address
    Answer far

cdef struct RouteTable:
    # Owner: the worker that uses it. Never changed: a new one takes its place.
    Route* buckets[ROUTE_BUCKETS]
    uint64_t lengths            # bit n: there is a command of n bytes

cdef RouteTable* routes_new() noexcept nogil
cdef bint routes_add(
    RouteTable* table,
    const uint8_t* command,
    size_t command_length,
    const uint8_t* near,
    size_t near_length,
    const uint8_t* far,
    size_t far_length,
) noexcept nogil
cdef void routes_free(RouteTable* table) noexcept nogil
cdef const Route* routes_match(const RouteTable* table, const Header* header) noexcept nogil
cdef void answer_fill(
    uint8_t* blocks, const Answer* answer, const uint8_t* request
) noexcept nogil
