"""One socket that carries one message: connect, write, close; C only, no GIL.

Where the message offers a session, the end comes later: the peer answers and
an I/O thread takes the socket over, or the peer closes as old ones do.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from edgelake._native cimport atomic
from edgelake._native.announcement cimport (
    NONCE_BYTES,
    accept_expect,
    count_read,
    is_accept,
    is_announced,
    nonce_make,
    offer_clear,
    offer_write,
)
from edgelake._native.delivery cimport deliver_done, deliver_failed, reschedule
from edgelake._native.inbox cimport Handover, inbox_hand_over
from edgelake._native.links cimport link_alone, link_append, link_move_last, link_remove
from edgelake._native.peers cimport peers_ask, peers_old, peers_reverse
from edgelake._native.posix cimport *
from edgelake._native.posting cimport post_to_session
from edgelake._native.system cimport close_quietly
from edgelake._native.wire cimport BLOCK_BYTES
from edgelake._native.worker cimport RUNNING, Shared

cdef enum:
    # Then other sockets get their turn; a fast reader must not hold them up.
    BYTES_PER_TURN = 1048576


cdef bint attempt_start(
    Delivery* delivery, Destination* destination, Outgoing* message
) noexcept nogil:
    """Open a socket for a message.

    False means that the system has no descriptor or memory; the message is
    the caller's again, and no attempt is counted.
    """
    cdef Attempt* attempt
    cdef sockaddr_in address
    cdef int on = 1
    cdef int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if fd < 0:
        return False
    attempt = <Attempt*>calloc(1, sizeof(Attempt))
    if attempt == NULL:
        close(fd)
        return False
    # Without it the last, partly filled segment would wait for an acknowledgement.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
    link_alone(&attempt.place)
    attempt.fd = fd
    attempt.message = message
    attempt.destination = destination
    attempt.to.ip = destination.ip
    attempt.to.port = destination.port
    attempt.started_ns = delivery.now_ns
    attempt.last_ns = delivery.now_ns
    attempt.probe = destination.failing
    destination.probing = destination.probing or attempt.probe
    destination.sockets += 1
    delivery.sockets += 1
    _offer(delivery, attempt)
    address.sin_family = <unsigned short>AF_INET
    address.sin_port = htons(destination.port)
    address.sin_addr.s_addr = destination.ip
    if connect(fd, <sockaddr*>&address, sizeof(address)) == 0:
        _connected(delivery, attempt)
    elif errno == EINPROGRESS or errno == EINTR:
        attempt.connecting = True
        link_append(&delivery.connecting, &attempt.place)
        _watch(delivery, attempt)
    else:
        attempt_fail(delivery, attempt, errno)
    return True


cdef void _offer(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Let the message carry the offer of a session, if the destination shall get one."""
    cdef Outgoing* message = attempt.message
    cdef uint8_t[NONCE_BYTES] nonce
    if is_announced(message.data):
        offer_clear(message.data)
    # Who is only answered could have made the offer itself.
    if (
        delivery.shared == NULL
        or atomic.read(&delivery.shared.state) != RUNNING
        or message.cause != 0
        or delivery.courting_sockets >= delivery.max_courting
        or not nonce_make(nonce)
    ):
        return
    if not peers_ask(
        &delivery.shared.peers,
        attempt.to.ip,
        attempt.to.port,
        delivery.now_ns,
        delivery.now_ns + delivery.ask_pause_ns,
    ) and not message.asks:
        return
    offer_write(message.data, nonce, &attempt.to)
    accept_expect(attempt.expected, message.data, nonce, &attempt.to)
    attempt.offered = True


cdef void attempt_continue(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Go on after an event."""
    cdef int error = 0
    cdef socklen_t length = sizeof(error)
    if attempt.courting:
        _hear(delivery, attempt)
        return
    if not attempt.connecting:
        _write(delivery, attempt)
        return
    if getsockopt(attempt.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0:
        error = errno
    if error != 0:
        attempt_fail(delivery, attempt, error)
        return
    attempt.connecting = False
    _connected(delivery, attempt)


cdef void _connected(Delivery* delivery, Attempt* attempt) noexcept nogil:
    cdef sockaddr_in own
    cdef socklen_t length = sizeof(own)
    cdef Destination* destination = attempt.destination
    # Nothing listens, but the system gave us the destination's own port: TCP
    # then connects the socket with itself (RFC 9293, simultaneous open).
    if getsockname(attempt.fd, <sockaddr*>&own, &length) == 0 and (
        own.sin_addr.s_addr == destination.ip and ntohs(own.sin_port) == destination.port
    ):
        attempt_fail(delivery, attempt, ECONNREFUSED)
        return
    attempt.connected = True
    attempt.last_ns = delivery.now_ns
    link_move_last(&delivery.writing, &attempt.place)
    _write(delivery, attempt)


cdef void _write(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Write until all is taken, or the kernel takes no more now."""
    cdef Outgoing* message = attempt.message
    cdef size_t begin = attempt.written
    cdef ssize_t length
    while attempt.written < message.length and attempt.written - begin < BYTES_PER_TURN:
        length = send(
            attempt.fd,
            message.data + attempt.written,
            message.length - attempt.written,
            MSG_NOSIGNAL,
        )
        if length >= 0:
            attempt.written += <size_t>length
            atomic.count(&delivery.sent_bytes, <size_t>length)
        elif errno == EAGAIN:
            break
        elif errno != EINTR:
            attempt_fail(delivery, attempt, errno)
            return
    if attempt.written == message.length:
        _done(delivery, attempt)
        return
    if attempt.written > begin:
        attempt.last_ns = delivery.now_ns
        link_move_last(&delivery.writing, &attempt.place)
    _watch(delivery, attempt)


cdef void _done(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Close behind the last byte, or wait for the answer to the offer."""
    cdef Outgoing* message = attempt.message
    cdef Destination* destination = attempt.destination
    destination.failing = False
    if not attempt.offered:
        # The kernel delivers what it has: nothing is ever received here that
        # could turn the end into a reset.
        attempt_end(delivery, attempt)
        deliver_done(delivery, message, 0)
        reschedule(delivery, destination)
        return
    attempt.courting = True
    attempt.last_ns = delivery.now_ns
    delivery.courting_sockets += 1
    delivery.courting_long += attempt.written > BLOCK_BYTES
    link_move_last(&delivery.courting, &attempt.place)
    if not message.asks:
        _let_go(delivery, attempt)
        deliver_done(delivery, message, 0)
        reschedule(delivery, destination)
    _watch(delivery, attempt)


cdef void _let_go(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Take message and destination from an attempt: they do not wait for it any more."""
    cdef Destination* destination = attempt.destination
    if destination == NULL:
        return
    destination.sockets -= 1
    if attempt.probe:
        destination.probing = False
    attempt.destination = NULL
    attempt.message = NULL


cdef void _hear(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Read the answer to the offer: a block, or the end that an old peer makes."""
    cdef ssize_t length
    if attempt.heard == NULL:
        attempt.heard = <uint8_t*>malloc(BLOCK_BYTES)
        if attempt.heard == NULL:
            attempt_refused(delivery, attempt)
            return
    # Not a byte more: what follows belongs to the session.
    length = recv(
        attempt.fd, attempt.heard + attempt.heard_length, BLOCK_BYTES - attempt.heard_length, 0
    )
    if length < 0 and (errno == EAGAIN or errno == EINTR):
        return
    if length > 0:
        attempt.heard_length += <size_t>length
        if attempt.heard_length < BLOCK_BYTES:
            return
        # More than the one message cannot have come.
        if (
            is_accept(attempt.heard, attempt.expected)
            and count_read(attempt.heard) <= 1
            and _hand_over(delivery, attempt)
        ):
            return
    attempt_refused(delivery, attempt)


cdef bint _hand_over(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Give the connection to an I/O thread, which keeps the session from here on."""
    cdef Shared* shared = delivery.shared
    cdef Outgoing* message = attempt.message
    cdef Destination* destination = attempt.destination
    cdef Handover* handover
    if atomic.read(&shared.state) != RUNNING:
        return False
    handover = <Handover*>calloc(1, sizeof(Handover))
    if handover == NULL:
        return False
    handover.fd = attempt.fd
    handover.ip = attempt.to.ip
    handover.port = attempt.to.port
    handover.confirmed = count_read(attempt.heard)
    delivery.next_worker = (delivery.next_worker + 1) % shared.workers_made
    epoll_ctl(delivery.epoll_fd, EPOLL_CTL_DEL, attempt.fd, NULL)
    attempt.watched = False
    if not inbox_hand_over(&shared.workers[delivery.next_worker].inbox, handover):
        free(handover)
        return False
    attempt.fd = -1             # another thread's now
    attempt_end(delivery, attempt)
    if message != NULL:
        message.kept = True
        deliver_done(delivery, message, 0)
        reschedule(delivery, destination)
    return True


cdef void attempt_refused(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """End an attempt whose message was taken and whose offer was not: the peer is old."""
    cdef Outgoing* message = attempt.message
    cdef Destination* destination = attempt.destination
    peers_old(
        &delivery.shared.peers,
        attempt.to.ip,
        attempt.to.port,
        delivery.now_ns + delivery.ask_pause_ns,
    )
    attempt_end(delivery, attempt)
    if message != NULL:
        deliver_done(delivery, message, 0)
        reschedule(delivery, destination)


cdef void attempt_fail(Delivery* delivery, Attempt* attempt, int error) noexcept nogil:
    """End the socket and let the destination wait."""
    cdef Outgoing* message = attempt.message
    cdef Destination* destination = attempt.destination
    cdef int64_t started = attempt.started_ns
    if attempt.courting:
        attempt_refused(delivery, attempt)
        return
    if attempt.offered:
        # Nobody was asked.
        peers_old(
            &delivery.shared.peers, attempt.to.ip, attempt.to.port, delivery.now_ns
        )
    attempt_end(delivery, attempt)
    # Who can be connected to is never taken for somebody behind a router; a reset
    # means that he was, and ended it before we heard of it.
    if not attempt.connected and error != ECONNRESET and _goes_back(delivery, message):
        reschedule(delivery, destination)
        return
    deliver_failed(delivery, destination, message, started, error)


cdef bint _goes_back(Delivery* delivery, Outgoing* message) noexcept nogil:
    """Send a message to a peer that cannot be reached by the session it opened itself."""
    cdef uint64_t session
    cdef Destination* destination = message.destination
    if delivery.shared == NULL:
        return False
    session = peers_reverse(&delivery.shared.peers, destination.ip, destination.port)
    if session == 0:
        return False
    if is_announced(message.data):
        offer_clear(message.data)
    if not post_to_session(delivery.shared, session, message):
        return False
    destination.failing = False     # the others that wait go the same way
    return True


cdef void attempt_end(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Close the socket; its memory is freed when no event can lead to it any more."""
    if attempt.watched:
        # A forked child may hold the socket open: closing it would not end the events.
        epoll_ctl(delivery.epoll_fd, EPOLL_CTL_DEL, attempt.fd, NULL)
    attempt.fd = close_quietly(attempt.fd)
    link_remove(&attempt.place)
    _let_go(delivery, attempt)
    delivery.sockets -= 1
    if attempt.courting:
        delivery.courting_sockets -= 1
        delivery.courting_long -= attempt.written > BLOCK_BYTES
    attempt.next = delivery.ended
    delivery.ended = attempt


cdef void _watch(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Have epoll tell what the attempt waits for now."""
    cdef epoll_event event
    cdef int operation = EPOLL_CTL_MOD if attempt.watched else EPOLL_CTL_ADD
    if attempt.watched and not attempt.courting:
        return
    event.events = EPOLLIN | EPOLLRDHUP if attempt.courting else EPOLLOUT
    event.data.ptr = attempt
    if epoll_ctl(delivery.epoll_fd, operation, attempt.fd, &event) != 0:
        attempt_fail(delivery, attempt, errno)
        return
    attempt.watched = True
