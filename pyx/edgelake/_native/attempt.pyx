"""One socket that carries one message: connect, write, close; C only, no GIL."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc

from edgelake._native.connection cimport (
    link_alone,
    link_append,
    link_move_last,
    link_remove,
)
from edgelake._native.delivery cimport deliver_done, deliver_failed, reschedule
from edgelake._native.posix cimport *
from edgelake._native.system cimport close_quietly

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
    attempt.started_ns = delivery.now_ns
    attempt.last_ns = delivery.now_ns
    attempt.probe = destination.failing
    destination.probing = destination.probing or attempt.probe
    destination.sockets += 1
    delivery.sockets += 1
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


cdef void attempt_continue(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Go on after an event."""
    cdef int error = 0
    cdef socklen_t length = sizeof(error)
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
    cdef Destination* destination = attempt.message.destination
    # Nothing listens, but the system gave us the destination's own port: TCP
    # then connects the socket with itself (RFC 9293, simultaneous open).
    if getsockname(attempt.fd, <sockaddr*>&own, &length) == 0 and (
        own.sin_addr.s_addr == destination.ip and ntohs(own.sin_port) == destination.port
    ):
        attempt_fail(delivery, attempt, ECONNREFUSED)
        return
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
    # Closing behind the last byte lets the kernel deliver it: nothing is ever
    # received here that could turn the end into a reset.
    cdef Outgoing* message = attempt.message
    cdef Destination* destination = message.destination
    destination.failing = False
    attempt_end(delivery, attempt)
    deliver_done(delivery, message, 0)
    reschedule(delivery, destination)


cdef void attempt_fail(Delivery* delivery, Attempt* attempt, int error) noexcept nogil:
    """End the socket and let the destination wait."""
    cdef Outgoing* message = attempt.message
    cdef int64_t started = attempt.started_ns
    attempt_end(delivery, attempt)
    deliver_failed(delivery, message.destination, message, started, error)


cdef void attempt_end(Delivery* delivery, Attempt* attempt) noexcept nogil:
    """Close the socket; its memory is freed when no event can lead to it any more."""
    cdef Destination* destination = attempt.message.destination
    attempt.fd = close_quietly(attempt.fd)
    link_remove(&attempt.place)
    destination.sockets -= 1
    delivery.sockets -= 1
    if attempt.probe:
        destination.probing = False
    attempt.next = delivery.ended
    delivery.ended = attempt


cdef void _watch(Delivery* delivery, Attempt* attempt) noexcept nogil:
    cdef epoll_event event
    if attempt.watched:
        return
    event.events = EPOLLOUT
    event.data.ptr = attempt
    if epoll_ctl(delivery.epoll_fd, EPOLL_CTL_ADD, attempt.fd, &event) != 0:
        attempt_fail(delivery, attempt, errno)
        return
    attempt.watched = True
