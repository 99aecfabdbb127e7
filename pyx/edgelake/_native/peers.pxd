# What we know of other nodes by their address: a session, or that they are old; C only.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from edgelake._native.links cimport Link
from edgelake._native.posix cimport pthread_mutex_t

cdef enum:
    PEER_BUCKETS = 1024

cdef struct Peer:
    Link age                    # in PeerTable.ages, the longest untouched first
    Peer* next                  # in its bucket
    uint32_t ip                 # network byte order
    uint16_t port
    uint64_t session            # we opened it to this address; 0 for none
    uint64_t reverse            # the peer opened it and says this is its address
    bint unreachable            # connecting failed: use the reverse one
    int64_t ask_ns              # no offer before: it was asked, or is old

cdef struct PeerTable:
    # Owner: the Server object. All fields are under the mutex, a leaf.
    pthread_mutex_t mutex
    Link ages
    Peer* buckets[PEER_BUCKETS]
    size_t count
    size_t kept                 # of them, with a session
    size_t most

cdef int peers_init(PeerTable* peers, size_t most) noexcept nogil
cdef void peers_destroy(PeerTable* peers) noexcept nogil
cdef void peers_count(PeerTable* peers, size_t* known, size_t* kept) noexcept nogil
cdef uint64_t peers_session(PeerTable* peers, uint32_t ip, uint16_t port) noexcept nogil
cdef uint64_t peers_reverse(PeerTable* peers, uint32_t ip, uint16_t port) noexcept nogil
cdef bint peers_ask(
    PeerTable* peers, uint32_t ip, uint16_t port, int64_t now, int64_t until
) noexcept nogil
cdef void peers_old(
    PeerTable* peers, uint32_t ip, uint16_t port, int64_t until
) noexcept nogil
cdef bint peers_add(
    PeerTable* peers, uint32_t ip, uint16_t port, uint64_t session, bint opener
) noexcept nogil
cdef void peers_remove(
    PeerTable* peers, uint32_t ip, uint16_t port, uint64_t session
) noexcept nogil
