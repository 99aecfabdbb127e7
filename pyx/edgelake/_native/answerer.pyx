"""Messages that an I/O thread answers by itself; C only, no GIL."""

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, malloc
from libc.string cimport memcpy

from edgelake._native cimport atomic
from edgelake._native.announcement cimport Place
from edgelake._native.facts cimport facts_unchanged, is_near
from edgelake._native.outbox cimport ADDED, Outgoing, outgoing_free_all
from edgelake._native.posix cimport AF_INET, inet_pton
from edgelake._native.posting cimport post
from edgelake._native.routes cimport Answer, Route, answer_fill, routes_match
from edgelake._native.status cimport DONE, OK
from edgelake._native.worker cimport LOST_ANSWERS, NATIVE, SESSION_ANSWERS
from edgelake._native.writer cimport writer_added, writer_room

cdef enum Reach:
    NUMERIC
    BY_NAME             # only Python looks up names


cdef int answer_natively(
    Worker* worker, Connection* connection, const uint8_t* block, const Header* header
) noexcept nogil:
    """Answer a message of one block if a route or a known fact allows it.

    Returns DONE when that was done, OK when the message is for Python, or a
    fault of its session.
    """
    cdef const Route* route
    cdef int status
    if header.last_flag != 1 or connection.assembly.message != NULL or header.block_counter != 1:
        return OK
    route = routes_match(worker.routes, header)
    if route == NULL:
        if header.data_length != header.command_length or not facts_unchanged(
            &worker.shared.facts, header
        ):
            return OK
        status = DONE
    else:
        status = _answer(
            worker,
            connection,
            block,
            header,
            &route.near if is_near(connection.peer_ip) else &route.far,
        )
    if status == DONE:
        atomic.count(&worker.counters[NATIVE], 1)
    return status


cdef int _answer(
    Worker* worker,
    Connection* connection,
    const uint8_t* block,
    const Header* header,
    const Answer* answer,
) noexcept nogil:
    cdef uint8_t* room
    cdef int status = DONE
    cdef Place to
    cdef Reach reach
    if answer.length == 0:
        return DONE
    if not 1 <= header.source_port <= 65535:
        atomic.count(&worker.counters[LOST_ANSWERS], 1)
        return DONE
    # Behind a leave of ours the peer may have closed.
    if connection.session != NULL and not connection.session.leaving:
        room = writer_room(worker, connection, answer.length, &status)
        if room == NULL:
            return status
        answer_fill(room, answer, block)
        writer_added(worker, connection, answer.length, True)
        atomic.count(&worker.counters[SESSION_ANSWERS], 1)
        return DONE
    reach = _reply_place(connection, header, &to)
    if reach == BY_NAME:
        return OK
    if not _answer_apart(worker, connection, block, answer, &to):
        atomic.count(&worker.counters[LOST_ANSWERS], 1)
    return DONE


cdef Reach _reply_place(
    Connection* connection, const Header* header, Place* to
) noexcept nogil:
    """Return where an answer goes that cannot go back on the connection.

    Source: docs/protocol.md, "Replies".
    """
    cdef char[16] text
    if header.source_ip_length >= sizeof(text):
        return BY_NAME
    to.ip = 0
    to.port = <unsigned short>header.source_port
    memcpy(text, header.source_ip, header.source_ip_length)
    text[header.source_ip_length] = 0
    if header.source_ip_length and inet_pton(AF_INET, text, &to.ip) != 1:
        return BY_NAME
    if to.ip == 0:
        to.ip = connection.peer_ip
    return NUMERIC


cdef bint _answer_apart(
    Worker* worker,
    Connection* connection,
    const uint8_t* block,
    const Answer* answer,
    const Place* to,
) noexcept nogil:
    """Have the sender answer on a connection of its own; False when it has no room."""
    cdef Outgoing* message
    if worker.shared.outbox == NULL:
        return False
    message = <Outgoing*>calloc(1, sizeof(Outgoing))
    if message == NULL:
        return False
    message.data = <uint8_t*>malloc(answer.length)
    if message.data != NULL:
        answer_fill(message.data, answer, block)
        message.length = answer.length
        message.cause = connection.peer_ip
        message.attempts_left = worker.shared.reply_attempts
        message.pause_ns = worker.shared.reply_pause_ns
        if post(worker.shared.outbox, worker.shared, message, to.ip, to.port) == ADDED:
            return True
    outgoing_free_all(message)
    return False
