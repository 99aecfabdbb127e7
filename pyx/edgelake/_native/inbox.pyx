"""What other threads hand to an I/O thread; C only, no GIL.

Lock order: ``Inbox.mutex`` is a leaf. Whoever holds it makes no system call
but the wake-up.
"""

from libc.string cimport memset

from edgelake._native.connection cimport Connection
from edgelake._native.outbox cimport list_append
from edgelake._native.posix cimport pthread_mutex_lock, pthread_mutex_unlock
from edgelake._native.routes cimport RouteTable
from edgelake._native.system cimport wake


cdef inline bint _is_empty(const Inbox* inbox) noexcept nogil:
    return (
        inbox.messages.first == NULL
        and inbox.handovers == NULL
        and inbox.moved == NULL
        and inbox.routes == NULL
    )


cdef bint inbox_post(Inbox* inbox, Outgoing* message) noexcept nogil:
    """Hand over a message for a session; False when the thread takes nothing any more."""
    cdef bint open
    pthread_mutex_lock(&inbox.mutex)
    open = inbox.open
    if open:
        if _is_empty(inbox):
            wake(inbox.wake_fd)
        list_append(&inbox.messages, message)
    pthread_mutex_unlock(&inbox.mutex)
    return open


cdef bint inbox_hand_over(Inbox* inbox, Handover* handover) noexcept nogil:
    """Hand over a connection; False when the thread takes nothing any more."""
    cdef bint open
    pthread_mutex_lock(&inbox.mutex)
    open = inbox.open
    if open:
        if _is_empty(inbox):
            wake(inbox.wake_fd)
        handover.next = inbox.handovers
        inbox.handovers = handover
    pthread_mutex_unlock(&inbox.mutex)
    return open


cdef bint inbox_move(Inbox* inbox, Connection* connection) noexcept nogil:
    """Hand over a connection that is in no list; False when the thread takes nothing any more."""
    cdef bint open
    pthread_mutex_lock(&inbox.mutex)
    open = inbox.open
    if open:
        if _is_empty(inbox):
            wake(inbox.wake_fd)
        connection.next = inbox.moved
        inbox.moved = connection
    pthread_mutex_unlock(&inbox.mutex)
    return open


cdef RouteTable* inbox_set_routes(Inbox* inbox, RouteTable* routes) noexcept nogil:
    """Hand over a route table; returns the one that is not needed, for the caller to free."""
    cdef RouteTable* unused = routes
    pthread_mutex_lock(&inbox.mutex)
    if inbox.open:
        if _is_empty(inbox):
            wake(inbox.wake_fd)
        unused = inbox.routes
        inbox.routes = routes
    pthread_mutex_unlock(&inbox.mutex)
    return unused


cdef void inbox_take(Inbox* inbox, Inbox* taken) noexcept nogil:
    """Move what waits into ``taken``."""
    pthread_mutex_lock(&inbox.mutex)
    taken.messages = inbox.messages
    taken.handovers = inbox.handovers
    taken.moved = inbox.moved
    taken.routes = inbox.routes
    memset(&inbox.messages, 0, sizeof(inbox.messages))
    inbox.handovers = NULL
    inbox.moved = NULL
    inbox.routes = NULL
    pthread_mutex_unlock(&inbox.mutex)


cdef void inbox_close(Inbox* inbox, Inbox* taken) noexcept nogil:
    """Take nothing any more, and move what waits into ``taken``."""
    pthread_mutex_lock(&inbox.mutex)
    inbox.open = False
    pthread_mutex_unlock(&inbox.mutex)
    inbox_take(inbox, taken)
