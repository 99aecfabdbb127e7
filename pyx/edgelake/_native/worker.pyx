"""An I/O thread of the server: one epoll loop; C only, no GIL.

Lock order: ``Shared.exit_mutex`` -> ``Worker.busy`` -> the mutexes of queue,
outbox, inbox, peers and facts, which are leaves. A worker holds ``busy`` but
while it waits; another thread that has a message for one of its sessions tries
it, and need not wake the worker if it gets it. The GIL is neither held nor
taken under any of them.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t
from libc.stdlib cimport free

from edgelake._native cimport atomic
from edgelake._native.acceptor cimport (
    accept_some,
    listener_leave,
    listener_watch,
    read_again,
    spare_open,
)
from edgelake._native.assembler cimport assembly_drop
from edgelake._native.connection cimport of_begun, of_waiting, pool_free, pool_return
from edgelake._native.keeper cimport (
    keeper_acknowledge,
    keeper_expire,
    keeper_idle,
    keeper_leave,
    keeper_lost,
    keeper_next_ns,
)
from edgelake._native.links cimport Link, link_alone, link_append, link_move_last, link_remove
from edgelake._native.message_queue cimport queue_push, queue_wait_low
from edgelake._native.posix cimport *
from edgelake._native.postman cimport postman_close, postman_take
from edgelake._native.reader cimport NOTHING, connection_read
from edgelake._native.routes cimport routes_free
from edgelake._native.session cimport Session
from edgelake._native.slots cimport slots_free
from edgelake._native.system cimport NS_PER_MS, close_quietly, now_ns, wait_ms, wake_clear
from edgelake._native.writer cimport writer_is_done, writer_send, writer_send_waiting

cdef enum:
    PAUSE_LOOK_MS = 100         # a pause looks so often whether the server stops
    PAUSE_WRITE_MS = 5          # and so often for what sessions have to write


cdef int worker_open(Worker* worker) noexcept nogil:
    """Open the descriptors of a zeroed worker; returns 0 or an errno."""
    cdef epoll_event event
    link_alone(&worker.idle)
    link_alone(&worker.kept)
    link_alone(&worker.silent)
    link_alone(&worker.leaving)
    link_alone(&worker.begun)
    link_alone(&worker.owing)
    link_alone(&worker.writing)
    link_alone(&worker.asking)
    worker.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
    if worker.epoll_fd < 0:
        return errno
    worker.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    if worker.wake_fd < 0:
        return errno
    worker.inbox.wake_fd = worker.wake_fd
    worker.inbox.open = True
    worker.spare_fd = spare_open()
    if worker.spare_fd < 0:
        return errno
    event.events = EPOLLIN
    event.data.ptr = &worker.wake_fd
    if epoll_ctl(worker.epoll_fd, EPOLL_CTL_ADD, worker.wake_fd, &event) != 0:
        return errno
    return 0


cdef void worker_close(Worker* worker) noexcept nogil:
    """Close the descriptors of a worker whose thread ended or never was."""
    pthread_mutex_lock(&worker.inbox.mutex)
    worker.inbox.open = False       # its wake-up goes with the descriptor
    pthread_mutex_unlock(&worker.inbox.mutex)
    worker.epoll_fd = close_quietly(worker.epoll_fd)
    worker.wake_fd = close_quietly(worker.wake_fd)
    pthread_mutex_lock(&worker.busy)
    slots_free(&worker.slots)
    pthread_mutex_unlock(&worker.busy)
    worker.spare_fd = close_quietly(worker.spare_fd)
    pool_free(&worker.pool)
    routes_free(worker.routes)
    worker.routes = NULL


cdef void* worker_run(void* argument) noexcept nogil:
    """Serve until the server stops, then close every connection."""
    cdef Worker* worker = <Worker*>argument
    cdef Shared* shared = worker.shared
    cdef bint cut = False
    pthread_mutex_lock(&worker.busy)
    worker_tick(worker)
    listener_watch(worker)
    while True:
        if atomic.read(&shared.state) == ABORTED:
            break
        if atomic.read(&shared.state) == DRAINING:
            if _drain(worker):
                break
            if now_ns() >= atomic.read(&shared.stop_at_ns):
                cut = True
                break
        _round(worker)
    _end(worker, cut)
    pthread_mutex_unlock(&worker.busy)
    pthread_mutex_lock(&shared.exit_mutex)
    shared.alive -= 1
    pthread_cond_broadcast(&shared.exited)
    pthread_mutex_unlock(&shared.exit_mutex)
    return NULL


cdef void _round(Worker* worker) noexcept nogil:
    """Wait for events and handle them all."""
    cdef int timeout = wait_ms(worker.now_ns, _next_ns(worker))
    cdef int number
    cdef int at
    cdef bint accept = False
    cdef void* what
    pthread_mutex_unlock(&worker.busy)
    number = epoll_wait(worker.epoll_fd, worker.events, EVENTS, timeout)
    pthread_mutex_lock(&worker.busy)
    worker_tick(worker)
    for at in range(number):
        what = worker.events[at].data.ptr
        if what == <void*>worker:
            accept = True
        elif what == <void*>&worker.wake_fd:
            wake_clear(worker.wake_fd)
            postman_take(worker)
        # A connection dropped earlier in this round has no descriptor.
        elif (<Connection*>what).fd >= 0:
            _serve(worker, <Connection*>what, worker.events[at].events)
    if accept and not worker.must_pause and not worker.accepted_all:
        accept_some(worker)
    _finish_round(worker)


cdef inline void _serve(Worker* worker, Connection* connection, uint32_t events) noexcept nogil:
    cdef uint32_t readable = EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP
    if events & EPOLLOUT and connection.session != NULL:
        if not writer_send(worker, connection):
            return
        if connection.session.left and writer_is_done(connection):
            worker_drop(worker, connection, NO_REASON)
            return
    if events & readable and not worker.must_pause:
        connection_read(worker, connection)


cdef void _finish_round(Worker* worker) noexcept nogil:
    # First close what has ended: the wake-up of a Python thread costs more.
    read_again(worker)
    worker_flush(worker)
    if worker.must_pause:
        _pause(worker)
    else:
        _expire(worker)
    if (
        not worker.watching
        and not worker.accepted_all
        and worker.now_ns >= worker.accept_again_ns
    ):
        listener_watch(worker)
    while worker.ended != NULL:
        _free_first(worker)


cdef inline void _free_first(Worker* worker) noexcept nogil:
    cdef Connection* connection = worker.ended
    worker.ended = connection.next
    free(connection)


cdef void worker_tick(Worker* worker) noexcept nogil:
    """Set the worker's clock."""
    worker.now_ns = now_ns() - worker.paused_ns


cdef int64_t _next_ns(Worker* worker) noexcept nogil:
    """Return when something is due, in worker time."""
    cdef Shared* shared = worker.shared
    cdef Connection* idle = of_waiting(&worker.idle)
    cdef Connection* silent = of_waiting(&worker.silent)
    cdef Connection* begun = of_begun(&worker.begun)
    cdef int64_t due = INT64_MAX
    if idle != NULL:
        due = idle.last_byte_ns + shared.idle_timeout_ns
    due = min(due, keeper_next_ns(worker))
    if silent != NULL:
        due = min(due, silent.last_byte_ns + shared.byte_timeout_ns)
        due = min(due, begun.begun_ns + shared.message_timeout_ns)
    if not worker.watching and not worker.accepted_all:
        due = min(due, worker.accept_again_ns)
    if atomic.read(&shared.state) == DRAINING:
        if idle != NULL or not worker.accepted_all:
            return worker.now_ns
        due = min(due, atomic.read(&shared.stop_at_ns) - worker.paused_ns)
    return due


cdef inline bint _is_held(const Connection* connection) noexcept nogil:
    # Its silence is ours: it has the deadline of slow readers instead.
    return connection.session != NULL and connection.session.held


cdef void _expire(Worker* worker) noexcept nogil:
    """Drop the connections whose time is over; their lists are in order of time."""
    cdef Shared* shared = worker.shared
    cdef int64_t now = worker.now_ns
    cdef Connection* first = of_waiting(&worker.silent)
    while first != NULL and now - first.last_byte_ns >= shared.byte_timeout_ns:
        if not _is_held(first):
            worker_drop(worker, first, BYTE_TIMEOUT)
        else:
            first.last_byte_ns = now + 1    # also without a timeout this ends
            link_move_last(&worker.silent, &first.waiting)
        first = of_waiting(&worker.silent)
    first = of_begun(&worker.begun)
    while first != NULL and now - first.begun_ns >= shared.message_timeout_ns:
        if not _is_held(first):
            worker_drop(worker, first, MESSAGE_TIMEOUT)
        else:
            first.begun_ns = now + 1
            link_move_last(&worker.begun, &first.begun)
        first = of_begun(&worker.begun)
    first = of_waiting(&worker.idle)
    while first != NULL and now - first.last_byte_ns >= shared.idle_timeout_ns:
        if first.session != NULL:
            keeper_idle(worker, first)
        else:
            worker_drop(worker, first, IDLE_TIMEOUT)
        first = of_waiting(&worker.idle)
    keeper_expire(worker)


cdef int worker_drop(Worker* worker, Connection* connection, int reason) noexcept nogil:
    """Close a connection; its memory is freed when no event can lead to it any more."""
    if reason != NO_REASON:
        atomic.count(&worker.counters[reason], 1)
    if connection.watched:
        # A forked child may hold the socket open: closing it would not end the events.
        epoll_ctl(worker.epoll_fd, EPOLL_CTL_DEL, connection.fd, NULL)
        atomic.add(&worker.watched, -1)
    connection.fd = close_quietly(connection.fd)
    assembly_drop(&connection.assembly, &worker.shared.limits)
    if connection.partial != NULL:
        pool_return(&worker.pool, connection.partial)
        connection.partial = NULL
    if connection.session != NULL:
        keeper_lost(worker, connection)
    link_remove(&connection.waiting)
    link_remove(&connection.begun)
    if connection.unfinished:
        atomic.count(&worker.counters[UNFINISHED], <unsigned long>-1)
    atomic.count(&worker.counters[CONNECTIONS], <unsigned long>-1)
    atomic.add(&worker.shared.connections, -1)
    if not connection.again:
        connection.next = worker.ended
        worker.ended = connection
    return 0


cdef void worker_take_in(Worker* worker, Connection* connection) noexcept nogil:
    """Own a connection that was another thread's; its deadlines begin anew."""
    connection.last_byte_ns = worker.now_ns
    connection.begun_ns = worker.now_ns
    atomic.count(&worker.counters[CONNECTIONS], 1)
    if connection.unfinished:
        atomic.count(&worker.counters[UNFINISHED], 1)
        link_append(&worker.silent, &connection.waiting)
        link_append(&worker.begun, &connection.begun)
    else:
        link_append(&worker.idle, &connection.waiting)


cdef void worker_watch(Worker* worker, Connection* connection) noexcept nogil:
    """Have epoll tell what a connection waits for now."""
    cdef Session* session = connection.session
    cdef epoll_event event
    cdef int operation = EPOLL_CTL_MOD if connection.watched else EPOLL_CTL_ADD
    event.events = EPOLLIN | EPOLLRDHUP
    if session != NULL and session.held:
        event.events = 0        # errors are told in any case
    if session != NULL and session.watching_out:
        event.events |= EPOLLOUT
    event.data.ptr = connection
    if epoll_ctl(worker.epoll_fd, operation, connection.fd, &event) != 0:
        worker_drop(worker, connection, NO_MEMORY)
        return
    if not connection.watched:
        atomic.add(&worker.watched, 1)
        connection.watched = True


cdef void worker_flush(Worker* worker) noexcept nogil:
    """Hand the finished messages up."""
    if worker.batch.first != NULL and queue_push(&worker.shared.queue, &worker.batch):
        worker.must_pause = True


cdef void _pause(Worker* worker) noexcept nogil:
    """Read and accept nothing until the queue is below its low marks.

    Sessions are written to meanwhile: what is read waits for Python, what is
    written must not.
    """
    cdef Shared* shared = worker.shared
    cdef int64_t begin = now_ns()
    cdef int64_t look = begin
    cdef bint lowered
    atomic.count(&worker.counters[PAUSES], 1)
    atomic.count(&worker.counters[PAUSED], 1)
    while True:
        if atomic.counted(&worker.counters[SESSIONS]):
            postman_take(worker)
            keeper_acknowledge(worker)
            writer_send_waiting(worker)
            look = now_ns() + PAUSE_WRITE_MS * <int64_t>NS_PER_MS
        else:
            look = now_ns() + PAUSE_LOOK_MS * <int64_t>NS_PER_MS
        pthread_mutex_unlock(&worker.busy)
        lowered = queue_wait_low(&shared.queue, look)
        pthread_mutex_lock(&worker.busy)
        if lowered:
            break
        if atomic.read(&shared.state) == ABORTED or (
            atomic.read(&shared.state) == DRAINING
            and now_ns() >= atomic.read(&shared.stop_at_ns)
        ):
            break
    atomic.count(&worker.counters[PAUSED], <unsigned long>-1)
    worker.must_pause = False
    worker.paused_ns += now_ns() - begin


cdef bint _drain(Worker* worker) noexcept nogil:
    """Take what the kernel holds already; tells whether nothing is left to wait for."""
    cdef Connection* first
    worker_tick(worker)
    postman_take(worker)
    # A system without room for descriptors ends the taking, too.
    if not worker.accepted_all and (
        accept_some(worker) or worker.accept_again_ns > worker.now_ns
    ):
        listener_leave(worker)
    _finish_round(worker)
    worker_tick(worker)
    # Reading moves a connection to the end of its list, so each has one turn.
    first = of_waiting(&worker.idle)
    while first != NULL and first.last_byte_ns < worker.now_ns and not worker.must_pause:
        if connection_read(worker, first) == NOTHING:
            if first.session != NULL:
                keeper_leave(worker, first)
            else:
                worker_drop(worker, first, NO_REASON)
        first = of_waiting(&worker.idle)
    while of_waiting(&worker.kept) != NULL:
        keeper_leave(worker, of_waiting(&worker.kept))
    _finish_round(worker)
    return (
        worker.accepted_all
        and of_waiting(&worker.idle) == NULL
        and of_waiting(&worker.silent) == NULL
        and of_waiting(&worker.leaving) == NULL
    )


cdef void _end(Worker* worker, bint cut) noexcept nogil:
    """Close what is open; messages that are whole still go up."""
    cdef Connection* first
    postman_close(worker)
    listener_leave(worker)
    worker.must_pause = True        # watch or drop, but read no more
    read_again(worker)
    # Not before: another thread may have handed over the only unfinished one.
    first = of_waiting(&worker.silent)
    while first != NULL:
        atomic.add(&worker.shared.cut, 1)
        worker_drop(worker, first, TRUNCATED)
        first = of_waiting(&worker.silent)
    _drop_all(worker, &worker.idle)
    _drop_all(worker, &worker.kept)
    _drop_all(worker, &worker.leaving)
    if cut and atomic.read(&worker.shared.cut) == 0:
        # Time was over although nothing was unfinished: connections or bytes
        # that the kernel held were not taken.
        atomic.add(&worker.shared.cut, 1)
    worker_flush(worker)
    while worker.ended != NULL:
        _free_first(worker)


cdef void _drop_all(Worker* worker, Link* head) noexcept nogil:
    cdef Connection* first = of_waiting(head)
    while first != NULL:
        worker_drop(worker, first, NO_REASON)
        first = of_waiting(head)
