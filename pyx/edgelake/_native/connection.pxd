# One inbound connection, and the lists that keep deadlines; C only, no GIL.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from edgelake._native.assembler cimport Assembly
from edgelake._native.links cimport Link
from edgelake._native.session cimport Session

cdef struct Connection:
    # Owner of the descriptor, of the buffer and of the unfinished message:
    # the worker that accepted it. `waiting` and `begun` come first in this
    # order, so that a link leads back to its connection.
    Link waiting                # in idle, kept, silent or leaving, the longest waiting first
    Link begun                  # in begun, the oldest unfinished message first
    Assembly assembly
    uint8_t* partial            # leased while a block is incomplete
    Session* session            # NULL unless both sides keep the connection
    Connection* next            # among those that ended, or look again, this round
    int64_t last_byte_ns        # worker time, see worker.pyx
    int64_t begun_ns
    uint32_t peer_ip
    uint16_t peer_port
    uint16_t partial_length
    int fd                      # -1 when closed and about to be freed
    bint again                  # read once more when this round ends
    bint watched                # known to epoll
    bint spoken                 # the first block has come
    bint unfinished             # in silent and begun

cdef struct BufferPool:
    # Free buffers of one block each; the first bytes of each lead to the next.
    uint8_t* first
    size_t free

cdef inline Connection* of_waiting(Link* head) noexcept nogil:
    # The first connection of the list, NULL when it is empty.
    return NULL if head.after == head else <Connection*>head.after

cdef inline Connection* of_begun(Link* head) noexcept nogil:
    return NULL if head.after == head else <Connection*>(head.after - 1)

cdef Connection* connection_new(
    int fd, uint32_t peer_ip, uint16_t peer_port, int64_t now
) noexcept nogil
cdef uint8_t* pool_lease(BufferPool* pool) noexcept nogil
cdef void pool_return(BufferPool* pool, uint8_t* buffer) noexcept nogil
cdef void pool_free(BufferPool* pool) noexcept nogil
