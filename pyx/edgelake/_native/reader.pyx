"""Reading of one connection: bytes to blocks to messages; C only, no GIL."""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from edgelake._native cimport atomic
from edgelake._native.announcement cimport is_announced
from edgelake._native.answerer cimport answer_natively
from edgelake._native.assembler cimport assembly_add
from edgelake._native.connection cimport pool_lease, pool_return
from edgelake._native.header cimport Header, header_read
from edgelake._native.histogram cimport histogram_add
from edgelake._native.keeper cimport (
    keeper_after_read,
    keeper_calm,
    keeper_counted,
    keeper_heard,
)
from edgelake._native.links cimport link_move_last, link_remove
from edgelake._native.message cimport RawMessage
from edgelake._native.message_queue cimport batch_add
from edgelake._native.opening cimport opening_offered
from edgelake._native.posix cimport EAGAIN, EINTR, errno, recv
from edgelake._native.session cimport Session
from edgelake._native.status cimport (
    ASSEMBLY_FULL,
    COMMAND_NOT_TEXT,
    COUNTER_WRONG,
    DONE,
    MEMORY_SHORT,
    MESSAGE_TOO_LARGE,
    OK,
    SESSION_COUNT,
    SESSION_FULL,
    SESSION_KIND,
    SESSION_LOST,
    Fault,
)
from edgelake._native.wire cimport BLOCK_BYTES
from edgelake._native.worker cimport (
    BAD_COUNTER,
    BAD_HEADER,
    BAD_SESSION,
    BAD_TEXT,
    BLOCKS,
    BYTES,
    MESSAGES,
    NO_MEMORY,
    NO_REASON,
    SCRATCH_BYTES,
    SLOW_READER,
    TOO_LARGE,
    TRUNCATED,
    UNFINISHED,
    worker_drop,
    worker_flush,
)

cdef enum:
    # A batch as large as this goes up before the round ends.
    BATCH_MESSAGES = 256
    BATCH_BYTES = 1048576


cdef ReadResult connection_read(Worker* worker, Connection* connection) noexcept nogil:
    """Read once, and take every message that the bytes complete."""
    cdef ssize_t length = recv(connection.fd, worker.scratch, SCRATCH_BYTES, 0)
    cdef int status
    cdef bint completed = False
    if length <= 0:
        if length < 0 and (errno == EAGAIN or errno == EINTR):
            return NOTHING
        worker_drop(worker, connection, TRUNCATED if connection.unfinished else NO_REASON)
        return GONE
    atomic.count(&worker.counters[BYTES], <size_t>length)
    connection.last_byte_ns = worker.now_ns
    status = _consume(worker, connection, <size_t>length, &completed)
    if status != OK:
        worker_drop(worker, connection, _reason(status))
        return GONE
    _sort_in(worker, connection, completed)
    if connection.session != NULL and not keeper_after_read(worker, connection):
        return GONE
    return PROGRESS


cdef int _consume(
    Worker* worker, Connection* connection, size_t left, bint* completed
) noexcept nogil:
    cdef const uint8_t* at = worker.scratch
    cdef size_t part
    cdef int status
    while left:
        if connection.partial == NULL and left >= BLOCK_BYTES:
            status = _take(worker, connection, at, completed)
            part = BLOCK_BYTES
        else:
            part = BLOCK_BYTES - connection.partial_length
            if part > left:
                part = left
            status = _take_part(worker, connection, at, part, completed)
        if status != OK:
            return status
        at += part
        left -= part
    return OK


cdef int _take_part(
    Worker* worker, Connection* connection, const uint8_t* at, size_t part, bint* completed
) noexcept nogil:
    cdef int status
    if connection.partial == NULL:
        connection.partial = pool_lease(&worker.pool)
        if connection.partial == NULL:
            return MEMORY_SHORT
    memcpy(connection.partial + connection.partial_length, at, part)
    connection.partial_length += <unsigned short>part
    if connection.partial_length < BLOCK_BYTES:
        return OK
    status = _take(worker, connection, connection.partial, completed)
    pool_return(&worker.pool, connection.partial)
    connection.partial = NULL
    connection.partial_length = 0
    return status


cdef int _take(
    Worker* worker, Connection* connection, const uint8_t* block, bint* completed
) noexcept nogil:
    """Take a block of 2,048 bytes; returns OK or a fault."""
    cdef Header header
    cdef Fault fault
    cdef RawMessage* whole = NULL
    cdef int status = header_read(block, &header, &fault)
    if status != OK:
        return status
    if connection.session != NULL:
        status = keeper_heard(worker, connection, block, &header)
        if status != OK:
            return OK if status == DONE else status
    elif not connection.spoken:
        connection.spoken = True
        if is_announced(block):
            status = opening_offered(worker, connection, block)
            if status != OK:
                return status
    # Counted before it is answered: the answer acknowledges it. If it turns out
    # to be broken, the session ends with it.
    if connection.session != NULL and header.last_flag == 1:
        keeper_counted(worker, connection)
    status = answer_natively(worker, connection, block, &header)
    if status == OK:
        status = assembly_add(
            &connection.assembly, &header, &worker.shared.limits, &whole, &fault
        )
    if status < OK:
        return status
    atomic.count(&worker.counters[BLOCKS], 1)
    if status != DONE:
        return OK
    atomic.count(&worker.counters[MESSAGES], 1)
    # A message that came with its first bytes took no time: only one of this
    # read, the first, can have begun before it.
    histogram_add(
        &worker.received,
        worker.now_ns - connection.begun_ns if connection.unfinished and not completed[0] else 0,
    )
    completed[0] = True
    if whole != NULL:
        _hand_up(worker, connection, whole)
    return OK


cdef inline void _hand_up(
    Worker* worker, Connection* connection, RawMessage* whole
) noexcept nogil:
    whole.peer_ip = connection.peer_ip
    whole.peer_port = connection.peer_port
    whole.arrived_ns = worker.now_ns + worker.paused_ns
    if connection.session != NULL:
        whole.session = connection.session.id
    batch_add(&worker.batch, whole)
    if worker.batch.messages >= BATCH_MESSAGES or worker.batch.size_bytes >= BATCH_BYTES:
        worker_flush(worker)


cdef void _sort_in(Worker* worker, Connection* connection, bint completed) noexcept nogil:
    """Put the connection where its deadlines are kept."""
    cdef bint unfinished = connection.partial != NULL or connection.assembly.message != NULL
    if not unfinished:
        _calm_down(worker, connection)
        if connection.unfinished:
            link_remove(&connection.begun)
            atomic.count(&worker.counters[UNFINISHED], <unsigned long>-1)
    else:
        link_move_last(&worker.silent, &connection.waiting)
        if not connection.unfinished:
            atomic.count(&worker.counters[UNFINISHED], 1)
        if completed or not connection.unfinished:
            # Another message than the one that was open before began here.
            connection.begun_ns = worker.now_ns
            link_move_last(&worker.begun, &connection.begun)
    connection.unfinished = unfinished


cdef inline void _calm_down(Worker* worker, Connection* connection) noexcept nogil:
    """Put a connection that is not inside a message into its list."""
    cdef Session* session = connection.session
    if session != NULL and session.leaving:
        if connection.unfinished:
            keeper_calm(worker, connection)
        # Else it has its place: what the peer says does not lengthen its time.
    elif session != NULL and session.opener:
        link_move_last(&worker.kept, &connection.waiting)
    else:
        link_move_last(&worker.idle, &connection.waiting)


cdef int _reason(int status) noexcept nogil:
    """Return the counter of a fault."""
    if status == COUNTER_WRONG:
        return BAD_COUNTER
    if status == COMMAND_NOT_TEXT:
        return BAD_TEXT
    if status == MESSAGE_TOO_LARGE or status == ASSEMBLY_FULL:
        return TOO_LARGE
    if status == MEMORY_SHORT:
        return NO_MEMORY
    if status == SESSION_KIND or status == SESSION_COUNT:
        return BAD_SESSION
    if status == SESSION_LOST:
        return NO_REASON
    if status == SESSION_FULL:
        return SLOW_READER
    return BAD_HEADER
