"""Outbound messages between Python and the threads that send them; C only, no GIL.

Lock order: ``Outbox.mutex`` is a leaf. Whoever holds it takes no other lock,
waits for nothing but its condition, and copies or frees no data of messages;
the GIL is never taken under it.
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from edgelake._native.links cimport link_alone, link_remove
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


cdef enum:
    MOST_STALE = 256            # destinations that are kept without a message
    SESSION_ROOM = 10000        # limits.MAX_CONNECTIONS


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
    cdef Cause* cause
    cdef int at
    outgoing_free_all(outbox.inbox.first)
    outgoing_free_all(outbox.outcomes.first)
    for at in range(BUCKETS):
        while outbox.buckets[at] != NULL:
            destination = outbox.buckets[at]
            outbox.buckets[at] = destination.next
            outgoing_free_all(destination.waiting.first)
            free(destination)
        while outbox.causes[at] != NULL:
            cause = outbox.causes[at]
            outbox.causes[at] = cause.next
            free(cause)
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
    outbox.stale -= destination.stale
    at = &outbox.buckets[_bucket(destination.ip, destination.port)]
    while at[0] != destination:
        at = &at[0].next
    at[0] = destination.next
    link_remove(&destination.place)
    free(destination)
    outbox.counts.destinations -= 1


cdef void _forget_stale(Outbox* outbox) noexcept nogil:
    """Forget the destinations whose last message went by a session; for the thread."""
    cdef Destination* destination
    cdef Destination* after
    cdef int at
    for at in range(BUCKETS):
        destination = outbox.buckets[at]
        while destination != NULL:
            after = destination.next
            _forget_if_empty(outbox, destination)
            destination = after


cdef inline uint64_t _address_key(uint32_t ip) noexcept nogil:
    return <uint64_t>1 << 63 | ip       # no session has such a number


cdef inline Cause** _cause(Outbox* outbox, uint64_t key) noexcept nogil:
    """Return the place where the record of a cause is, or would be."""
    cdef Cause** at = &outbox.causes[_bucket(<uint32_t>(key ^ (key >> 24)), 0)]
    while at[0] != NULL and at[0].key != key:
        at = &at[0].next
    return at


cdef int _check_cause(
    Outbox* outbox, uint32_t ip, uint64_t session, size_t length
) noexcept nogil:
    """Tell whether one more answer that an address caused may be under way."""
    cdef Cause* cause = _cause(outbox, _address_key(ip))[0]
    if ip == 0 or cause == NULL:
        return ADDED            # one answer of any size may always go
    if session != 0 and _cause(outbox, session)[0] == NULL:
        return ADDED            # its peer takes what it asks for, whatever others do
    if cause.replies >= outbox.max_replies:
        return TOO_MANY_REPLIES
    if cause.reply_bytes + length > outbox.max_reply_bytes:
        return TOO_MANY_REPLY_BYTES
    return ADDED


cdef bint _count_cause(Outbox* outbox, uint64_t key, size_t length) noexcept nogil:
    cdef Cause** at = _cause(outbox, key)
    if at[0] == NULL:
        at[0] = <Cause*>calloc(1, sizeof(Cause))
        if at[0] == NULL:
            return False
        at[0].key = key
    at[0].replies += 1
    at[0].reply_bytes += length
    return True


cdef void _uncount_cause(Outbox* outbox, uint64_t key, size_t length) noexcept nogil:
    cdef Cause** at = _cause(outbox, key)
    cdef Cause* cause = at[0]
    cause.replies -= 1
    cause.reply_bytes -= length
    if cause.replies == 0:
        at[0] = cause.next
        free(cause)


cdef bint _count_causes(Outbox* outbox, Outgoing* message) noexcept nogil:
    """Count an answer for its address and its session; False when there is no memory."""
    if message.cause == 0:
        return True
    if not _count_cause(outbox, _address_key(message.cause), message.length):
        return False
    # It is counted for this session also when it goes another way in the end.
    message.counted_for = message.session
    if message.session != 0 and not _count_cause(outbox, message.session, message.length):
        _uncount_cause(outbox, _address_key(message.cause), message.length)
        return False
    return True


cdef void _uncount_causes(Outbox* outbox, const Outgoing* message) noexcept nogil:
    if message.cause == 0:
        return
    _uncount_cause(outbox, _address_key(message.cause), message.length)
    if message.counted_for != 0:
        _uncount_cause(outbox, message.counted_for, message.length)


cdef int outbox_admit(
    Outbox* outbox, Outgoing* message, uint32_t ip, uint16_t port
) noexcept nogil:
    """Count a message that shall be sent; returns ADDED or why it may not.

    An admitted message has an outcome some day: it is queued for a connection
    of its own by `outbox_queue`, or travels by a session.
    """
    cdef int status
    pthread_mutex_lock(&outbox.mutex)
    status = _admit_locked(outbox, message, ip, port)
    if status != ADDED:
        outbox.counts.rejected += 1
    pthread_mutex_unlock(&outbox.mutex)
    return status


cdef int _admit_locked(
    Outbox* outbox, Outgoing* message, uint32_t ip, uint16_t port
) noexcept nogil:
    cdef Destination* destination
    cdef int status
    cdef size_t most
    if outbox.state != SENDING:
        return NOT_RUNNING
    if message.session != 0 and message.cause != 0:
        # A session whose peer takes what it asks for has room beside all others:
        # one answer.
        most = outbox.max_pending
        if _cause(outbox, message.session)[0] == NULL:
            most += SESSION_ROOM
        if outbox.answers >= most:
            return TOO_MANY
    # Outcomes that nobody fetches count as well, or they would pile up.
    elif outbox.counts.pending - outbox.answers + outbox.uncollected >= outbox.max_pending:
        return TOO_MANY
    if outbox.counts.pending_bytes + message.length > outbox.max_pending_bytes:
        return TOO_MANY_BYTES
    status = _check_cause(outbox, message.cause, message.session, message.length)
    if status != ADDED:
        return status
    destination = _destination(outbox, ip, port)
    if destination == NULL:
        return NO_ROOM
    # Answers by a session wait for its peer, whatever address that claims to have.
    if (
        message.session == 0
        and destination.pending - destination.answers >= outbox.max_per_destination
    ):
        return TOO_MANY_FOR_ONE
    if not _count_causes(outbox, message):
        _forget_if_empty(outbox, destination)
        return NO_ROOM
    message.destination = destination
    if destination.stale:
        destination.stale = False
        outbox.stale -= 1
    destination.pending += 1
    destination.answers += message.counted_for != 0
    outbox.answers += message.counted_for != 0
    outbox.counts.pending += 1
    outbox.counts.pending_bytes += message.length
    return ADDED


cdef void outbox_queue(Outbox* outbox, Outgoing* message) noexcept nogil:
    """Give an admitted message to the sender's thread, for a connection of its own."""
    cdef OutgoingList lost
    memset(&lost, 0, sizeof(OutgoingList))
    message.session = 0
    message.number = 0
    pthread_mutex_lock(&outbox.mutex)
    if outbox.state == ENDED:
        message.error = ECANCELED
        list_append(&lost, message)
        _settle_locked(outbox, &lost, False)
    else:
        if outbox.inbox.first == NULL:
            wake(outbox.wake_fd)
        list_append(&outbox.inbox, message)
    pthread_mutex_unlock(&outbox.mutex)


cdef int outbox_room(Outbox* outbox, uint32_t cause, size_t length) noexcept nogil:
    """Tell whether an answer of that size could be under way; ADDED or why not."""
    cdef int status
    pthread_mutex_lock(&outbox.mutex)
    status = _check_cause(outbox, cause, 0, length)
    pthread_mutex_unlock(&outbox.mutex)
    return status


cdef inline void _free_data(OutgoingList* settled) noexcept nogil:
    # Before the mutex is taken: large pieces go back to the system.
    cdef Outgoing* message = settled.first
    while message != NULL:
        free(message.data)
        message.data = NULL
        message = message.next


cdef void _settle_locked(
    Outbox* outbox, OutgoingList* settled, bint by_owner
) noexcept nogil:
    """Take the outcomes of messages; the list is empty then.

    Destinations are the sender's thread's to forget: it may have one at hand.
    """
    cdef Outgoing* message
    cdef bint news = False
    while True:
        message = list_pop(settled)
        if message == NULL:
            break
        outbox.counts.pending -= 1
        outbox.counts.pending_bytes -= message.length
        _uncount_causes(outbox, message)
        message.destination.pending -= 1
        message.destination.answers -= message.counted_for != 0
        outbox.answers -= message.counted_for != 0
        if by_owner:
            _forget_if_empty(outbox, message.destination)
        elif message.destination.pending == 0 and not message.destination.stale:
            message.destination.stale = True
            outbox.stale += 1
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
            outgoing_free_all(message)
    if news:
        pthread_cond_broadcast(&outbox.changed)


cdef void outbox_settle(Outbox* outbox, OutgoingList* settled) noexcept nogil:
    """Give the outcomes of messages that travelled by a session."""
    if settled.first == NULL:
        return
    _free_data(settled)
    pthread_mutex_lock(&outbox.mutex)
    _settle_locked(outbox, settled, False)
    if outbox.stale == MOST_STALE:
        wake(outbox.wake_fd)
    if outbox.state == FLUSHING and outbox.counts.pending == 0:
        wake(outbox.wake_fd)
    pthread_mutex_unlock(&outbox.mutex)


cdef void outbox_exchange(
    Outbox* outbox, OutgoingList* settled, OutgoingList* taken
) noexcept nogil:
    """Give the outcomes of messages and take new messages; for the thread."""
    _free_data(settled)
    pthread_mutex_lock(&outbox.mutex)
    _settle_locked(outbox, settled, True)
    if outbox.stale >= MOST_STALE:
        _forget_stale(outbox)
    taken[0] = outbox.inbox
    memset(&outbox.inbox, 0, sizeof(OutgoingList))
    pthread_mutex_unlock(&outbox.mutex)


cdef bint outbox_end(Outbox* outbox) noexcept nogil:
    """Take no message any more; False when one came before that. For the thread."""
    cdef bint ended
    pthread_mutex_lock(&outbox.mutex)
    ended = outbox.inbox.first == NULL
    if ended:
        outbox.state = ENDED
        pthread_cond_broadcast(&outbox.changed)
    pthread_mutex_unlock(&outbox.mutex)
    return ended


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
