# What other threads hand to an I/O thread; C only, no GIL.
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from edgelake._native.connection cimport Connection
from edgelake._native.outbox cimport Outgoing, OutgoingList
from edgelake._native.posix cimport pthread_mutex_t
from edgelake._native.routes cimport RouteTable

cdef struct Handover:
    # A connection of the sender whose peer accepted a session. Owner of the
    # descriptor: who holds the record.
    Handover* next
    int fd
    uint32_t ip
    uint16_t port
    uint64_t confirmed

cdef struct Inbox:
    # Owner: the worker. wake_fd never changes, all else is under the mutex, a leaf.
    pthread_mutex_t mutex
    int wake_fd
    bint open
    OutgoingList messages
    Handover* handovers
    Connection* moved           # from another worker, which has more of them
    RouteTable* routes          # to be used from now on; NULL for no change

cdef bint inbox_post(Inbox* inbox, Outgoing* message) noexcept nogil
cdef bint inbox_hand_over(Inbox* inbox, Handover* handover) noexcept nogil
cdef bint inbox_move(Inbox* inbox, Connection* connection) noexcept nogil
cdef RouteTable* inbox_set_routes(Inbox* inbox, RouteTable* routes) noexcept nogil
cdef void inbox_take(Inbox* inbox, Inbox* taken) noexcept nogil
cdef void inbox_close(Inbox* inbox, Inbox* taken) noexcept nogil
