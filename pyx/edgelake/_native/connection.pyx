"""One inbound connection, and the buffers it leases; C only, no GIL."""

from libc.stdlib cimport calloc, free, malloc

from edgelake._native.links cimport link_alone
from edgelake._native.wire cimport BLOCK_BYTES

cdef enum:
    FREE_BUFFERS = 64       # kept per worker; more incomplete blocks than that are rare


cdef Connection* connection_new(
    int fd, uint32_t peer_ip, uint16_t peer_port, int64_t now
) noexcept nogil:
    """Return a connection without a message, in no list, or NULL."""
    cdef Connection* made = <Connection*>calloc(1, sizeof(Connection))
    if made == NULL:
        return NULL
    link_alone(&made.waiting)
    link_alone(&made.begun)
    made.fd = fd
    made.peer_ip = peer_ip
    made.peer_port = peer_port
    made.last_byte_ns = now
    return made


cdef uint8_t* pool_lease(BufferPool* pool) noexcept nogil:
    """Return room for a block, or NULL."""
    cdef uint8_t* buffer = pool.first
    if buffer == NULL:
        return <uint8_t*>malloc(BLOCK_BYTES)
    pool.first = (<uint8_t**>buffer)[0]
    pool.free -= 1
    return buffer


cdef void pool_return(BufferPool* pool, uint8_t* buffer) noexcept nogil:
    if pool.free >= FREE_BUFFERS:
        free(buffer)
        return
    (<uint8_t**>buffer)[0] = pool.first
    pool.first = buffer
    pool.free += 1


cdef void pool_free(BufferPool* pool) noexcept nogil:
    """Free what nobody leases."""
    cdef uint8_t* buffer
    while pool.first != NULL:
        buffer = pool.first
        pool.first = (<uint8_t**>buffer)[0]
        free(buffer)
    pool.free = 0
