"""Which way a message leaves: by a session, or on a connection of its own; C only, no GIL."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from edgelake._native.announcement cimport MESSAGE, count_write, kind_write
from edgelake._native.inbox cimport inbox_post
from edgelake._native.outbox cimport ADDED, outbox_admit, outbox_queue
from edgelake._native.peers cimport peers_session
from edgelake._native.posix cimport pthread_mutex_trylock, pthread_mutex_unlock
from edgelake._native.postman cimport postman_choke, postman_deliver
from edgelake._native.slots cimport worker_of
from edgelake._native.worker cimport Worker


cdef int post(
    Outbox* outbox, Shared* shared, Outgoing* message, uint32_t ip, uint16_t port
) noexcept nogil:
    """Send a message to an address; returns ADDED or why it is still the caller's.

    It goes by the session it names, else by one that leads to the address,
    else on a connection of its own.
    """
    cdef uint64_t session = message.session
    cdef int status = outbox_admit(outbox, message, ip, port)
    if status != ADDED:
        if shared != NULL and session != 0:
            _choke(shared, session)
        return status
    if shared != NULL:
        if session != 0 and post_to_session(shared, session, message):
            return ADDED
        session = peers_session(&shared.peers, ip, port)
        if session != 0 and post_to_session(shared, session, message):
            return ADDED
    outbox_queue(outbox, message)
    return ADDED


cdef void _choke(Shared* shared, uint64_t session) noexcept nogil:
    """Have a session read no more while its peer does not take what it asked for."""
    cdef Worker* worker
    if shared.workers == NULL or worker_of(session) >= shared.workers_made:
        return
    worker = shared.workers[worker_of(session)]
    # If the thread is at work, the next answer that is refused will do.
    if pthread_mutex_trylock(&worker.busy) == 0:
        postman_choke(worker, session)
        pthread_mutex_unlock(&worker.busy)


cdef void post_again(Outbox* outbox, Outgoing* message) noexcept nogil:
    """Send a message whose session ended before it was begun, on a connection of its own."""
    kind_write(message.data, MESSAGE)
    count_write(message.data, 0)
    outbox_queue(outbox, message)


cdef bint post_to_session(Shared* shared, uint64_t session, Outgoing* message) noexcept nogil:
    """Give a message to a session; False when its thread takes nothing any more.

    While that thread waits for events, this one writes to the socket. If the
    session has ended meanwhile, the message is sent again another way.
    """
    cdef int number = worker_of(session)
    cdef Worker* worker
    if shared.workers == NULL or number >= shared.workers_made:
        return False
    worker = shared.workers[number]
    message.session = session
    if pthread_mutex_trylock(&worker.busy) != 0:
        return inbox_post(&worker.inbox, message)
    postman_deliver(worker, message)
    pthread_mutex_unlock(&worker.busy)
    return True
