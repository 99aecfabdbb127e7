# What Python tells the I/O threads about this node; C only, no GIL.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from edgelake._native.announcement cimport Place
from edgelake._native.header cimport Header
from edgelake._native.posix cimport pthread_mutex_t

cdef enum:
    MOST_PLACES = 8
    HASH_BYTES = 32             # MD5 in hexadecimal digits

cdef struct Facts:
    # Owner: the Server object. All fields are under the mutex, a leaf.
    pthread_mutex_t mutex
    Place places[MOST_PLACES]   # where other nodes reach this one
    int place_count
    uint8_t ledger_hash[HASH_BYTES]
    int64_t ledger_until_ns     # monotonic time up to which the hash is known to be right

cdef bint facts_unchanged(Facts* facts, const Header* header) noexcept nogil
cdef bint is_near(uint32_t ip) noexcept nogil
