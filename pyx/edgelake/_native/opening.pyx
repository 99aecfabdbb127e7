"""How the sessions of one I/O thread begin: offered by a peer, or handed over; C only, no GIL.

Source: docs/protocol.md, "Sessions".
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from edgelake._native cimport atomic
from edgelake._native.announcement cimport (
    OFFER,
    Place,
    Source,
    accept_write,
    announcement_fits,
    source_of,
)
from edgelake._native.connection cimport connection_new
from edgelake._native.facts cimport MOST_PLACES
from edgelake._native.header cimport load16
from edgelake._native.links cimport link_append
from edgelake._native.peers cimport peers_add
from edgelake._native.posix cimport *
from edgelake._native.session cimport Session, session_free, session_new
from edgelake._native.slots cimport slots_take
from edgelake._native.status cimport OK
from edgelake._native.system cimport NS_PER_MS, close_quietly
from edgelake._native.wire cimport AT_BLOCK_HASH, AT_SOCKET_ID, BLOCK_BYTES
from edgelake._native.worker cimport *
from edgelake._native.writer cimport writer_added, writer_room

cdef enum:
    KEEPALIVE_IDLE_S = 60       # a router between us shall not forget the connection
    KEEPALIVE_EVERY_S = 20
    KEEPALIVE_PROBES = 3


cdef int opening_offered(
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
    cdef Place[MOST_PLACES] places
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


cdef void opening_adopt(Worker* worker, Handover* handover) noexcept nogil:
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
