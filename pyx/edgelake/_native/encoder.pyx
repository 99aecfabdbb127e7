# cython: boundscheck=False, wraparound=False
"""Whole messages as blocks, ready to be sent.

Padding is zero, text is cut between characters. Source: docs/protocol.md,
"Messages of several blocks" and "Row segments".
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from edgelake._native.header cimport Header, header_write, store16, text_cut, text_fault
from edgelake._native.message cimport Message
from edgelake._native.wire cimport *

from edgelake.errors import LocalProtocolError

cdef enum:
    LEAST_ROOM_BYTES = 10    # a sender starts a new block when less is left after a row
    LEAST_TEXT_BYTES = 4     # the longest character, so that every block makes progress


cdef object _in_range(str name, object value, object limit):
    if not 0 <= value <= limit:
        raise LocalProtocolError(f"{name} {value} is not in 0..{limit}")
    return value


cdef int _fill_text(Header* header, bytes command, bytes source_ip) except -1:
    """Begin a header: its command and source, all else zero."""
    cdef size_t length = <size_t>len(command)
    cdef size_t bad
    memset(header, 0, sizeof(Header))
    if length < 1:
        raise LocalProtocolError("command length 0 is below 1")
    if length > BODY_BYTES:
        raise LocalProtocolError(f"command length {length} exceeds {BODY_BYTES} of one block")
    header.command = <const uint8_t*>PyBytes_AS_STRING(command)
    header.command_length = <unsigned short>length
    bad = text_fault(header.command, length)
    if bad < length:
        raise LocalProtocolError(f"byte {bad} of the command is not UTF-8")
    header.source_ip_length = _in_range(
        "source address length", len(source_ip), MAX_SOURCE_IP_BYTES
    )
    header.source_ip = <const uint8_t*>PyBytes_AS_STRING(source_ip)
    return 0


cdef int _fill(Header* header, bytes command, dict fields) except -1:
    """Put every field into the header; none is cut to its width."""
    _fill_text(header, command, fields["source_ip"])
    header.data_structure = _in_range("data structure", fields["data_structure"], 0xff)
    header.info_type = _in_range("info type", fields["info_type"], 0xff)
    header.error = _in_range("error", fields["error"], 0xffff)
    header.generic_flag = _in_range("generic flag", fields["generic_flag"], 0xffff)
    header.job_location = _in_range("job location", fields["job_location"], 0xffff)
    header.job_id = _in_range("job id", fields["job_id"], 0xffffffff)
    header.receivers = _in_range("receivers", fields["receivers"], 0xffff)
    header.receiver_index = _in_range("receiver index", fields["receiver_index"], 0xffff)
    header.partitions_used = _in_range("partitions used", fields["partitions_used"], 0xffff)
    header.partition_index = _in_range("partition index", fields["partition_index"], 0xffff)
    header.source_port = _in_range("source port", fields["source_port"], 0xffffffff)
    return 0


cdef inline void _write(uint8_t* block, const Header* header) noexcept nogil:
    # Zeroes only what nothing below writes over.
    memset(block, 0, HEADER_BYTES)
    header_write(block, header)
    memcpy(block + HEADER_BYTES, header.command, header.command_length)
    if header.authentication_length:
        memcpy(
            block + HEADER_BYTES + header.command_length,
            header.authentication,
            header.authentication_length,
        )


cdef struct Cut:
    # The next stretch of data: its length, and whether no other follows it.
    size_t length
    bint last


cdef Cut _next_cut(
    const uint8_t* data, size_t left, size_t room, bint text, bint closing
) noexcept nogil:
    cdef Cut cut
    if left <= room:
        cut.length = left
        cut.last = not (closing and left == room)
    else:
        cut.length = text_cut(data, left, room) if text else room
        cut.last = False
    return cut


def encode_message(
    bytes command not None,
    bytes data not None=b"",
    *,
    bint text=True,
    bint closing_block=False,
    bytes authentication not None=b"",
    info_type=0,
    data_structure=0,
    error=0,
    generic_flag=0,
    job_location=0,
    job_id=0,
    receivers=1,
    receiver_index=0,
    partitions_used=1,
    partition_index=0,
    bytes source_ip not None=b"",
    source_port=0,
):
    """Return a message as blocks.

    Parameters
    ----------
    command : bytes
        UTF-8, 1..1,841 bytes; repeated in every block.
    data : bytes
        Cut into as many blocks as it needs; every block but the last is as
        full as the cuts allow.
    text : bool
        Cut between the characters of UTF-8 only; otherwise at any byte.
    closing_block : bool
        As files are sent: a last block that is full is followed by one
        without data.
    authentication : bytes
        Sent in the first block only.
    info_type, data_structure : int
        0..255.
    error, generic_flag, job_location, receivers, receiver_index, \
partitions_used, partition_index : int
        0..65,535.
    job_id, source_port : int
        0..4,294,967,295.
    source_ip : bytes
        At most 128 bytes; where an answer shall go.

    Returns
    -------
    bytes
        A multiple of 2,048 bytes; the padding is zero.

    Raises
    ------
    LocalProtocolError
        A value does not fit its field, or the command leaves no room for data.

    Notes
    -----
    Source: docs/protocol.md, "Messages of several blocks" and "File write".
    """
    cdef Header header
    _fill(&header, command, {
        "info_type": info_type,
        "data_structure": data_structure,
        "error": error,
        "generic_flag": generic_flag,
        "job_location": job_location,
        "job_id": job_id,
        "receivers": receivers,
        "receiver_index": receiver_index,
        "partitions_used": partitions_used,
        "partition_index": partition_index,
        "source_ip": source_ip,
        "source_port": source_port,
    })
    return _blocks(&header, data, text, closing_block, authentication)


def encode_reply(
    Message message not None,
    bytes command not None,
    bytes data not None,
    *,
    info_type,
    error,
    generic_flag,
    bytes source_ip not None,
    source_port,
):
    """Return the blocks of a text that answers a message; its job fields go back.

    Parameters
    ----------
    message : Message
        What is answered.
    command, data, info_type, error, generic_flag, source_ip, source_port
        As in `encode_message`.

    Returns
    -------
    bytes

    Raises
    ------
    LocalProtocolError
        As `encode_message`.

    Notes
    -----
    Source: docs/protocol.md, "Replies".
    """
    cdef Header header
    _fill_text(&header, command, source_ip)
    header.info_type = _in_range("info type", info_type, 0xff)
    header.error = _in_range("error", error, 0xffff)
    header.generic_flag = _in_range("generic flag", generic_flag, 0xffff)
    header.job_location = message.job_location
    header.job_id = message.job_id
    header.receivers = message.receivers
    header.receiver_index = message.receiver_index
    header.partitions_used = message.partitions_used
    header.partition_index = message.partition_index
    header.source_port = _in_range("source port", source_port, 0xffffffff)
    return _blocks(&header, data, True, False, b"")


cdef bytes _blocks(
    Header* header, bytes data, bint text, bint closing_block, bytes authentication
):
    cdef size_t body = BODY_BYTES - header.command_length
    cdef size_t first = <size_t>len(authentication)
    if first > body:
        raise LocalProtocolError(
            f"authentication length {first} exceeds the {body} bytes after the command"
        )
    cdef size_t total = <size_t>len(data)
    if total > body - first and body < LEAST_TEXT_BYTES:
        raise LocalProtocolError(
            f"command length {header.command_length} leaves {body} bytes of a block"
            f" for data of {total}"
        )
    cdef const uint8_t* bytes_ = <const uint8_t*>PyBytes_AS_STRING(data)
    header.authentication = <const uint8_t*>PyBytes_AS_STRING(authentication)
    cdef size_t blocks = 0
    cdef size_t at = 0
    cdef size_t used
    cdef size_t room = body - first
    cdef Cut cut
    while True:
        cut = _next_cut(bytes_ + at, total - at, room, text, closing_block and room > 0)
        at += cut.length
        blocks += 1
        room = body
        if cut.last:
            break
    cdef bytes made = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(blocks * BLOCK_BYTES))
    cdef uint8_t* block = <uint8_t*>PyBytes_AS_STRING(made)
    with nogil:
        at = 0
        header.authentication_length = <unsigned short>first
        while True:
            room = body - header.authentication_length
            cut = _next_cut(bytes_ + at, total - at, room, text, closing_block and room > 0)
            header.block_counter += 1
            header.last_flag = cut.last
            used = header.command_length + header.authentication_length
            header.data_length = <unsigned int>(used + cut.length)
            _write(block, header)
            memcpy(block + HEADER_BYTES + used, bytes_ + at, cut.length)
            used += HEADER_BYTES + cut.length
            memset(block + used, 0, BLOCK_BYTES - used)
            at += cut.length
            block += BLOCK_BYTES
            header.authentication_length = 0
            if cut.last:
                break
    return made


cdef class _RowBlocks:
    """Blocks under construction that hold row segments."""

    cdef bytearray blocks
    cdef Header header
    cdef uint8_t block[BLOCK_BYTES]
    cdef size_t used             # bytes of the body, command included

    cdef void open(self) noexcept:
        self.used = self.header.command_length
        self.header.segment_count = 0
        memset(self.block, 0, BLOCK_BYTES)

    cdef size_t room(self) noexcept:
        return BODY_BYTES - self.used

    cdef int close(self, bint last) except -1:
        self.header.block_counter += 1
        self.header.last_flag = last
        self.header.data_length = <unsigned int>self.used
        _write(self.block, &self.header)
        self.blocks += self.block[:BLOCK_BYTES]
        return 0

    cdef void add(self, const uint8_t* text, size_t length, uint8_t flag) noexcept:
        cdef uint8_t* at = self.block + HEADER_BYTES + self.used
        store16(at, <unsigned short>length)
        at[2] = flag
        memcpy(at + SEGMENT_PREFIX_BYTES, text, length)
        self.used += SEGMENT_PREFIX_BYTES + length
        self.header.segment_count += 1

    cdef int add_row(self, bytes row) except -1:
        """Add a row, in pieces where it does not fit."""
        cdef const uint8_t* text = <const uint8_t*>PyBytes_AS_STRING(row)
        cdef size_t left = <size_t>len(row)
        cdef size_t cut
        cdef bint begun = False
        if self.room() < LEAST_ROOM_BYTES:
            self.close(False)
            self.open()
        while left > self.room() - SEGMENT_PREFIX_BYTES:
            cut = text_cut(text, left, self.room() - SEGMENT_PREFIX_BYTES)
            self.add(text, cut, ROW_PIECE)
            self.close(False)
            self.open()
            begun = True
            text += cut
            left -= cut
        self.add(text, left, ROW_LAST_PIECE if begun else ROW_WHOLE)
        return 0


def encode_rows(
    bytes command not None,
    rows,
    *,
    error=0,
    job_location=0,
    job_id=0,
    receivers=1,
    receiver_index=0,
    partitions_used=1,
    partition_index=0,
    database_time=0,
    send_time=0,
    bytes source_ip not None=b"",
    source_port=0,
):
    """Return rows as the blocks of a reply.

    Parameters
    ----------
    command : bytes
        Usually ``job reply``.
    rows : sequence of bytes
        Texts of the rows; a row that does not fit its block continues in the
        next. No rows make one block without data.
    error : int
        0..65,535; receivers ignore the rows of a block with an error.
    database_time, send_time : int
        Whole seconds, written into the last block.
    job_location, receivers, receiver_index, partitions_used, \
partition_index : int
        0..65,535, from the request.
    job_id, source_port : int
        0..4,294,967,295.
    source_ip : bytes
        At most 128 bytes.

    Returns
    -------
    bytes
        A multiple of 2,048 bytes; the padding is zero.

    Raises
    ------
    LocalProtocolError
        A value does not fit its field, or the command leaves no room for rows.

    Notes
    -----
    Source: docs/protocol.md, "Row segments".
    """
    cdef _RowBlocks made = _RowBlocks.__new__(_RowBlocks)
    cdef object row
    made.blocks = bytearray()
    _fill(&made.header, command, {
        "info_type": INFO_IS_ROWS,
        "data_structure": DATA_IS_ROWS,
        "error": error,
        "generic_flag": 0,
        "job_location": job_location,
        "job_id": job_id,
        "receivers": receivers,
        "receiver_index": receiver_index,
        "partitions_used": partitions_used,
        "partition_index": partition_index,
        "source_ip": source_ip,
        "source_port": source_port,
    })
    if rows and BODY_BYTES - made.header.command_length < LEAST_ROOM_BYTES:
        raise LocalProtocolError(
            f"command length {len(command)} leaves fewer than {LEAST_ROOM_BYTES} bytes for rows"
        )
    _in_range("database time", database_time, 0xffffffff)
    _in_range("send time", send_time, 0xffffffff)
    made.open()
    for row in rows:
        if not isinstance(row, bytes):
            raise TypeError(f"a row is bytes, not {type(row).__name__}")
        made.add_row(row)
    made.header.database_time = database_time
    made.header.send_time = send_time
    made.close(True)
    return bytes(made.blocks)
