"""The sessions of one I/O thread: what is heard, how they end; C only, no GIL.

Source: docs/protocol.md, "Sessions".
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from edgelake._native cimport atomic
from edgelake._native.announcement cimport (
    ACKNOWLEDGE,
    LEAVE,
    MESSAGE,
    TRACKED,
    count_read,
)
from edgelake._native.connection cimport of_waiting
from edgelake._native.links cimport (
    link_append,
    link_is_alone,
    link_move_last,
    link_remove,
)
from edgelake._native.outbox cimport (
    Outgoing,
    OutgoingList,
    list_append,
    list_pop,
    outbox_settle,
)
from edgelake._native.peers cimport peers_remove
from edgelake._native.posix cimport *
from edgelake._native.posting cimport post_again
from edgelake._native.session cimport (
    Session,
    backlog,
    of_asking,
    of_owing,
    of_writing,
    ready_left,
    session_free,
)
from edgelake._native.slots cimport slots_give
from edgelake._native.status cimport DONE, OK, SESSION_COUNT, SESSION_FULL, SESSION_KIND
from edgelake._native.system cimport NS_PER_MS
from edgelake._native.worker cimport (
    DRAINING,
    NO_REASON,
    OWN_SESSIONS,
    SESSIONS,
    SLOW_READER,
    worker_drop,
)
from edgelake._native.writer cimport (
    writer_await,
    writer_control,
    writer_flush,
    writer_is_done,
    writer_is_due,
    writer_send,
)

cdef enum:
    OWED_MS = 2                 # an acknowledgement waits so long for a block to go with
    OWED_MOST = 256             # messages that are acknowledged together
    LOOK_MS = 1000              # sessions are looked at so often at least
    LEAVE_MS = 1000             # silence in which a session that ends is closed
    # Native answers that the acceptor of a session does not take; twice what
    # its own requests can ask for at a time.
    MOST_READY_BYTES = 16777216


# ------------------------------------------------------------------------ hear


cdef int keeper_heard(
    Worker* worker, Connection* connection, const uint8_t* block, const Header* header
) noexcept nogil:
    """Read what a block says about its session.

    Returns OK when it belongs to a message, DONE when that was all, or a fault.
    """
    cdef Session* session = connection.session
    cdef uint64_t count = count_read(block)
    cdef int kind = header.socket_id
    if count > _whole(session):
        return SESSION_COUNT
    if count > session.confirmed:
        session.confirmed = count
        if session.unconfirmed.first != NULL:
            _confirm(worker, session)
    if kind == MESSAGE:
        return OK
    if connection.assembly.message != NULL:
        return SESSION_KIND
    if kind == TRACKED:
        session.tracks = True
        return OK
    if kind == LEAVE:
        return _peer_leaves(worker, connection)
    return DONE if kind == ACKNOWLEDGE else SESSION_KIND


cdef inline uint64_t _whole(const Session* session) noexcept nogil:
    """Return how many messages of ours the peer can have as a whole."""
    cdef const Outgoing* first = session.waiting.first
    return session.number - (1 if first != NULL and first.written else 0)


cdef void _confirm(Worker* worker, Session* session) noexcept nogil:
    """Settle the messages that have arrived."""
    cdef OutgoingList settled
    cdef Outgoing* message
    memset(&settled, 0, sizeof(settled))
    while (
        session.unconfirmed.first != NULL
        and session.unconfirmed.first.number <= session.confirmed
    ):
        message = list_pop(&session.unconfirmed)
        message.kept = True
        list_append(&settled, message)
    writer_await(worker, session)
    outbox_settle(worker.shared.outbox, &settled)


cdef int _peer_leaves(Worker* worker, Connection* connection) noexcept nogil:
    """Begin no more messages: they travel another way; returns DONE or a fault."""
    cdef Session* session = connection.session
    cdef int status
    session.left = True
    _unlist(worker, session)
    _send_otherwise(worker, session)
    # The last word about what has come: this side may close with it.
    status = writer_control(worker, connection, ACKNOWLEDGE)
    return DONE if status == OK else status


cdef void _send_otherwise(Worker* worker, Session* session) noexcept nogil:
    """Give the messages that were not begun to the sender's thread."""
    cdef Outgoing* message
    cdef Outgoing* begun = NULL
    cdef OutgoingList waiting = session.waiting
    memset(&session.waiting, 0, sizeof(session.waiting))
    if waiting.first != NULL and waiting.first.written:
        begun = list_pop(&waiting)
        list_append(&session.waiting, begun)
    while True:
        message = list_pop(&waiting)
        if message == NULL:
            return
        session.waiting_bytes -= message.length
        post_again(worker.shared.outbox, message)


cdef void keeper_counted(Worker* worker, Connection* connection) noexcept nogil:
    """Note that a whole message came."""
    cdef Session* session = connection.session
    session.received += 1
    if session.tracks and link_is_alone(&session.owing):
        session.owed_ns = worker.now_ns
        link_append(&worker.owing, &session.owing)
    session.tracks = False


cdef bint keeper_after_read(Worker* worker, Connection* connection) noexcept nogil:
    """Write what the reading caused; False when the session ended."""
    cdef Session* session = connection.session
    cdef int status = OK
    if session.leaving and (
        worker.now_ns - session.leave_ns >= worker.shared.message_timeout_ns
    ):
        # It was told long ago, and goes on.
        worker_drop(worker, connection, NO_REASON)
        return False
    if not link_is_alone(&session.owing) and (
        session.leaving or session.received - session.told >= OWED_MOST
    ):
        status = writer_control(worker, connection, ACKNOWLEDGE)
    if status == OK:
        status = writer_flush(worker, connection)
    if status != OK:
        worker_drop(worker, connection, SLOW_READER if status == SESSION_FULL else NO_REASON)
        return False
    if session.opener and ready_left(session) > MOST_READY_BYTES:
        worker_drop(worker, connection, SLOW_READER)
        return False
    if writer_is_due(connection) and not writer_send(worker, connection):
        return False
    if session.left and writer_is_done(connection):
        worker_drop(worker, connection, NO_REASON)
        return False
    return True


# ------------------------------------------------------------------------- end


cdef void _unlist(Worker* worker, Session* session) noexcept nogil:
    if session.port:
        peers_remove(&worker.shared.peers, session.ip, session.port, session.id)
        session.port = 0


cdef void keeper_leave(Worker* worker, Connection* connection) noexcept nogil:
    """Ask the peer to end the session; it is closed when the peer has closed, or is silent."""
    cdef Session* session = connection.session
    cdef int status
    session.leaving = True
    _unlist(worker, session)
    # The peer may close as soon as it has heard of it: what began later would be lost.
    _send_otherwise(worker, session)
    session.leave_ns = worker.now_ns
    keeper_calm(worker, connection)
    status = writer_control(worker, connection, LEAVE)
    if status == OK:
        status = writer_flush(worker, connection)
    if status != OK:
        worker_drop(worker, connection, NO_REASON)
    elif backlog(session) and not session.watching_out:
        writer_send(worker, connection)


cdef void keeper_calm(Worker* worker, Connection* connection) noexcept nogil:
    """Let the peer have its time to close a session that is left."""
    connection.session.calm_ns = worker.now_ns
    link_move_last(&worker.leaving, &connection.waiting)


cdef void keeper_idle(Worker* worker, Connection* connection) noexcept nogil:
    """Leave a session from which nothing has come for long, unless the peer is still busy."""
    if writer_is_done(connection):
        keeper_leave(worker, connection)
        return
    connection.last_byte_ns = worker.now_ns
    link_move_last(
        &worker.kept if connection.session.opener else &worker.idle, &connection.waiting
    )


cdef void keeper_acknowledge(Worker* worker) noexcept nogil:
    """Acknowledge all that has come; for a thread that reads no more for a while."""
    while of_owing(&worker.owing) != NULL:
        _acknowledge(worker, <Connection*>of_owing(&worker.owing).connection)


cdef void keeper_lost(Worker* worker, Connection* connection) noexcept nogil:
    """Take the session from a connection that has ended, and see to its messages."""
    cdef Session* session = connection.session
    cdef OutgoingList settled
    cdef Outgoing* message
    memset(&settled, 0, sizeof(settled))
    worker.answers_length = 0
    _unlist(worker, session)
    _send_otherwise(worker, session)
    # One that was only begun is not carried out: its last block never came.
    message = list_pop(&session.waiting)
    if message != NULL:
        message.written = 0
        post_again(worker.shared.outbox, message)
    # Those that are not confirmed may have arrived: sent again they could be
    # carried out twice.
    while True:
        message = list_pop(&session.unconfirmed)
        if message == NULL:
            break
        message.error = ECONNRESET
        list_append(&settled, message)
    if settled.first != NULL and atomic.read(&worker.shared.state) == DRAINING:
        atomic.add(&worker.shared.cut, 1)
    outbox_settle(worker.shared.outbox, &settled)
    link_remove(&session.owing)
    link_remove(&session.writing)
    link_remove(&session.asking)
    slots_give(&worker.slots, session.id)
    atomic.add(&worker.shared.ready_bytes, -<int64_t>session.ready_capacity)
    atomic.count(&worker.counters[SESSIONS], <unsigned long>-1)
    if session.opener:
        atomic.count(&worker.counters[OWN_SESSIONS], <unsigned long>-1)
    connection.session = NULL
    session_free(session)


# ------------------------------------------------------------------- deadlines


cdef void keeper_expire(Worker* worker) noexcept nogil:
    """Acknowledge, leave and drop what is due."""
    cdef int64_t now = worker.now_ns
    cdef Connection* first = of_waiting(&worker.leaving)
    cdef Session* session
    while first != NULL and now - first.session.calm_ns >= LEAVE_MS * <int64_t>NS_PER_MS:
        if writer_is_done(first):
            worker_drop(worker, first, NO_REASON)
        else:
            keeper_calm(worker, first)      # other deadlines watch over what it has to take
        first = of_waiting(&worker.leaving)
    first = of_waiting(&worker.kept)
    while first != NULL and now - first.last_byte_ns >= worker.shared.session_idle_ns:
        keeper_idle(worker, first)
        first = of_waiting(&worker.kept)
    session = of_writing(&worker.writing)
    while session != NULL and now - session.progress_ns >= worker.shared.block_timeout_ns:
        worker_drop(worker, <Connection*>session.connection, SLOW_READER)
        session = of_writing(&worker.writing)
    session = of_asking(&worker.asking)
    while session != NULL and now - session.asked_ns >= worker.shared.receipt_timeout_ns:
        worker_drop(worker, <Connection*>session.connection, SLOW_READER)
        session = of_asking(&worker.asking)
    session = of_owing(&worker.owing)
    while session != NULL and now - session.owed_ns >= OWED_MS * <int64_t>NS_PER_MS:
        _acknowledge(worker, <Connection*>session.connection)
        session = of_owing(&worker.owing)


cdef void _acknowledge(Worker* worker, Connection* connection) noexcept nogil:
    cdef int status = writer_control(worker, connection, ACKNOWLEDGE)
    if status == OK:
        status = writer_flush(worker, connection)
    if status != OK:
        worker_drop(worker, connection, NO_REASON)
    elif backlog(connection.session) and not connection.session.watching_out:
        writer_send(worker, connection)


cdef int64_t keeper_next_ns(Worker* worker) noexcept nogil:
    """Return when `keeper_expire` has something to do, in worker time."""
    cdef Connection* leaving = of_waiting(&worker.leaving)
    cdef Connection* kept = of_waiting(&worker.kept)
    cdef Session* writing = of_writing(&worker.writing)
    cdef Session* asking = of_asking(&worker.asking)
    cdef Session* owing = of_owing(&worker.owing)
    cdef int64_t due = INT64_MAX
    if leaving != NULL:
        due = leaving.session.calm_ns + LEAVE_MS * <int64_t>NS_PER_MS
    if kept != NULL:
        due = min(due, kept.last_byte_ns + worker.shared.session_idle_ns)
    if writing != NULL:
        due = min(due, writing.progress_ns + worker.shared.block_timeout_ns)
    if asking != NULL:
        due = min(due, asking.asked_ns + worker.shared.receipt_timeout_ns)
    elif atomic.counted(&worker.counters[SESSIONS]):
        # Another thread may write meanwhile, and does not wake this one for a deadline.
        due = min(due, worker.now_ns + LOOK_MS * <int64_t>NS_PER_MS)
    if owing != NULL:
        due = min(due, owing.owed_ns + OWED_MS * <int64_t>NS_PER_MS)
    return due
