# A kept connection between two of our nodes: its counts and what waits to be written.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from edgelake._native.links cimport Link
from edgelake._native.outbox cimport OutgoingList

cdef struct Session:
    # Owner: the connection it belongs to, and so that one's worker. The three
    # links come first, in this order, so that they lead back to the session.
    Link owing                  # alone, or where acknowledgements are due
    Link writing                # alone, or where the peer has yet to take bytes
    Link asking                 # alone, or where the peer has yet to acknowledge
    void* connection
    uint64_t id
    uint64_t received           # whole messages of the peer
    uint64_t told               # of them, as far as we have told the peer
    uint64_t number             # of the last message of ours that was begun
    uint64_t confirmed          # of ours, as far as the peer has told us
    int64_t owed_ns             # when the oldest untold message came
    int64_t progress_ns         # when the peer last took bytes
    int64_t asked_ns            # since when it owes the next acknowledgement
    int64_t leave_ns            # when this side said that it ends the session
    int64_t calm_ns             # since when it waits for the peer to close
    OutgoingList waiting        # not wholly written; only the first may be begun
    OutgoingList unconfirmed    # written, and somebody asks whether they arrived
    size_t waiting_bytes
    uint8_t* ready              # blocks made here that the kernel did not take yet
    size_t ready_length
    size_t ready_written
    size_t ready_capacity
    uint32_t ip                 # the address the peer table knows it by
    uint16_t port               # 0 for none
    bint opener                 # this side opened the connection
    bint leaving                # this side ends the session
    bint left                   # the peer does
    bint watching_out           # epoll tells when the kernel takes bytes again
    bint held                   # not read: the peer does not take what we write
    bint choked                 # it asks for more than it takes: answers were refused
    bint tracks                 # the message that is coming shall be acknowledged
    bint touched                # in the list of sessions that were just given messages
    void* next_touched          # the connection of the next one

cdef inline Session* of_owing(Link* head) noexcept nogil:
    # The first session of the list, NULL when it is empty.
    return NULL if head.after == head else <Session*>head.after

cdef inline Session* of_writing(Link* head) noexcept nogil:
    return NULL if head.after == head else <Session*>(head.after - 1)

cdef inline Session* of_asking(Link* head) noexcept nogil:
    return NULL if head.after == head else <Session*>(head.after - 2)

cdef inline size_t ready_left(const Session* session) noexcept nogil:
    return session.ready_length - session.ready_written

cdef inline size_t backlog(const Session* session) noexcept nogil:
    # Bytes that the peer has yet to take.
    return ready_left(session) + session.waiting_bytes

cdef Session* session_new(bint opener, int64_t now) noexcept nogil
cdef void session_free(Session* session) noexcept nogil
cdef bint ready_add(Session* session, const uint8_t* blocks, size_t length) noexcept nogil
cdef void ready_took(Session* session, size_t length) noexcept nogil
