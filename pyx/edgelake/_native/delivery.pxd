# The sender's thread; C only, no GIL.
from libc.stdint cimport int64_t, uint8_t, uint64_t

from edgelake._native.announcement cimport MARK_BYTES, Place
from edgelake._native.links cimport Link
from edgelake._native.outbox cimport Destination, Outbox, Outgoing, OutgoingList
from edgelake._native.posix cimport epoll_event
from edgelake._native.worker cimport Shared

cdef enum:
    DELIVERY_EVENTS = 256

cdef struct Attempt:
    # One socket that carries one message. Owner: the thread.
    Link place                  # in connecting, writing or courting, the longest silence first
    Attempt* next               # among those that ended this round
    Destination* destination    # NULL when the message is settled
    Outgoing* message           # NULL likewise
    Place to
    uint8_t* heard              # what came of the answer to the offer, NULL before
    size_t heard_length
    uint8_t[MARK_BYTES] expected    # mark of the answer to the offer
    size_t written
    int64_t started_ns
    int64_t last_ns             # of the last progress
    int fd                      # -1 when ended and about to be freed
    bint connecting
    bint connected
    bint offered                # the message carries the offer of a session
    bint courting               # it is written, and the offer not answered
    bint watched                # known to epoll
    bint probe                  # see Destination.probing

cdef struct Delivery:
    # Owner: the Sender object before the thread starts and after it ends,
    # between them the thread.
    Outbox* outbox
    Shared* shared              # of the server that keeps the sessions, or NULL
    int epoll_fd
    int64_t connect_timeout_ns
    int64_t block_timeout_ns
    int64_t max_per_destination
    int64_t max_sockets
    int64_t max_courting
    int64_t accept_timeout_ns
    int64_t ask_pause_ns        # before an old peer is offered a session again
    int64_t now_ns
    int64_t retry_ns            # the earliest of the failing destinations
    int64_t shortage_until_ns   # the system had no descriptor or memory
    int64_t sockets
    int64_t courting_sockets
    int64_t courting_long       # of them, with messages of more than a block
    int64_t retries
    uint64_t sent_bytes         # atomic; any thread may read it
    int next_worker             # that gets the next session
    bint flushing               # the sender stops: no second attempts
    Link ready                  # destinations that may open a socket now
    Link failing                # destinations that wait for their next attempt
    Link connecting
    Link writing
    Link courting
    Attempt* ended
    OutgoingList settled
    epoll_event events[DELIVERY_EVENTS]

cdef int delivery_open(Delivery* delivery) noexcept nogil
cdef void delivery_close(Delivery* delivery) noexcept nogil
cdef void* delivery_run(void* argument) noexcept nogil
cdef void deliver_failed(
    Delivery* delivery, Destination* destination, Outgoing* message, int64_t started_ns, int error
) noexcept nogil
cdef void deliver_done(Delivery* delivery, Outgoing* message, int error) noexcept nogil
cdef void reschedule(Delivery* delivery, Destination* destination) noexcept nogil
