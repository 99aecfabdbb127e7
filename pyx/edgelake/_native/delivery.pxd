# The sender's thread; C only, no GIL.
from libc.stdint cimport int64_t

from edgelake._native.connection cimport Link
from edgelake._native.outbox cimport Destination, Outbox, Outgoing, OutgoingList
from edgelake._native.posix cimport epoll_event

cdef enum:
    DELIVERY_EVENTS = 256

cdef struct Attempt:
    # One socket that carries one message. Owner: the thread.
    Link place                  # in connecting or writing, the longest silence first
    Attempt* next               # among those that ended this round
    Outgoing* message
    size_t written
    int64_t started_ns
    int64_t last_ns             # of the last progress
    int fd                      # -1 when ended and about to be freed
    bint connecting
    bint watched                # known to epoll
    bint probe                  # see Destination.probing

cdef struct Delivery:
    # Owner: the Sender object before the thread starts and after it ends,
    # between them the thread.
    Outbox* outbox
    int epoll_fd
    int64_t connect_timeout_ns
    int64_t block_timeout_ns
    int64_t max_per_destination
    int64_t max_sockets
    int64_t now_ns
    int64_t retry_ns            # the earliest of the failing destinations
    int64_t shortage_until_ns   # the system had no descriptor or memory
    int64_t sockets
    int64_t retries
    bint flushing               # the sender stops: no second attempts
    Link ready                  # destinations that may open a socket now
    Link failing                # destinations that wait for their next attempt
    Link connecting
    Link writing
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
