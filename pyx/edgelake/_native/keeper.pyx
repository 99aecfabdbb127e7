"""The sessions of one I/O thread: how they begin, what is heard, how they end; C only, no GIL.

Source: docs/protocol.md, "Sessions".
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from edgelake._native cimport atomic
from edgelake._native.announcement cimport (
    ACKNOWLEDGE,
    LEAVE,
    MESSAGE,
    OFFER,
    TRACKED,
    Place,
    Source,
    accept_write,
    announcement_fits,
    count_read,
    source_of,
)
from edgelake._native.connection cimport connection_new, of_waiting
from edgelake._native.header cimport load16
from edgelake._native.inbox cimport Handover, Inbox, inbox_close, inbox_take
from edgelake._native.links cimport link_append, link_is_alone, link_move_last, link_remove
from edgelake._native.outbox cimport (
    Outgoing,
    OutgoingList,
    list_append,
    list_pop,
    outbox_settle,
)
from edgelake._native.peers cimport peers_add, peers_remove
from edgelake._native.posix cimport *
from edgelake._native.posting cimport post_again
from edgelake._native.routes cimport routes_free
from edgelake._native.session cimport (
    Session,
    backlog,
    of_owing,
    of_writing,
    ready_left,
    session_free,
    session_new,
)
from edgelake._native.slots cimport slots_find, slots_give, slots_take
from edgelake._native.status cimport DONE, OK, SESSION_COUNT, SESSION_KIND
from edgelake._native.system cimport NS_PER_MS, close_quietly, wake
from edgelake._native.wire cimport AT_BLOCK_HASH, AT_SOCKET_ID, BLOCK_BYTES
from edgelake._native.worker cimport (
    CONNECTIONS,
    NO_MEMORY,
    NO_REASON,
    OWN_SESSIONS,
    REFUSED,
    SESSIONS,
    SESSIONS_ACCEPTED,
    SESSIONS_OPENED,
    SLOW_READER,
    worker_drop,
    worker_tick,
    worker_watch,
)
from edgelake._native.writer cimport (
    writer_added,
    writer_control,
    writer_flush,
    writer_is_done,
    writer_is_due,
    writer_room,
    writer_send,
)

cdef enum:
    OWED_MS = 2                 # an acknowledgement waits so long for a block to go with
    OWED_MOST = 256             # messages that are acknowledged together
    LEAVE_MS = 1000             # silence in which a session that ends is closed
    # Native answers that the acceptor of a session does not take; twice what
    # its own requests can ask for at a time.
    MOST_READY_BYTES = 16777216
    KEEPALIVE_IDLE_S = 60       # a router between us shall not forget the connection
    KEEPALIVE_EVERY_S = 20
    KEEPALIVE_PROBES = 3


# ----------------------------------------------------------------------- begin


cdef int keeper_offered(
    Worker* worker, Connection* connection, const uint8_t* block
) noexcept nogil:
    """Make a session of a connection whose first block offers one to this node.

    Returns OK, also when there is no offer to us, or a fault.
    """
    cdef Source source = source_of(block)
    cdef Place to
    cdef uint8_t* room
    cdef int status = OK
    if not worker.shared.sessions or load16(block + AT_SOCKET_ID) != OFFER:
        return OK
    if not _is_for_us(worker, connection, block, &source, &to):
        return OK
    if not _begin(worker, connection, False):
        return OK               # without memory the classic way still goes
    atomic.count(&worker.counters[SESSIONS_ACCEPTED], 1)
    room = writer_room(worker, connection, BLOCK_BYTES, &status)
    if room == NULL:
        return status
    accept_write(room, block + AT_BLOCK_HASH, &source, &to)
    writer_added(worker, connection, BLOCK_BYTES, False)
    _know_by_address(worker, connection, &source)
    return OK


cdef bint _is_for_us(
    Worker* worker, Connection* connection, const uint8_t* block, const Source* source, Place* to
) noexcept nogil:
    """Tell whether the offer leads to an address of this node, and to which."""
    cdef sockaddr_in own
    cdef socklen_t length = sizeof(own)
    cdef Place[8] places
    cdef int count
    cdef int at
    if getsockname(connection.fd, <sockaddr*>&own, &length) == 0:
        to.ip = own.sin_addr.s_addr
        to.port = ntohs(own.sin_port)
        if announcement_fits(block, OFFER, source, to):
            return True
    # Behind a router the address that peers use is another one.
    pthread_mutex_lock(&worker.shared.facts.mutex)
    count = worker.shared.facts.place_count
    memcpy(places, worker.shared.facts.places, sizeof(places))
    pthread_mutex_unlock(&worker.shared.facts.mutex)
    for at in range(count):
        to[0] = places[at]
        if announcement_fits(block, OFFER, source, to):
            return True
    return False


cdef void _know_by_address(
    Worker* worker, Connection* connection, const Source* source
) noexcept nogil:
    """Note which address the peer has, if it says the one that its connection comes from."""
    cdef char[16] text
    cdef uint32_t ip = 0
    if source.ip_length >= sizeof(text) or not 1 <= source.port <= 65535:
        return
    memcpy(text, source.ip, source.ip_length)
    text[source.ip_length] = 0
    if source.ip_length and inet_pton(AF_INET, text, &ip) != 1:
        return
    if ip == 0:
        ip = connection.peer_ip
    if ip == connection.peer_ip:
        _list(worker, connection, ip, <uint16_t>source.port)


cdef void _list(
    Worker* worker, Connection* connection, uint32_t ip, uint16_t port
) noexcept nogil:
    """Have messages for an address find the session."""
    cdef Session* session = connection.session
    if peers_add(&worker.shared.peers, ip, port, session.id, session.opener):
        session.ip = ip
        session.port = port


cdef void _unlist(Worker* worker, Session* session) noexcept nogil:
    if session.port:
        peers_remove(&worker.shared.peers, session.ip, session.port, session.id)
        session.port = 0


cdef bint _begin(Worker* worker, Connection* connection, bint opener) noexcept nogil:
    """Give a connection a session; False when there is no memory."""
    cdef Session* session = session_new(opener, worker.now_ns)
    if session == NULL:
        return False
    session.id = slots_take(&worker.slots, connection)
    if session.id == 0:
        session_free(session)
        return False
    session.connection = connection
    connection.session = session
    atomic.count(&worker.counters[SESSIONS], 1)
    atomic.count(&worker.counters[OWN_SESSIONS], opener)
    _tune(connection.fd, worker.shared.block_timeout_ns)
    return True


cdef inline void _option(int fd, int level, int name, int value) noexcept nogil:
    # A system without the option does without.
    setsockopt(fd, level, name, &value, sizeof(value))


cdef void _tune(int fd, int64_t block_timeout_ns) noexcept nogil:
    _option(fd, IPPROTO_TCP, TCP_NODELAY, 1)
    _option(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    _option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    _option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S)
    _option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES)
    # Bytes that nobody acknowledges are as bad as bytes that nobody takes.
    _option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, <int>(block_timeout_ns // NS_PER_MS))


cdef void _adopt(Worker* worker, Handover* handover) noexcept nogil:
    """Take over a connection whose peer accepted a session."""
    cdef Connection* connection
    cdef Session* session
    if atomic.add(&worker.shared.connections, 1) > worker.shared.max_connections:
        atomic.count(&worker.counters[REFUSED], 1)
        connection = NULL
    else:
        connection = connection_new(handover.fd, handover.ip, handover.port, worker.now_ns)
        if connection == NULL:
            atomic.count(&worker.counters[NO_MEMORY], 1)
    if connection == NULL:
        close_quietly(handover.fd)
        atomic.add(&worker.shared.connections, -1)
        return
    atomic.count(&worker.counters[CONNECTIONS], 1)
    link_append(&worker.kept, &connection.waiting)
    connection.spoken = True
    if not _begin(worker, connection, True):
        worker_drop(worker, connection, NO_MEMORY)
        return
    atomic.count(&worker.counters[SESSIONS_OPENED], 1)
    session = connection.session
    session.number = 1          # the message that carried the offer
    session.confirmed = handover.confirmed
    _list(worker, connection, handover.ip, handover.port)
    worker_watch(worker, connection)


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
    if not link_is_alone(&session.owing) and session.received - session.told >= OWED_MOST:
        status = writer_control(worker, connection, ACKNOWLEDGE)
    if status == OK:
        status = writer_flush(worker, connection)
    if status != OK:
        worker_drop(worker, connection, NO_REASON)
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


cdef void keeper_leave(Worker* worker, Connection* connection) noexcept nogil:
    """Ask the peer to end the session; it is closed when the peer has closed, or is silent."""
    cdef Session* session = connection.session
    cdef int status
    session.leaving = True
    _unlist(worker, session)
    # The peer may close as soon as it has heard of it: what began later would be lost.
    _send_otherwise(worker, session)
    connection.last_byte_ns = worker.now_ns
    link_move_last(&worker.leaving, &connection.waiting)
    status = writer_control(worker, connection, LEAVE)
    if status == OK:
        status = writer_flush(worker, connection)
    if status != OK:
        worker_drop(worker, connection, NO_REASON)
    elif backlog(session) and not session.watching_out:
        writer_send(worker, connection)


cdef void keeper_lost(Worker* worker, Connection* connection) noexcept nogil:
    """Take the session from a connection that has ended, and see to its messages."""
    cdef Session* session = connection.session
    cdef OutgoingList settled
    cdef Outgoing* message
    memset(&settled, 0, sizeof(settled))
    worker.answers_length = 0
    _unlist(worker, session)
    _send_otherwise(worker, session)
    # Those that were begun or not confirmed may have arrived: sent again they
    # could be carried out twice.
    while True:
        message = list_pop(&session.unconfirmed)
        if message == NULL:
            message = list_pop(&session.waiting)
        if message == NULL:
            break
        message.error = ECONNRESET
        list_append(&settled, message)
    outbox_settle(worker.shared.outbox, &settled)
    link_remove(&session.owing)
    link_remove(&session.writing)
    slots_give(&worker.slots, session.id)
    atomic.count(&worker.counters[SESSIONS], <unsigned long>-1)
    if session.opener:
        atomic.count(&worker.counters[OWN_SESSIONS], <unsigned long>-1)
    connection.session = NULL
    session_free(session)


# -------------------------------------------------------- from other threads


cdef void keeper_take_inbox(Worker* worker) noexcept nogil:
    """Take what other threads have for this one."""
    cdef Inbox taken
    cdef Handover* handover
    cdef Outgoing* message
    cdef Connection* touched = NULL
    inbox_take(&worker.inbox, &taken)
    if taken.routes != NULL:
        routes_free(worker.routes)
        worker.routes = taken.routes
    while taken.handovers != NULL:
        handover = taken.handovers
        taken.handovers = handover.next
        _adopt(worker, handover)
        free(handover)
    while True:
        message = list_pop(&taken.messages)
        if message == NULL:
            break
        touched = _accept_message(worker, message, touched)
    while touched != NULL:
        touched = _write_touched(worker, touched)


cdef void keeper_deliver(Worker* worker, Outgoing* message) noexcept nogil:
    """Write a message to its session; for another thread, which holds ``busy``.

    The worker waits meanwhile. It is woken only if it has to go on with the
    message, or to keep a deadline.
    """
    cdef Connection* touched
    if not worker.must_pause:       # in a pause the worker's clock stands still
        worker_tick(worker)
    touched = _accept_message(worker, message, NULL)
    if touched == NULL:
        return
    _write_touched(worker, touched)
    if touched.fd < 0 or touched.session.watching_out:
        wake(worker.wake_fd)


cdef Connection* _accept_message(
    Worker* worker, Outgoing* message, Connection* touched
) noexcept nogil:
    """Queue a message at its session; returns the list of sessions that were given some."""
    cdef Connection* connection = <Connection*>slots_find(&worker.slots, message.session)
    cdef Session* session
    if connection == NULL or connection.session.left or connection.session.leaving:
        post_again(worker.shared.outbox, message)
        return touched
    session = connection.session
    list_append(&session.waiting, message)
    session.waiting_bytes += message.length
    if session.touched:
        return touched
    session.touched = True
    session.next_touched = touched
    return connection


cdef Connection* _write_touched(Worker* worker, Connection* connection) noexcept nogil:
    """Write to the first session of the list; returns the rest."""
    cdef Session* session = connection.session
    cdef Connection* rest = <Connection*>session.next_touched
    session.touched = False
    session.next_touched = NULL
    if writer_is_due(connection):
        writer_send(worker, connection)
    return rest


cdef void keeper_close_inbox(Worker* worker) noexcept nogil:
    """Take nothing any more; what came last goes another way."""
    cdef Inbox taken
    cdef Handover* handover
    cdef Outgoing* message
    inbox_close(&worker.inbox, &taken)
    routes_free(taken.routes)
    while taken.handovers != NULL:
        handover = taken.handovers
        taken.handovers = handover.next
        close_quietly(handover.fd)
        free(handover)
    while True:
        message = list_pop(&taken.messages)
        if message == NULL:
            return
        post_again(worker.shared.outbox, message)


# ------------------------------------------------------------------- deadlines


cdef void keeper_expire(Worker* worker) noexcept nogil:
    """Acknowledge, leave and drop what is due."""
    cdef int64_t now = worker.now_ns
    cdef Connection* first = of_waiting(&worker.leaving)
    cdef Session* session
    while first != NULL and now - first.last_byte_ns >= LEAVE_MS * <int64_t>NS_PER_MS:
        worker_drop(worker, first, NO_REASON)
        first = of_waiting(&worker.leaving)
    first = of_waiting(&worker.kept)
    while first != NULL and now - first.last_byte_ns >= worker.shared.session_idle_ns:
        keeper_leave(worker, first)
        first = of_waiting(&worker.kept)
    session = of_writing(&worker.writing)
    while session != NULL and now - session.progress_ns >= worker.shared.block_timeout_ns:
        worker_drop(worker, <Connection*>session.connection, SLOW_READER)
        session = of_writing(&worker.writing)
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
    cdef Session* owing = of_owing(&worker.owing)
    cdef int64_t due = INT64_MAX
    if leaving != NULL:
        due = leaving.last_byte_ns + LEAVE_MS * <int64_t>NS_PER_MS
    if kept != NULL:
        due = min(due, kept.last_byte_ns + worker.shared.session_idle_ns)
    if writing != NULL:
        due = min(due, writing.progress_ns + worker.shared.block_timeout_ns)
    if owing != NULL:
        due = min(due, owing.owed_ns + OWED_MS * <int64_t>NS_PER_MS)
    return due
