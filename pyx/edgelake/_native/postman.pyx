"""Messages and connections that other threads have for an I/O thread; C only, no GIL."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free

from edgelake._native cimport atomic
from edgelake._native.connection cimport Connection
from edgelake._native.inbox cimport Handover, Inbox, inbox_close, inbox_take
from edgelake._native.opening cimport opening_adopt
from edgelake._native.outbox cimport Outgoing, list_append, list_pop
from edgelake._native.posting cimport post_again
from edgelake._native.routes cimport routes_free
from edgelake._native.session cimport Session, backlog
from edgelake._native.slots cimport slots_find
from edgelake._native.system cimport close_quietly, wake
from edgelake._native.worker cimport worker_take_in, worker_tick, worker_watch
from edgelake._native.writer cimport writer_is_due, writer_send, writer_sort_out


cdef void postman_take(Worker* worker) noexcept nogil:
    """Take what other threads have for this one."""
    cdef Inbox taken
    cdef Handover* handover
    cdef Connection* moved
    cdef Outgoing* message
    cdef Connection* touched = NULL
    inbox_take(&worker.inbox, &taken)
    if taken.routes != NULL:
        routes_free(worker.routes)
        worker.routes = taken.routes
    while taken.moved != NULL:
        moved = taken.moved
        taken.moved = moved.next
        atomic.add(&worker.watched, -1)     # counted when it was given
        worker_take_in(worker, moved)
        worker_watch(worker, moved)
    while taken.handovers != NULL:
        handover = taken.handovers
        taken.handovers = handover.next
        opening_adopt(worker, handover)
        free(handover)
    while True:
        message = list_pop(&taken.messages)
        if message == NULL:
            break
        touched = _accept_message(worker, message, touched)
    while touched != NULL:
        touched = _write_touched(worker, touched)


cdef void postman_deliver(Worker* worker, Outgoing* message) noexcept nogil:
    """Write a message to its session; for another thread, which holds ``busy``.

    The worker waits meanwhile. It is woken only if it has to go on with the
    message, or to keep a deadline.
    """
    cdef Connection* touched
    if not worker.must_pause:       # in a pause the worker's clock stands still
        worker_tick(worker)
    postman_take(worker)            # what came before goes before
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


cdef void postman_choke(Worker* worker, uint64_t id) noexcept nogil:
    """Read no more from a session whose peer takes none of its answers; as `postman_deliver`."""
    cdef Connection* connection = <Connection*>slots_find(&worker.slots, id)
    if connection != NULL and backlog(connection.session):
        connection.session.choked = True
        writer_sort_out(worker, connection)


cdef void postman_close(Worker* worker) noexcept nogil:
    """Take nothing any more; what came last goes another way."""
    cdef Inbox taken
    cdef Handover* handover
    cdef Connection* moved
    cdef Outgoing* message
    inbox_close(&worker.inbox, &taken)
    routes_free(taken.routes)
    while taken.moved != NULL:
        moved = taken.moved
        taken.moved = moved.next
        atomic.add(&worker.watched, -1)
        worker_take_in(worker, moved)
        # It is closed with the others, and nobody has looked at what it has to say.
        atomic.add(&worker.shared.cut, 1)
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
