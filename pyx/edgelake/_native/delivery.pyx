"""The sender's thread: which destination opens a socket when; C only, no GIL.

A destination whose last attempt failed is probed by one socket at a time. A
failed probe counts as an attempt of every message that waited for it, so that
a dead peer costs one socket and one cycle of attempts, not one per message.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from edgelake._native.announcement cimport is_announced, offer_clear
from edgelake._native.attempt cimport (
    attempt_continue,
    attempt_end,
    attempt_fail,
    attempt_refused,
    attempt_start,
)
from edgelake._native.links cimport link_alone, link_append, link_remove
from edgelake._native.outbox cimport (
    BUCKETS,
    CANCELLED,
    FLUSHING,
    list_append,
    list_pop,
    outbox_end,
    outbox_exchange,
)
from edgelake._native.peers cimport peers_session
from edgelake._native.posix cimport *
from edgelake._native.posting cimport post_to_session
from edgelake._native.system cimport (
    NS_PER_MS,
    close_quietly,
    now_ns,
    wait_ms,
    wake_clear,
)

cdef enum:
    SHORTAGE_MS = 100           # no new socket for so long when the system has no room
    GIVE_WAY_MS = 500           # who waits longer for its peer makes room when there is none
    LAUNCHES_PER_ROUND = 64     # then open sockets get their turn


cdef int delivery_open(Delivery* delivery) noexcept nogil:
    """Prepare a zeroed delivery whose settings are made; returns 0 or an errno."""
    cdef epoll_event event
    link_alone(&delivery.ready)
    link_alone(&delivery.failing)
    link_alone(&delivery.connecting)
    link_alone(&delivery.writing)
    link_alone(&delivery.courting)
    delivery.retry_ns = INT64_MAX
    delivery.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
    if delivery.epoll_fd < 0:
        return errno
    event.events = EPOLLIN
    event.data.ptr = delivery
    if epoll_ctl(delivery.epoll_fd, EPOLL_CTL_ADD, delivery.outbox.wake_fd, &event) != 0:
        return errno
    return 0


cdef void delivery_close(Delivery* delivery) noexcept nogil:
    """Close the descriptor of a delivery whose thread ended or never was."""
    delivery.epoll_fd = close_quietly(delivery.epoll_fd)


cdef void* delivery_run(void* argument) noexcept nogil:
    """Send until told to end; every message has an outcome then."""
    cdef Delivery* delivery = <Delivery*>argument
    while not _ends(delivery):
        _launch(delivery)
        _wait(delivery)
        _expire(delivery)
        while delivery.ended != NULL:
            _free_first(delivery)
    _cancel_all(delivery)
    return NULL


cdef inline void _publish(Delivery* delivery) noexcept nogil:
    # Before the outcomes go up: whoever has seen one finds its socket closed.
    pthread_mutex_lock(&delivery.outbox.mutex)
    delivery.outbox.counts.sockets = <unsigned long>delivery.sockets
    delivery.outbox.counts.retries = <unsigned long>delivery.retries
    pthread_mutex_unlock(&delivery.outbox.mutex)


cdef bint _ends(Delivery* delivery) noexcept nogil:
    """Exchange messages with the outbox; tells whether it is time to end."""
    cdef Outbox* outbox = delivery.outbox
    cdef OutgoingList taken
    cdef int state
    cdef size_t pending
    cdef int64_t stop_at
    delivery.now_ns = now_ns()
    _publish(delivery)
    outbox_exchange(outbox, &delivery.settled, &taken)
    while taken.first != NULL:
        _accept(delivery, list_pop(&taken))
    pthread_mutex_lock(&outbox.mutex)
    state = outbox.state
    pending = outbox.counts.pending
    stop_at = outbox.stop_at_ns
    pthread_mutex_unlock(&outbox.mutex)
    if state == CANCELLED:
        return True
    if state == FLUSHING and not delivery.flushing:
        delivery.flushing = True
        _give_up_failing(delivery)
    # A socket that is closed before the answer to its offer came would answer
    # that with a reset, and what the kernel still had to send would be lost.
    return state == FLUSHING and (
        pending == 0 and delivery.courting_long == 0 or delivery.now_ns >= stop_at
    )


cdef void _give_up_failing(Delivery* delivery) noexcept nogil:
    """Cancel what waits for its next attempt: a stop is not held up by peers that are down."""
    cdef Destination* destination
    while delivery.failing.after != &delivery.failing:
        destination = <Destination*>delivery.failing.after
        link_remove(&destination.place)
        while destination.waiting.first != NULL:
            deliver_done(delivery, list_pop(&destination.waiting), ECANCELED)


cdef void _accept(Delivery* delivery, Outgoing* message) noexcept nogil:
    """Queue a new message at its destination."""
    cdef Destination* destination = message.destination
    cdef bint first = destination.waiting.first == NULL
    message.queued_ns = delivery.now_ns
    if delivery.flushing and destination.failing:
        deliver_done(delivery, message, ECANCELED)      # as those that waited before
        return
    list_append(&destination.waiting, message)
    if destination.failing:
        # It joins the cycle of attempts that runs.
        message.due_ns = delivery.now_ns + message.pause_ns
        if not destination.probing and not first:
            message.due_ns = min(message.due_ns, destination.retry_ns)
            if message.due_ns >= destination.retry_ns:
                return
    elif not first:
        return                  # scheduled already, or as many sockets as allowed
    reschedule(delivery, destination)


cdef void reschedule(Delivery* delivery, Destination* destination) noexcept nogil:
    """Put a destination where its next socket is due."""
    cdef Outgoing* message = destination.waiting.first
    cdef int64_t due = INT64_MAX
    link_remove(&destination.place)
    if message == NULL:
        return
    if not destination.failing:
        if destination.sockets < delivery.max_per_destination:
            link_append(&delivery.ready, &destination.place)
        return
    if destination.probing:
        return
    while message != NULL:
        due = min(due, message.due_ns)
        message = message.next
    destination.retry_ns = due
    if due <= delivery.now_ns:
        link_append(&delivery.ready, &destination.place)
    else:
        link_append(&delivery.failing, &destination.place)
        delivery.retry_ns = min(delivery.retry_ns, due)


cdef void _launch(Delivery* delivery) noexcept nogil:
    """Open sockets for the destinations that may, one each in turn."""
    cdef Destination* destination
    cdef Outgoing* message
    cdef int _turn
    for _turn in range(LAUNCHES_PER_ROUND):
        if (
            delivery.ready.after == &delivery.ready
            or delivery.now_ns < delivery.shortage_until_ns
        ):
            return
        if delivery.sockets >= delivery.max_sockets:
            if not _give_way(delivery):
                return
            continue            # that may have taken a destination from the list
        destination = <Destination*>delivery.ready.after
        link_remove(&destination.place)
        message = _next_message(delivery, destination)
        if _goes_by_session(delivery, message):
            reschedule(delivery, destination)
            continue
        if not attempt_start(delivery, destination, message):
            _put_first(destination, message)
            link_append(&delivery.ready, &destination.place)
            delivery.shortage_until_ns = delivery.now_ns + SHORTAGE_MS * <int64_t>NS_PER_MS
            return
        if destination.place.after == &destination.place:
            reschedule(delivery, destination)


cdef bint _goes_by_session(Delivery* delivery, Outgoing* message) noexcept nogil:
    """Give a message to the session that has come to lead to its destination, if there is one."""
    cdef uint64_t session
    if delivery.shared == NULL:
        return False
    session = peers_session(
        &delivery.shared.peers, message.destination.ip, message.destination.port
    )
    if session == 0:
        return False
    if is_announced(message.data):
        offer_clear(message.data)   # of an attempt that failed
    return post_to_session(delivery.shared, session, message)


cdef inline Attempt* _slowest(Delivery* delivery, int64_t* since_ns) noexcept nogil:
    """Return the socket that has waited longest for its peer, and since when."""
    cdef Attempt* connecting = _first(&delivery.connecting)
    cdef Attempt* writing = _first(&delivery.writing)
    if connecting != NULL and (writing == NULL or connecting.started_ns <= writing.last_ns):
        since_ns[0] = connecting.started_ns
        return connecting
    if writing != NULL:
        since_ns[0] = writing.last_ns
    return writing


cdef bint _give_way(Delivery* delivery) noexcept nogil:
    """Fail the socket that has waited longest, if that is long for a living peer.

    However many addresses lead nowhere, a peer that answers gets its turn.
    """
    cdef int64_t since = 0
    cdef Attempt* slowest = _slowest(delivery, &since)
    if slowest == NULL or delivery.now_ns - since < GIVE_WAY_MS * <int64_t>NS_PER_MS:
        return False
    attempt_fail(delivery, slowest, ETIMEDOUT)
    return True


cdef Outgoing* _next_message(Delivery* delivery, Destination* destination) noexcept nogil:
    """Take the first message, or of a failing destination the first that is due."""
    cdef Outgoing* before = NULL
    cdef Outgoing* message = destination.waiting.first
    if destination.failing:
        while message.due_ns > delivery.now_ns:
            before = message
            message = message.next
    if before == NULL:
        return list_pop(&destination.waiting)
    before.next = message.next
    if message.next == NULL:
        destination.waiting.last = before
    message.next = NULL
    return message


cdef void _put_first(Destination* destination, Outgoing* message) noexcept nogil:
    message.next = destination.waiting.first
    destination.waiting.first = message
    if message.next == NULL:
        destination.waiting.last = message


cdef void deliver_done(Delivery* delivery, Outgoing* message, int error) noexcept nogil:
    """Note the outcome of a message, which is in no list."""
    message.error = error
    list_append(&delivery.settled, message)


cdef void deliver_failed(
    Delivery* delivery, Destination* destination, Outgoing* message, int64_t started_ns, int error
) noexcept nogil:
    """Count a failed attempt and plan the next one."""
    cdef OutgoingList kept
    cdef Outgoing* each
    memset(&kept, 0, sizeof(OutgoingList))
    destination.failing = True
    _put_first(destination, message)
    while True:
        each = list_pop(&destination.waiting)
        if each == NULL:
            break
        # A message shares the attempt if it waited before and could have been
        # tried itself.
        if each == message or (each.queued_ns <= started_ns and each.due_ns <= started_ns):
            each.attempts_left -= 1
            each.due_ns = delivery.now_ns + each.pause_ns
        if each.attempts_left > 0 and not delivery.flushing:
            list_append(&kept, each)
        else:
            deliver_done(delivery, each, error)
    destination.waiting = kept
    if kept.first == message:
        delivery.retries += 1
    reschedule(delivery, destination)


cdef void _wait(Delivery* delivery) noexcept nogil:
    """Wait for events and go on with their sockets."""
    cdef Attempt* attempt
    cdef int at
    cdef int number = epoll_wait(
        delivery.epoll_fd,
        delivery.events,
        DELIVERY_EVENTS,
        wait_ms(delivery.now_ns, _next_ns(delivery)),
    )
    delivery.now_ns = now_ns()
    for at in range(number):
        if delivery.events[at].data.ptr == <void*>delivery:
            wake_clear(delivery.outbox.wake_fd)
            continue
        attempt = <Attempt*>delivery.events[at].data.ptr
        if attempt.fd >= 0:
            attempt_continue(delivery, attempt)


cdef inline Attempt* _first(Link* head) noexcept nogil:
    return NULL if head.after == head else <Attempt*>head.after


cdef int64_t _next_ns(Delivery* delivery) noexcept nogil:
    """Return when something is due."""
    cdef Attempt* connecting = _first(&delivery.connecting)
    cdef Attempt* writing = _first(&delivery.writing)
    cdef Attempt* courting = _first(&delivery.courting)
    cdef Outbox* outbox = delivery.outbox
    cdef int64_t due = delivery.retry_ns
    cdef int64_t since = 0
    if delivery.settled.first != NULL:
        return delivery.now_ns      # outcomes are waited for
    if connecting != NULL:
        due = min(due, connecting.started_ns + delivery.connect_timeout_ns)
    if writing != NULL:
        due = min(due, writing.last_ns + delivery.block_timeout_ns)
    if courting != NULL:
        due = min(due, courting.last_ns + delivery.accept_timeout_ns)
    if delivery.ready.after != &delivery.ready:
        if delivery.sockets < delivery.max_sockets:
            due = min(due, delivery.shortage_until_ns)
        elif _slowest(delivery, &since) != NULL:
            due = min(due, since + GIVE_WAY_MS * <int64_t>NS_PER_MS)
    _publish(delivery)
    pthread_mutex_lock(&outbox.mutex)
    if outbox.state == FLUSHING:
        due = min(due, outbox.stop_at_ns)
    pthread_mutex_unlock(&outbox.mutex)
    return due


cdef void _expire(Delivery* delivery) noexcept nogil:
    """Fail the sockets whose time is over, and let failing destinations try again."""
    cdef Attempt* first = _first(&delivery.connecting)
    while (
        first != NULL and delivery.now_ns - first.started_ns >= delivery.connect_timeout_ns
    ):
        attempt_fail(delivery, first, ETIMEDOUT)
        first = _first(&delivery.connecting)
    first = _first(&delivery.writing)
    while first != NULL and delivery.now_ns - first.last_ns >= delivery.block_timeout_ns:
        attempt_fail(delivery, first, ETIMEDOUT)
        first = _first(&delivery.writing)
    first = _first(&delivery.courting)
    while first != NULL and delivery.now_ns - first.last_ns >= delivery.accept_timeout_ns:
        attempt_refused(delivery, first)
        first = _first(&delivery.courting)
    if delivery.now_ns >= delivery.retry_ns:
        _retry_failing(delivery)


cdef void _retry_failing(Delivery* delivery) noexcept nogil:
    cdef Link* at = delivery.failing.after
    cdef Link* after
    delivery.retry_ns = INT64_MAX
    while at != &delivery.failing:
        after = at.after
        if (<Destination*>at).retry_ns <= delivery.now_ns:
            link_remove(at)
            link_append(&delivery.ready, at)
        else:
            delivery.retry_ns = min(delivery.retry_ns, (<Destination*>at).retry_ns)
        at = after


cdef inline void _free_first(Delivery* delivery) noexcept nogil:
    cdef Attempt* attempt = delivery.ended
    delivery.ended = attempt.next
    free(attempt.heard)
    free(attempt)


cdef void _cancel_all(Delivery* delivery) noexcept nogil:
    """Close every socket and fail every message, those of the outbox too."""
    cdef Outbox* outbox = delivery.outbox
    cdef OutgoingList taken
    cdef Attempt* attempt
    cdef Outgoing* message
    cdef Destination* destination
    cdef int at
    while True:
        attempt = _first(&delivery.connecting)
        if attempt == NULL:
            attempt = _first(&delivery.writing)
        if attempt == NULL:
            attempt = _first(&delivery.courting)
        if attempt == NULL:
            break
        message = attempt.message
        attempt_end(delivery, attempt)
        if message != NULL:
            deliver_done(delivery, message, ECANCELED)
    while delivery.ended != NULL:
        _free_first(delivery)
    for at in range(BUCKETS):
        # Only this thread takes destinations away, and new ones have no
        # message here yet: the table can be read with the outcomes pending.
        pthread_mutex_lock(&outbox.mutex)
        destination = outbox.buckets[at]
        while destination != NULL:
            while destination.waiting.first != NULL:
                deliver_done(delivery, list_pop(&destination.waiting), ECANCELED)
            destination = destination.next
        pthread_mutex_unlock(&outbox.mutex)
    _publish(delivery)
    # Sessions that end give back what they have not begun, to the very last.
    while True:
        outbox_exchange(outbox, &delivery.settled, &taken)
        while taken.first != NULL:
            deliver_done(delivery, list_pop(&taken), ECANCELED)
        if delivery.settled.first == NULL and outbox_end(outbox):
            return
