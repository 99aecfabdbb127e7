# Which way a message leaves: by a session, or on a connection of its own; C only, no GIL.
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from edgelake._native.outbox cimport Outbox, Outgoing
from edgelake._native.worker cimport Shared

cdef int post(
    Outbox* outbox, Shared* shared, Outgoing* message, uint32_t ip, uint16_t port
) noexcept nogil
cdef void post_again(Outbox* outbox, Outgoing* message) noexcept nogil
cdef bint post_to_session(Shared* shared, uint64_t session, Outgoing* message) noexcept nogil
