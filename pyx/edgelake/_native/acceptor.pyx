"""The listening socket, and how workers accept from it; C only, no GIL.

Every worker has the listener in its own epoll with EPOLLEXCLUSIVE: the kernel
wakes one of them, and the connection never changes its thread.
"""

from libc.stdint cimport int64_t

from edgelake._native cimport atomic
from edgelake._native.connection cimport Connection, connection_new, of_waiting
from edgelake._native.inbox cimport inbox_move
from edgelake._native.links cimport link_append, link_remove
from edgelake._native.posix cimport *
from edgelake._native.reader cimport GONE, connection_read
from edgelake._native.system cimport NS_PER_MS, close_quietly
from edgelake._native.worker cimport (
    ACCEPT_ERRORS,
    ACCEPTED,
    CONNECTIONS,
    EVICTED,
    NO_MEMORY,
    REFUSED,
    RUNNING,
    UNFINISHED,
    Shared,
    worker_drop,
    worker_take_in,
    worker_watch,
)

cdef enum:
    ACCEPTS_PER_ROUND = 64      # then open connections get their turn
    SHORTAGE_MS = 100           # no accept for so long when the system has no room


cdef int listener_open(
    uint32_t ip, uint16_t port, int backlog, uint16_t* real_port, int* failed
) noexcept nogil:
    """Return a listening descriptor; on failure -1, with the errno in ``failed``."""
    cdef sockaddr_in address
    cdef socklen_t length = sizeof(address)
    cdef int on = 1
    cdef int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if fd < 0:
        failed[0] = errno
        return -1
    _address(&address, ip, port)
    if (
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0
        or bind(fd, <sockaddr*>&address, sizeof(address)) != 0
        or listen(fd, backlog) != 0
        or getsockname(fd, <sockaddr*>&address, &length) != 0
    ):
        failed[0] = errno
        return close_quietly(fd)
    real_port[0] = ntohs(address.sin_port)
    return fd


cdef void _address(sockaddr_in* address, uint32_t ip, uint16_t port) noexcept nogil:
    address.sin_family = <unsigned short>AF_INET
    address.sin_port = htons(port)
    address.sin_addr.s_addr = ip


cdef int spare_open() noexcept nogil:
    return open(b"/dev/null", O_RDONLY | O_CLOEXEC)


cdef void listener_watch(Worker* worker) noexcept nogil:
    """Have the worker woken by new connections; tries again later if epoll has no room."""
    cdef epoll_event event
    event.events = EPOLLIN | EPOLLEXCLUSIVE
    event.data.ptr = worker
    worker.watching = (
        epoll_ctl(worker.epoll_fd, EPOLL_CTL_ADD, worker.shared.listener, &event) == 0
    )
    if not worker.watching:
        worker.accept_again_ns = worker.now_ns + SHORTAGE_MS * <int64_t>NS_PER_MS


cdef void _pause_accepting(Worker* worker) noexcept nogil:
    # The listener stays ready: watching it would wake the worker without end.
    if worker.watching:
        epoll_ctl(worker.epoll_fd, EPOLL_CTL_DEL, worker.shared.listener, NULL)
        worker.watching = False
    worker.accept_again_ns = worker.now_ns + SHORTAGE_MS * <int64_t>NS_PER_MS


cdef void listener_leave(Worker* worker) noexcept nogil:
    """Accept no more; the last worker to leave closes the listener."""
    if worker.accepted_all:
        return
    worker.accepted_all = True
    if worker.watching:
        epoll_ctl(worker.epoll_fd, EPOLL_CTL_DEL, worker.shared.listener, NULL)
        worker.watching = False
    if atomic.add(&worker.shared.accepting, -1) == 0:
        worker.shared.listener = close_quietly(worker.shared.listener)


cdef bint accept_some(Worker* worker) noexcept nogil:
    """Accept up to a round's share; tells whether the kernel has no more now."""
    cdef sockaddr_in peer
    cdef socklen_t length
    cdef int fd
    cdef int _turn
    for _turn in range(ACCEPTS_PER_ROUND):
        length = sizeof(peer)
        fd = accept4(
            worker.shared.listener, <sockaddr*>&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC
        )
        if fd >= 0:
            atomic.count(&worker.counters[ACCEPTED], 1)
            _welcome(worker, fd, &peer)
            if worker.must_pause:
                return False
        elif errno == EAGAIN:
            return True
        elif errno == EMFILE or errno == ENFILE:
            atomic.count(&worker.counters[ACCEPT_ERRORS], 1)
            if not _refuse_with_spare(worker):
                _pause_accepting(worker)
                return False
        elif errno == ENOBUFS or errno == ENOMEM:
            atomic.count(&worker.counters[ACCEPT_ERRORS], 1)
            _pause_accepting(worker)
            return False
        # Any other error is of that one connection: it ended while it was queued.
    return False


cdef bint _refuse_with_spare(Worker* worker) noexcept nogil:
    """Use the spare descriptor to close one connection: it would wait for ever."""
    cdef int fd
    if worker.spare_fd < 0:
        worker.spare_fd = spare_open()
        return False
    worker.spare_fd = close_quietly(worker.spare_fd)
    fd = accept4(worker.shared.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
    if fd >= 0:
        close(fd)
        atomic.count(&worker.counters[REFUSED], 1)
    worker.spare_fd = spare_open()
    return fd >= 0


cdef void _welcome(Worker* worker, int fd, const sockaddr_in* peer) noexcept nogil:
    """Make a connection of an accepted descriptor and read what came with it."""
    cdef Connection* connection
    if (
        atomic.add(&worker.shared.connections, 1) > worker.shared.max_connections
        and not _evict(worker)
    ):
        close(fd)
        atomic.add(&worker.shared.connections, -1)
        atomic.count(&worker.counters[REFUSED], 1)
        return
    connection = connection_new(
        fd, peer.sin_addr.s_addr, ntohs(peer.sin_port), worker.now_ns
    )
    if connection == NULL:
        close(fd)
        atomic.add(&worker.shared.connections, -1)
        atomic.count(&worker.counters[NO_MEMORY], 1)
        return
    atomic.count(&worker.counters[CONNECTIONS], 1)
    link_append(&worker.idle, &connection.waiting)
    if connection_read(worker, connection) == GONE:
        return
    # Peers close right behind their message. By the end of the round that has
    # usually arrived, and epoll need never hear of this connection.
    connection.again = True
    connection.next = worker.again
    worker.again = connection


cdef bint _evict(Worker* worker) noexcept nogil:
    """Drop the connection that waits longest, one without a message if there is any."""
    cdef Connection* connection = of_waiting(&worker.leaving)
    if connection == NULL:
        connection = of_waiting(&worker.idle)
    if connection == NULL:
        connection = of_waiting(&worker.silent)
    if connection == NULL:
        return False
    worker_drop(worker, connection, EVICTED)
    return True


cdef void read_again(Worker* worker) noexcept nogil:
    """Read this round's new connections once more; epoll watches those that stay."""
    cdef Connection* connection = worker.again
    cdef Connection* after
    worker.again = NULL
    while connection != NULL:
        after = connection.next
        connection.again = False
        if connection.fd < 0:
            # Evicted meanwhile. Nothing else leads to it.
            connection.next = worker.ended
            worker.ended = connection
        elif worker.must_pause or connection_read(worker, connection) != GONE:
            if not _move(worker, connection):
                worker_watch(worker, connection)
        connection = after


cdef bint _move(Worker* worker, Connection* connection) noexcept nogil:
    """Give a connection that stays to the thread that watches fewest; False to keep it.

    The kernel wakes whoever waits for a new connection, and that thread takes all
    that came: without this two busy peers may share one thread beside an idle one.
    """
    cdef Shared* shared = worker.shared
    cdef Worker* other = worker
    cdef int at
    if connection.session != NULL or atomic.read(&shared.state) != RUNNING:
        return False            # other threads know a session by its worker
    for at in range(shared.workers_made):
        if atomic.read(&shared.workers[at].watched) < atomic.read(&other.watched):
            other = shared.workers[at]
    if other == worker:
        return False
    link_remove(&connection.waiting)
    link_remove(&connection.begun)
    atomic.count(&worker.counters[CONNECTIONS], <unsigned long>-1)
    if connection.unfinished:
        atomic.count(&worker.counters[UNFINISHED], <unsigned long>-1)
    atomic.add(&other.watched, 1)       # so that not all of a round go to the same
    if not inbox_move(&other.inbox, connection):
        atomic.add(&other.watched, -1)
        worker_take_in(worker, connection)
        return False
    return True
