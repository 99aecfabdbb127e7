"""Outbound messages between Python and the sender's thread; C only, no GIL.

Lock order: ``Outbox.mutex`` is a leaf. Whoever holds it takes no other lock
and makes no system call but the waits and the wake-up; the GIL is never taken
under it.
"""

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from edgelake._native.connection cimport link_alone, link_remove
from edgelake._native.posix cimport (
    ECANCELED,
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    errno,
    eventfd,
    pthread_cond_broadcast,
    pthread_cond_destroy,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from edgelake._native.system cimport (
    close_quietly,
    condition_init,
    condition_wait,
    now_ns,
    wake,
)


cdef int outbox_init(Outbox* outbox) noexcept nogil:
    """Prepare a zeroed outbox; returns 0 or an errno."""
    cdef int failed
    outbox.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    if outbox.wake_fd < 0:
        return errno
    failed = pthread_mutex_init(&outbox.mutex, NULL)
    if failed == 0:
        failed = condition_init(&outbox.changed)
        if failed:
            pthread_mutex_destroy(&outbox.mutex)
    if failed:
        outbox.wake_fd = close_quietly(outbox.wake_fd)
    return failed


cdef void outbox_destroy(Outbox* outbox) noexcept nogil:
    """Free what is left after the thread; nobody may use the outbox any more."""
    cdef Destination* destination
    cdef int at
    outgoing_free_all(outbox.inbox.first)
    outgoing_free_all(outbox.outcomes.first)
    for at in range(BUCKETS):
        while outbox.buckets[at] != NULL:
            destination = outbox.buckets[at]
            outbox.buckets[at] = destination.next
            outgoing_free_all(destination.waiting.first)
            free(destination)
    outbox.wake_fd = close_quietly(outbox.wake_fd)
    pthread_cond_destroy(&outbox.changed)
    pthread_mutex_destroy(&outbox.mutex)


cdef void outgoing_free_all(Outgoing* first) noexcept nogil:
    cdef Outgoing* after
    while first != NULL:
        after = first.next
        free(first.data)
        free(first)
        first = after


cdef inline size_t _bucket(uint32_t ip, uint16_t port) noexcept nogil:
    # Fibonacci hashing: addresses of one network differ in few bits.
    cdef uint64_t key = (<uint64_t>ip << 16) | port
    return <size_t>((key * <uint64_t>0x9e3779b97f4a7c15) >> 52)


cdef Destination* _destination(Outbox* outbox, uint32_t ip, uint16_t port) noexcept nogil:
    """Return the record of an address, a new one if need be, or NULL."""
    cdef size_t bucket = _bucket(ip, port)
    cdef Destination* found = outbox.buckets[bucket]
    while found != NULL:
        if found.ip == ip and found.port == port:
            return found
        found = found.next
    found = <Destination*>calloc(1, sizeof(Destination))
    if found == NULL:
        return NULL
    link_alone(&found.place)
    found.ip = ip
    found.port = port
    found.next = outbox.buckets[bucket]
    outbox.buckets[bucket] = found
    outbox.counts.destinations += 1
    return found


cdef void _forget_if_empty(Outbox* outbox, Destination* destination) noexcept nogil:
    cdef Destination** at
    if destination.pending != 0:
        return
    at = &outbox.buckets[_bucket(destination.ip, destination.port)]
    while at[0] != destination:
        at = &at[0].next
    at[0] = destination.next
    link_remove(&destination.place)
    free(destination)
    outbox.counts.destinations -= 1


cdef int outbox_add(
    Outbox* outbox, Outgoing* message, const uint8_t* data, uint32_t ip, uint16_t port
) noexcept nogil:
    """Copy the data and queue the message, which is the outbox's then.

    Returns ADDED or why not.
    """
    cdef int status
    message.data = <uint8_t*>malloc(message.length)
    if message.data == NULL:
        return NO_ROOM
    memcpy(message.data, data, message.length)
    pthread_mutex_lock(&outbox.mutex)
    status = _add_locked(outbox, message, ip, port)
    if status != ADDED:
        outbox.counts.rejected += 1
    pthread_mutex_unlock(&outbox.mutex)
    return status


cdef int _add_locked(
    Outbox* outbox, Outgoing* message, uint32_t ip, uint16_t port
) noexcept nogil:
    cdef Destination* destination
    cdef int status = ADDED
    if outbox.state != SENDING:
        return NOT_RUNNING
    # Outcomes that nobody fetches count as well, or they would pile up.
    if outbox.counts.pending + outbox.uncollected >= outbox.max_pending:
        return TOO_MANY
    if outbox.counts.pending_bytes + message.length > outbox.max_pending_bytes:
        return TOO_MANY_BYTES
    destination = _destination(outbox, ip, port)
    if destination == NULL:
        return NO_ROOM
    if destination.pending >= outbox.max_per_destination:
        return TOO_MANY_FOR_ONE
    message.destination = destination
    destination.pending += 1
    outbox.counts.pending += 1
    outbox.counts.pending_bytes += message.length
    if outbox.inbox.first == NULL:
        wake(outbox.wake_fd)
    list_append(&outbox.inbox, message)
    return status


cdef void outbox_exchange(
    Outbox* outbox, OutgoingList* settled, OutgoingList* taken
) noexcept nogil:
    """Give the outcomes of messages and take new messages; for the thread."""
    cdef Outgoing* message = settled.first
    cdef bint news = False
    while message != NULL:
        free(message.data)
        message.data = NULL
        message = message.next
    pthread_mutex_lock(&outbox.mutex)
    while True:
        message = list_pop(settled)
        if message == NULL:
            break
        outbox.counts.pending -= 1
        outbox.counts.pending_bytes -= message.length
        message.destination.pending -= 1
        _forget_if_empty(outbox, message.destination)
        message.destination = NULL
        if message.error == 0:
            outbox.counts.sent += 1
        else:
            outbox.counts.failed += 1
            outbox.cancelled += message.error == ECANCELED
        if message.ticket != 0:
            list_append(&outbox.outcomes, message)
            outbox.uncollected += 1
            news = True
        else:
            free(message)
    taken[0] = outbox.inbox
    memset(&outbox.inbox, 0, sizeof(OutgoingList))
    if news:
        pthread_cond_broadcast(&outbox.changed)
    pthread_mutex_unlock(&outbox.mutex)


cdef void outbox_count(Outbox* outbox, Counts* counts) noexcept nogil:
    """Copy the counters as they are at one moment."""
    pthread_mutex_lock(&outbox.mutex)
    counts[0] = outbox.counts
    pthread_mutex_unlock(&outbox.mutex)


cdef bint outbox_collect(
    Outbox* outbox, size_t most, int64_t until_ns, OutgoingList* collected
) noexcept nogil:
    """Move up to ``most`` outcomes into ``collected``; waits for the first one.

    Returns whether more can come; False means ended and empty.
    """
    cdef bint more
    memset(collected, 0, sizeof(OutgoingList))
    pthread_mutex_lock(&outbox.mutex)
    while (
        outbox.outcomes.first == NULL and outbox.state != ENDED and now_ns() < until_ns
    ):
        condition_wait(&outbox.changed, &outbox.mutex, until_ns)
    more = outbox.outcomes.first != NULL or outbox.state != ENDED
    while most > 0 and outbox.outcomes.first != NULL:
        list_append(collected, list_pop(&outbox.outcomes))
        outbox.uncollected -= 1
        most -= 1
    pthread_mutex_unlock(&outbox.mutex)
    return more
