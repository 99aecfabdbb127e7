"""Whole messages."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from edgelake._native.block cimport split_segments


cdef enum:
    IP_TEXTS = 4096         # addresses whose text is remembered: most messages come from few

cdef dict _ip_texts = {}


cdef RawMessage* message_begin(const Header* header, size_t data_length) noexcept nogil:
    """Return a message with the fields of its first block and room for its data, or NULL."""
    cdef size_t capacity = (
        <size_t>header.source_ip_length
        + header.command_length
        + header.authentication_length
        + data_length
    )
    cdef RawMessage* message = <RawMessage*>malloc(sizeof(RawMessage) + capacity)
    if message == NULL:
        return NULL
    memset(message, 0, sizeof(RawMessage))
    message.capacity = capacity
    message.job_id = header.job_id
    message.source_port = header.source_port
    message.command_length = header.command_length
    message.authentication_length = header.authentication_length
    message.generic_flag = header.generic_flag
    message.job_location = header.job_location
    message.receivers = header.receivers
    message.receiver_index = header.receiver_index
    message.partitions_used = header.partitions_used
    message.partition_index = header.partition_index
    message.source_ip_length = header.source_ip_length
    message.info_type = header.info_type
    message.data_structure = header.data_structure
    memcpy(source_zone(message), header.source_ip, header.source_ip_length)
    memcpy(command_zone(message), header.command, header.command_length)
    memcpy(authentication_zone(message), header.authentication, header.authentication_length)
    return message


cdef RawMessage* message_resize(RawMessage* message, size_t capacity) noexcept nogil:
    """Return the message with another room, or NULL; then the old one is still there."""
    message = <RawMessage*>realloc(message, sizeof(RawMessage) + capacity)
    if message != NULL:
        message.capacity = capacity
    return message


cdef void message_free_all(RawMessage* first) noexcept nogil:
    cdef RawMessage* after
    while first != NULL:
        after = first.next
        free(first)
        first = after


@cython.final
@cython.freelist(256)
cdef class Message:
    """One whole received message: fields of its first block, joined data.

    Made by `Server` and `Assembler` only. Owns plain bytes objects, no native
    memory. Immutable: any thread may read it. `error` and the two times are
    of the last block. `session` names the kept connection it came by, 0 for
    none; an answer may go back the same way.
    Source: docs/protocol.md, "Header".
    """

    def __init__(self):
        raise TypeError("a Message is made by Server and Assembler")

    @property
    def peer_ip(self):
        """Address of the socket the message came from, ``0.0.0.0`` without one."""
        cdef const unsigned char* part
        cdef object text = _ip_texts.get(self._peer_ip)
        if text is None:
            part = <const unsigned char*>&self._peer_ip
            text = f"{part[0]}.{part[1]}.{part[2]}.{part[3]}"
            if len(_ip_texts) >= IP_TEXTS:
                _ip_texts.clear()
            _ip_texts[self._peer_ip] = text
        return text

    def segments(self):
        """Return the row segments as (flag, text); empty unless it is a reply with rows.

        Returns
        -------
        list of tuple of (int, bytes)
            Flag 0 a whole row, 1 a piece with more to come, 2 the last piece.
        """
        if not self._rows:
            return []
        return split_segments(
            <const uint8_t*>PyBytes_AS_STRING(self.data), <size_t>len(self.data)
        )

    def __sizeof__(self):
        """Return the bytes of the object with the four byte strings it owns."""
        return object.__sizeof__(self) + sum(
            part.__sizeof__()
            for part in (self.source_ip, self.command, self.authentication, self.data)
        )

    def __repr__(self):
        return (
            f"<Message {self.command.decode()!r} error={self.error}"
            f" data={len(self.data)} bytes blocks={self.blocks}"
            f" from={self.peer_ip}:{self.peer_port}>"
        )


cdef inline bytes _bytes(const uint8_t* start, size_t length):
    return PyBytes_FromStringAndSize(<const char*>start, <Py_ssize_t>length)


cdef Message message_object(RawMessage* raw):
    """Return a copy of a raw message as an object; the raw one stays the caller's."""
    cdef Message made = Message.__new__(Message)
    made.source_ip = _bytes(source_zone(raw), raw.source_ip_length)
    made.command = _bytes(command_zone(raw), raw.command_length)
    made.authentication = _bytes(authentication_zone(raw), raw.authentication_length)
    made.data = _bytes(data_zone(raw), raw.data_length)
    made.blocks = raw.blocks
    made.job_id = raw.job_id
    made.database_time = raw.database_time
    made.send_time = raw.send_time
    made.source_port = raw.source_port
    made.peer_port = raw.peer_port
    made.error = raw.error
    made.generic_flag = raw.generic_flag
    made.job_location = raw.job_location
    made.receivers = raw.receivers
    made.receiver_index = raw.receiver_index
    made.partitions_used = raw.partitions_used
    made.partition_index = raw.partition_index
    made.info_type = raw.info_type
    made.data_structure = raw.data_structure
    made.session = raw.session
    made.arrived_ns = raw.arrived_ns
    made._peer_ip = raw.peer_ip
    made._rows = raw.rows
    return made
