"""Commands that an I/O thread answers by itself; C only, no GIL."""

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from edgelake._native.header cimport Header
from edgelake._native.wire cimport AT_DATABASE_TIME, AT_JOB_LOCATION, BLOCK_BYTES


cdef RouteTable* routes_new() noexcept nogil:
    """Return an empty table, or NULL."""
    return <RouteTable*>calloc(1, sizeof(RouteTable))


cdef inline size_t _bucket(const uint8_t* command, size_t length) noexcept nogil:
    # Commands differ in their length and near their end: get status, get processes.
    return (length * 7 + command[length - 1] * 3 + command[length // 2]) & (ROUTE_BUCKETS - 1)


cdef bint routes_add(
    RouteTable* table,
    const uint8_t* command,
    size_t command_length,
    const uint8_t* near,
    size_t near_length,
    const uint8_t* far,
    size_t far_length,
) noexcept nogil:
    """Copy a route into the table; False when there is no memory.

    The command has 1 to ROUTE_BUCKETS - 1 bytes.
    """
    cdef size_t bucket = _bucket(command, command_length)
    cdef size_t length = command_length + near_length + far_length
    # One piece of memory: the route, then its command and its answers.
    cdef Route* route = <Route*>malloc(sizeof(Route) + length)
    if route == NULL:
        return False
    route.command = <uint8_t*>(route + 1)
    route.command_length = command_length
    route.near.blocks = route.command + command_length
    route.near.length = near_length
    route.far.blocks = route.near.blocks + near_length
    route.far.length = far_length
    memcpy(route.command, command, command_length)
    memcpy(route.near.blocks, near, near_length)
    memcpy(route.far.blocks, far, far_length)
    route.next = table.buckets[bucket]
    table.buckets[bucket] = route
    table.lengths |= <uint64_t>1 << command_length
    return True


cdef void routes_free(RouteTable* table) noexcept nogil:
    """Free a table; nothing happens without one."""
    cdef Route* route
    cdef int at
    if table == NULL:
        return
    for at in range(ROUTE_BUCKETS):
        while table.buckets[at] != NULL:
            route = table.buckets[at]
            table.buckets[at] = route.next
            free(route)
    free(table)


cdef const Route* routes_match(const RouteTable* table, const Header* header) noexcept nogil:
    """Return the route of a message that is its command and nothing else, or NULL."""
    cdef size_t length = header.command_length
    cdef const Route* route
    if (
        table == NULL
        or length >= ROUTE_BUCKETS
        or not (table.lengths >> length) & 1
        or header.data_length != length
    ):
        return NULL
    route = table.buckets[_bucket(header.command, length)]
    while route != NULL and not (
        route.command_length == length and memcmp(route.command, header.command, length) == 0
    ):
        route = route.next
    return route


cdef void answer_fill(
    uint8_t* blocks, const Answer* answer, const uint8_t* request
) noexcept nogil:
    """Write an answer's blocks, with the job fields of the request's block."""
    cdef size_t at = AT_JOB_LOCATION
    memcpy(blocks, answer.blocks, answer.length)
    while at < answer.length:
        memcpy(blocks + at, request + AT_JOB_LOCATION, AT_DATABASE_TIME - AT_JOB_LOCATION)
        at += BLOCK_BYTES
