"""A kept connection between two of our nodes: its counts and what waits to be written.

C only, no GIL. What happens on the wire is in keeper.pyx.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove

from edgelake._native.links cimport link_alone


cdef Session* session_new(bint opener, int64_t now) noexcept nogil:
    """Return a session without messages, in no list, or NULL."""
    cdef Session* made = <Session*>calloc(1, sizeof(Session))
    if made == NULL:
        return NULL
    link_alone(&made.owing)
    link_alone(&made.writing)
    link_alone(&made.asking)
    made.opener = opener
    made.progress_ns = now
    return made


cdef void session_free(Session* session) noexcept nogil:
    """Free a session; its messages were taken out before."""
    if session != NULL:
        free(session.ready)
        free(session)


cdef bint ready_add(Session* session, const uint8_t* blocks, size_t length) noexcept nogil:
    """Keep blocks until the kernel takes them; False when there is no memory."""
    cdef size_t capacity = session.ready_capacity
    cdef uint8_t* room
    if session.ready_written and session.ready_length + length > capacity:
        session.ready_length -= session.ready_written
        memmove(session.ready, session.ready + session.ready_written, session.ready_length)
        session.ready_written = 0
    if session.ready_length + length > capacity:
        capacity = max(2 * capacity, session.ready_length + length)
        room = <uint8_t*>realloc(session.ready, capacity)
        if room == NULL:
            return False
        session.ready = room
        session.ready_capacity = capacity
    memcpy(session.ready + session.ready_length, blocks, length)
    session.ready_length += length
    return True


cdef void ready_took(Session* session, size_t length) noexcept nogil:
    """Note that the kernel took bytes; nothing is held for a session that waits for nothing."""
    session.ready_written += length
    if session.ready_written < session.ready_length:
        return
    free(session.ready)
    session.ready = NULL
    session.ready_length = session.ready_written = session.ready_capacity = 0
