"""Writing to the sessions of one I/O thread; C only, no GIL.

Messages come from other threads and wait in the session; what this thread
makes itself (native answers, control blocks) goes over the worker's answer
memory straight to the kernel, and waits in the session only if that is full.
The order on the wire: the message that was begun, what is ready, the messages
that wait.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memset

from edgelake._native cimport atomic
from edgelake._native.announcement cimport (
    MESSAGE,
    TRACKED,
    control_write,
    count_write,
    kind_write,
)
from edgelake._native.links cimport Link, link_append, link_is_alone, link_move_last, link_remove
from edgelake._native.outbox cimport (
    Outgoing,
    OutgoingList,
    list_append,
    list_pop,
    outbox_settle,
)
from edgelake._native.posix cimport (
    EAGAIN,
    EINTR,
    MSG_NOSIGNAL,
    errno,
    iovec,
    msghdr,
    send,
    sendmsg,
)
from edgelake._native.session cimport (
    Session,
    backlog,
    of_writing,
    ready_add,
    ready_left,
    ready_took,
)
from edgelake._native.status cimport MEMORY_SHORT, OK, SESSION_FULL, SESSION_LOST
from edgelake._native.wire cimport BLOCK_BYTES
from edgelake._native.worker cimport (
    NO_REASON,
    SCRATCH_BYTES,
    SENT_BYTES,
    worker_drop,
    worker_watch,
)

cdef enum:
    PIECES = 64                 # messages in one call of the kernel
    BYTES_PER_TURN = 1048576    # then other sessions get their turn
    # A peer that does not take this much of what we write is not read from
    # until it has taken half. Only the side that accepted the session holds
    # back: if both did, each would wait for the other one to read.
    HIGH_BYTES = 65536


# ------------------------------------------------ what this thread makes itself


cdef uint8_t* writer_room(
    Worker* worker, Connection* connection, size_t length, int* status
) noexcept nogil:
    """Return room for blocks, at most SCRATCH_BYTES, or NULL and the fault.

    Only while the connection is being read: the memory is the worker's.
    """
    if worker.answers_length + length > SCRATCH_BYTES:
        status[0] = writer_flush(worker, connection)
        if status[0] != OK:
            return NULL
    return worker.answers + worker.answers_length


cdef void writer_added(
    Worker* worker, Connection* connection, size_t length, bint message
) noexcept nogil:
    """Take the blocks that were written into the room; they are one message, or none."""
    _stamp(connection.session, worker.answers + worker.answers_length)
    connection.session.number += message
    worker.answers_length += length


cdef int writer_control(Worker* worker, Connection* connection, int kind) noexcept nogil:
    """Add a control block; returns OK or a fault."""
    cdef int status = OK
    cdef uint8_t* room = writer_room(worker, connection, BLOCK_BYTES, &status)
    if room != NULL:
        control_write(room, kind)
        writer_added(worker, connection, BLOCK_BYTES, False)
    return status


cdef int writer_flush(Worker* worker, Connection* connection) noexcept nogil:
    """Write what this thread has made; returns OK or a fault."""
    cdef Session* session = connection.session
    cdef size_t length = worker.answers_length
    cdef size_t done = 0
    cdef size_t capacity
    cdef ssize_t taken
    worker.answers_length = 0
    if length and not session.watching_out and backlog(session) == 0:
        taken = send(connection.fd, worker.answers, length, MSG_NOSIGNAL)
        if taken >= 0:
            done = <size_t>taken
            atomic.count(&worker.counters[SENT_BYTES], done)
            session.progress_ns = worker.now_ns
        elif errno != EAGAIN and errno != EINTR:
            return SESSION_LOST
    if done == length:
        return OK
    capacity = session.ready_capacity
    if not ready_add(session, worker.answers + done, length - done):
        return MEMORY_SHORT
    return _count_ready(worker, session, capacity)


cdef int _count_ready(Worker* worker, Session* session, size_t before) noexcept nogil:
    """Count the memory that answers have come to need or need no more; OK or a fault."""
    cdef int64_t more = <int64_t>session.ready_capacity - <int64_t>before
    if more == 0:
        return OK
    if atomic.add(&worker.shared.ready_bytes, more) > worker.shared.max_ready_bytes and more > 0:
        return SESSION_FULL
    return OK


# --------------------------------------------------------------- to the kernel


cdef inline void _stamp(Session* session, uint8_t* block) noexcept nogil:
    """Tell the peer, with a block that leaves next, what we have received."""
    count_write(block, session.received)
    session.told = session.received
    link_remove(&session.owing)


cdef inline void _piece(iovec* piece, uint8_t* start, size_t length) noexcept nogil:
    piece.iov_base = start
    piece.iov_len = length


cdef size_t _gather(Session* session, iovec* pieces) noexcept nogil:
    """List what waits, in its order."""
    cdef Outgoing* message = session.waiting.first
    cdef size_t count = 0
    if message != NULL and message.written:
        _piece(&pieces[0], message.data + message.written, message.length - message.written)
        count = 1
        message = message.next
    if ready_left(session):
        _piece(&pieces[count], session.ready + session.ready_written, ready_left(session))
        count += 1
    while message != NULL and count < PIECES:
        _stamp(session, message.data)
        kind_write(message.data, TRACKED if message.ticket else MESSAGE)
        _piece(&pieces[count], message.data, message.length)
        count += 1
        message = message.next
    return count


cdef size_t _write_first(Session* session, size_t length, OutgoingList* settled) noexcept nogil:
    """Note that the kernel took bytes of the first message; returns how many were its own."""
    cdef Outgoing* message = session.waiting.first
    cdef size_t part = message.length - message.written
    if part > length:
        part = length
    if message.written == 0:
        session.number += 1
        message.number = session.number
    message.written += part
    if message.written == message.length:
        list_pop(&session.waiting)
        session.waiting_bytes -= message.length
        if message.ticket:
            free(message.data)
            message.data = NULL
            list_append(&session.unconfirmed, message)
        else:
            list_append(settled, message)
    return part


cdef void _took(Session* session, size_t length, OutgoingList* settled) noexcept nogil:
    """Note that the kernel took bytes, in the order of `_gather`."""
    cdef size_t part
    if session.waiting.first != NULL and session.waiting.first.written:
        length -= _write_first(session, length, settled)
    part = ready_left(session)
    if part > length:
        part = length
    if part:
        ready_took(session, part)
        length -= part
    while length:
        length -= _write_first(session, length, settled)


cdef bint writer_send(Worker* worker, Connection* connection) noexcept nogil:
    """Write what waits, as far as the kernel takes it; False when the session ended."""
    cdef Session* session = connection.session
    cdef iovec[PIECES] pieces
    cdef msghdr header
    cdef OutgoingList settled
    cdef size_t turn = 0
    cdef size_t capacity = session.ready_capacity
    cdef ssize_t taken = 0
    cdef bint lost = False
    memset(&header, 0, sizeof(header))
    memset(&settled, 0, sizeof(settled))
    header.msg_iov = pieces
    while backlog(session) and turn < BYTES_PER_TURN:
        header.msg_iovlen = _gather(session, pieces)
        taken = sendmsg(connection.fd, &header, MSG_NOSIGNAL)
        if taken < 0:
            lost = errno != EAGAIN and errno != EINTR
            break
        _took(session, <size_t>taken, &settled)
        turn += <size_t>taken
    _count_ready(worker, session, capacity)
    if turn:
        atomic.count(&worker.counters[SENT_BYTES], turn)
        session.progress_ns = worker.now_ns
        link_remove(&session.writing)       # in order of progress
    outbox_settle(worker.shared.outbox, &settled)
    if lost:
        worker_drop(worker, connection, NO_REASON)
        return False
    writer_sort_out(worker, connection)
    return connection.fd >= 0


cdef void writer_await(Worker* worker, Session* session) noexcept nogil:
    """Let the time for the next acknowledgement begin, if one is owed."""
    link_remove(&session.asking)
    if session.unconfirmed.first != NULL:
        session.asked_ns = worker.now_ns
        link_append(&worker.asking, &session.asking)


cdef void writer_sort_out(Worker* worker, Connection* connection) noexcept nogil:
    """Have epoll tell what there is to wait for now."""
    cdef Session* session = connection.session
    cdef size_t left = backlog(session)
    cdef size_t mark = HIGH_BYTES // 2 if session.held else HIGH_BYTES
    cdef bint waits = left > 0
    cdef bint held = (left >= mark or (waits and session.choked)) and not session.opener
    session.choked = session.choked and waits
    if not waits:
        link_remove(&session.writing)
    elif link_is_alone(&session.writing):
        if not session.watching_out:
            session.progress_ns = worker.now_ns     # it begins to wait
        link_append(&worker.writing, &session.writing)
    if link_is_alone(&session.asking):
        writer_await(worker, session)
    if held != session.held or waits != session.watching_out:
        session.held = held
        session.watching_out = waits
        if connection.watched:
            worker_watch(worker, connection)


cdef void writer_send_waiting(Worker* worker) noexcept nogil:
    """Try the sessions that wait for their peers; for a thread that cannot look at events."""
    cdef Session* session
    cdef size_t left = 0
    cdef Link* at = worker.writing.after
    while at != &worker.writing:
        left += 1
        at = at.after
    # Each goes to the end of the list, or leaves it.
    while left and worker.writing.after != &worker.writing:
        session = of_writing(&worker.writing)
        link_move_last(&worker.writing, &session.writing)
        writer_send(worker, <Connection*>session.connection)
        left -= 1


cdef bint writer_is_due(const Connection* connection) noexcept nogil:
    """Tell whether `writer_send` has something to do before epoll says so.

    That is to write, or to have a session held whose peer takes nothing: epoll
    would never tell.
    """
    cdef const Session* session = connection.session
    cdef size_t left = backlog(session)
    if session.watching_out:
        return left >= HIGH_BYTES and not session.held and not session.opener
    return left > 0


cdef bint writer_is_done(const Connection* connection) noexcept nogil:
    """Tell whether nothing waits to be written or confirmed."""
    cdef const Session* session = connection.session
    return backlog(session) == 0 and session.unconfirmed.first == NULL
