"""One block: decoded for reading, and written again with clean padding."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_Check
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from edgelake._native.header cimport (
    carries_rows,
    data_part,
    header_check_rows,
    header_read,
    load16,
)
from edgelake._native.status cimport BLOCK_TRUNCATED, OK, Fault, fault_error
from edgelake._native.wire cimport *


cdef inline bytes _bytes(const uint8_t* start, size_t length):
    return PyBytes_FromStringAndSize(<const char*>start, <Py_ssize_t>length)


@cython.final
cdef class Block:
    """One decoded block: every header field and the three body segments.

    Made by `decode_block` only. Owns a copy of the 2,048 bytes. Immutable:
    any thread may read it.
    Source: docs/protocol.md, "Header" and "Body".
    """

    def __init__(self):
        raise TypeError("a Block is made by decode_block")

    @property
    def block_hash(self):
        return _bytes(self.raw + AT_BLOCK_HASH, 16)

    @property
    def socket_id(self):
        return self.header.socket_id

    @property
    def socket_time_id(self):
        return _bytes(self.raw + AT_SOCKET_TIME_ID, 8)

    @property
    def sender_thread(self):
        return self.header.sender_thread

    @property
    def block_counter(self):
        return self.header.block_counter

    @property
    def data_structure(self):
        return self.header.data_structure

    @property
    def last_flag(self):
        return self.header.last_flag

    @property
    def info_type(self):
        return self.header.info_type

    @property
    def error(self):
        return self.header.error

    @property
    def command_length(self):
        return self.header.command_length

    @property
    def authentication_length(self):
        return self.header.authentication_length

    @property
    def data_length(self):
        return self.header.data_length

    @property
    def segment_count(self):
        return self.header.segment_count

    @property
    def reply_flag(self):
        return self.header.reply_flag

    @property
    def job_location(self):
        return self.header.job_location

    @property
    def job_id(self):
        return self.header.job_id

    @property
    def receivers(self):
        return self.header.receivers

    @property
    def receiver_index(self):
        return self.header.receiver_index

    @property
    def partitions_used(self):
        return self.header.partitions_used

    @property
    def partition_index(self):
        return self.header.partition_index

    @property
    def database_time(self):
        return self.header.database_time

    @property
    def send_time(self):
        return self.header.send_time

    @property
    def source_ip_length(self):
        return self.header.source_ip_length

    @property
    def source_ip(self):
        return _bytes(self.header.source_ip, self.header.source_ip_length)

    @property
    def source_port(self):
        return self.header.source_port

    @property
    def generic_flag(self):
        return self.header.generic_flag

    @property
    def command(self):
        return _bytes(self.header.command, self.header.command_length)

    @property
    def authentication(self):
        return _bytes(self.header.authentication, self.header.authentication_length)

    @property
    def data(self):
        return _bytes(self.header.data, data_part(&self.header))

    def segments(self):
        """Return the row segments as (flag, text); empty unless it is a reply with rows.

        Returns
        -------
        list of tuple of (int, bytes)
            Flag 0 a whole row, 1 a piece with more to come, 2 the last piece.
        """
        cdef Fault fault
        cdef size_t used = 0
        if not carries_rows(&self.header):
            return []
        header_check_rows(&self.header, &used, &fault)  # passed when the block was decoded
        return split_segments(self.header.data, used)

    def __repr__(self):
        return (
            f"<Block {self.block_counter}{' last' if self.last_flag == 1 else ''}"
            f" {self.command.decode()!r} error={self.error} data={len(self.data)} bytes"
            f" source={self.source_ip.decode(errors='replace')}:{self.source_port}>"
        )


cdef list split_segments(const uint8_t* data, size_t length):
    """Return checked segments as a list of (flag, text)."""
    cdef list found = []
    cdef size_t at = 0
    cdef size_t size
    while at < length:
        size = load16(data + at)
        found.append((data[at + 2], _bytes(data + at + SEGMENT_PREFIX_BYTES, size)))
        at += SEGMENT_PREFIX_BYTES + size
    return found


def decode_block(block):
    """Return the checked fields of one block.

    Parameters
    ----------
    block : bytes-like
        2,048 bytes.

    Returns
    -------
    Block

    Raises
    ------
    Truncated
        It is not 2,048 bytes.
    BadHeader
        A length exceeds the block, the command is empty or no UTF-8, the
        counter is 0, or a row segment of a ``job reply`` is not whole.

    Notes
    -----
    Holds the GIL: a block is read in less than a microsecond.
    Source: docs/protocol.md, "Header" and "Body".
    """
    cdef const uint8_t[::1] view = block.cast("B") if PyMemoryView_Check(block) else block
    cdef Fault fault
    cdef size_t used
    cdef Block made
    cdef int status
    if view.shape[0] != BLOCK_BYTES:
        fault.value = view.shape[0]
        fault.limit = BLOCK_BYTES
        raise fault_error(BLOCK_TRUNCATED, &fault)
    made = Block.__new__(Block)
    memcpy(made.raw, &view[0], BLOCK_BYTES)
    status = header_read(made.raw, &made.header, &fault)
    if status == OK and carries_rows(&made.header):
        status = header_check_rows(&made.header, &used, &fault)
    if status != OK:
        raise fault_error(status, &fault)
    return made


def encode_block(Block block not None):
    """Return the 2,048 bytes of a decoded block, with everything undefined set to zero.

    Parameters
    ----------
    block : Block

    Returns
    -------
    bytes
        Equal to the decoded bytes but for the rest of the source address
        field and of the body.
    """
    cdef bytes made = PyBytes_FromStringAndSize(NULL, BLOCK_BYTES)
    cdef uint8_t* raw = <uint8_t*>PyBytes_AS_STRING(made)
    cdef size_t used = HEADER_BYTES + block.header.data_length
    cdef size_t source = AT_SOURCE_IP + block.header.source_ip_length
    memcpy(raw, block.raw, used)
    memset(raw + source, 0, AT_SOURCE_PORT - source)
    memset(raw + used, 0, BLOCK_BYTES - used)
    return made
