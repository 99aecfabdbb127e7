"""Joining the blocks of one connection into messages."""

cimport cython
from cpython.memoryview cimport PyMemoryView_Check
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from edgelake._native cimport atomic
from edgelake._native.header cimport (
    Header,
    carries_rows,
    data_part,
    header_check_rows,
    header_read,
)
from edgelake._native.message cimport (
    data_zone,
    message_begin,
    message_free_all,
    message_resize,
    message_object,
    size_bytes,
)
from edgelake._native.status cimport (
    ASSEMBLY_FULL,
    BLOCK_TRUNCATED,
    COUNTER_WRONG,
    DONE,
    MEMORY_SHORT,
    MESSAGE_TOO_LARGE,
    OK,
    STRUCTURE_CHANGED,
    fault_error,
)
from edgelake._native.wire cimport *

from edgelake import limits as _limits
from edgelake.errors import Truncated

cdef enum:
    SPARE_BYTES = 65536         # less is not worth a call to give it back


cdef int assembly_take(
    Assembly* assembly,
    const uint8_t* block,
    AssemblyLimits* limits,
    RawMessage** whole,
    Fault* fault,
) noexcept nogil:
    """Add a block of 2,048 bytes whose header was not read yet; see `assembly_add`."""
    cdef Header header
    cdef int status = header_read(block, &header, fault)
    if status != OK:
        return status
    return assembly_add(assembly, &header, limits, whole, fault)


cdef int assembly_add(
    Assembly* assembly,
    const Header* header,
    AssemblyLimits* limits,
    RawMessage** whole,
    Fault* fault,
) noexcept nogil:
    """Add a block by its checked header.

    Returns DONE and the message, which is then the caller's, OK when more
    blocks follow, or a fault; after a fault the assembly is only fit to be
    dropped.
    """
    cdef RawMessage* message = assembly.message
    cdef size_t length
    cdef uint32_t expected = message.blocks + 1 if message != NULL else 1
    cdef int status
    if header.block_counter != expected:
        fault.value = header.block_counter
        fault.limit = expected
        return COUNTER_WRONG
    length = data_part(header)
    if carries_rows(header):
        # Bytes after the counted segments are no part of the result.
        status = header_check_rows(header, &length, fault)
        if status != OK:
            return status
    elif message != NULL and message.rows:
        if header.error != 0:
            length = 0
        elif length != 0:
            fault.value = header.data_structure
            fault.limit = DATA_IS_ROWS
            return STRUCTURE_CHANGED
    status = _append(assembly, header, length, limits, fault)
    if status != OK:
        return status
    message = assembly.message
    message.error = header.error
    message.database_time = header.database_time
    message.send_time = header.send_time
    if header.last_flag != 1:
        return OK
    if message.blocks > 1:
        atomic.add(&limits.held_bytes, -<int64_t>size_bytes(message))
        message = _fitted(message)
    assembly.message = NULL
    whole[0] = message
    return DONE


cdef inline RawMessage* _fitted(RawMessage* message) noexcept nogil:
    # A message may wait long in the queue; what doubling left over may be as
    # large as itself.
    cdef size_t used = <size_t>(data_zone(message) - <uint8_t*>(message + 1))
    cdef RawMessage* smaller
    used += message.data_length
    if message.capacity - used < SPARE_BYTES:
        return message
    smaller = message_resize(message, used)
    return message if smaller == NULL else smaller


cdef int _append(
    Assembly* assembly, const Header* header, size_t length, AssemblyLimits* limits, Fault* fault
) noexcept nogil:
    cdef RawMessage* message = assembly.message
    cdef int status
    if message == NULL:
        if length > limits.message_bytes:
            return _too_large(length, limits, fault)
        message = message_begin(header, length)
        if message == NULL:
            fault.value = <int64_t>length
            return MEMORY_SHORT
        message.rows = carries_rows(header)
        assembly.message = message
        if header.last_flag != 1:
            # A message of one block is never unfinished, so it need not be counted.
            status = _hold(size_bytes(message), limits, fault)
            if status != OK:
                message_free_all(message)
                assembly.message = NULL
                return status
    elif carries_rows(header) and not message.rows:
        fault.value = header.data_structure
        fault.limit = message.data_structure
        return STRUCTURE_CHANGED
    else:
        status = _make_room(assembly, length, limits, fault)
        if status != OK:
            return status
        message = assembly.message
    memcpy(data_zone(message) + message.data_length, header.data, length)
    message.data_length += length
    message.blocks += 1
    return OK


cdef inline int _too_large(size_t length, AssemblyLimits* limits, Fault* fault) noexcept nogil:
    fault.value = <int64_t>length
    fault.limit = <int64_t>limits.message_bytes
    return MESSAGE_TOO_LARGE


cdef int _hold(size_t more, AssemblyLimits* limits, Fault* fault) noexcept nogil:
    cdef int64_t held = atomic.add(&limits.held_bytes, <int64_t>more)
    if held <= limits.assembly_bytes:
        return OK
    atomic.add(&limits.held_bytes, -<int64_t>more)
    fault.value = held
    fault.limit = limits.assembly_bytes
    return ASSEMBLY_FULL


cdef int _make_room(
    Assembly* assembly, size_t length, AssemblyLimits* limits, Fault* fault
) noexcept nogil:
    """Let the message have room for ``length`` more bytes, doubling its memory."""
    cdef RawMessage* message = assembly.message
    cdef size_t fixed = <size_t>(data_zone(message) - <uint8_t*>(message + 1))
    cdef size_t data = message.data_length + length
    cdef size_t capacity
    cdef int status
    if data > limits.message_bytes:
        return _too_large(data, limits, fault)
    if fixed + data <= message.capacity:
        return OK
    capacity = fixed + data
    if capacity < 2 * message.capacity:
        capacity = 2 * message.capacity
    if capacity > fixed + limits.message_bytes:
        capacity = fixed + limits.message_bytes
    status = _hold(capacity - message.capacity, limits, fault)
    if status != OK:
        return status
    message = message_resize(assembly.message, capacity)
    if message == NULL:
        atomic.add(
            &limits.held_bytes, <int64_t>assembly.message.capacity - <int64_t>capacity
        )
        fault.value = <int64_t>capacity
        return MEMORY_SHORT
    assembly.message = message
    return OK


cdef void assembly_drop(Assembly* assembly, AssemblyLimits* limits) noexcept nogil:
    """Give up an unfinished message; nothing happens without one."""
    if assembly.message != NULL:
        atomic.add(&limits.held_bytes, -<int64_t>size_bytes(assembly.message))
        message_free_all(assembly.message)
        assembly.message = NULL


@cython.final
cdef class Assembler:
    """Joins the blocks of one connection into messages, without a socket.

    Parameters
    ----------
    max_message_bytes : int
        Most data of one message, in bytes.

    Notes
    -----
    Owns the memory of its unfinished message. One thread at a time.
    Source: docs/protocol.md, "Messages of several blocks".
    """

    cdef Assembly assembly
    cdef AssemblyLimits limits
    cdef uint8_t partial[BLOCK_BYTES]
    cdef size_t partial_length
    cdef object failure

    def __cinit__(self, max_message_bytes=_limits.MAX_MESSAGE_BYTES):
        if max_message_bytes < 1:
            raise ValueError(f"max_message_bytes {max_message_bytes} is below 1")
        self.limits.message_bytes = max_message_bytes
        self.limits.assembly_bytes = INT64_MAX

    def __dealloc__(self):
        assembly_drop(&self.assembly, &self.limits)

    def feed(self, data):
        """Add received bytes and return the messages they complete.

        Parameters
        ----------
        data : bytes-like
            Any number of bytes; a block may come in parts.

        Returns
        -------
        list of Message

        Raises
        ------
        BadHeader, MessageTooLarge
            A block breaks the protocol. Messages completed by the same bytes
            are returned first; the error is raised by the next call, and by
            all calls after it.
        """
        cdef const uint8_t[::1] view = data.cast("B") if PyMemoryView_Check(data) else data
        cdef size_t left = <size_t>view.shape[0]
        cdef size_t part
        cdef list found = []
        cdef const uint8_t* at = &view[0] if left else NULL
        if self.failure is not None:
            raise self.failure
        while left and self.failure is None:
            if self.partial_length == 0 and left >= BLOCK_BYTES:
                self._take(at, found)
                part = BLOCK_BYTES
            else:
                part = min(left, <size_t>BLOCK_BYTES - self.partial_length)
                memcpy(self.partial + self.partial_length, at, part)
                self.partial_length += part
                if self.partial_length == BLOCK_BYTES:
                    self.partial_length = 0
                    self._take(self.partial, found)
            at += part
            left -= part
        if self.failure is not None and not found:
            raise self.failure
        return found

    cdef int _take(self, const uint8_t* block, list found) except -1:
        cdef RawMessage* whole = NULL
        cdef Fault fault
        cdef int status = assembly_take(&self.assembly, block, &self.limits, &whole, &fault)
        if status == DONE:
            try:
                found.append(message_object(whole))
            finally:
                message_free_all(whole)
        elif status != OK:
            assembly_drop(&self.assembly, &self.limits)
            self.partial_length = 0
            self.failure = fault_error(status, &fault)
        return 0

    def finish(self):
        """Tell that no more bytes come.

        Raises
        ------
        Truncated
            The bytes ended inside a block or a message.
        """
        cdef Fault fault
        if self.failure is not None:
            raise self.failure
        if self.partial_length:
            fault.value = <int64_t>self.partial_length
            fault.limit = BLOCK_BYTES
            raise fault_error(BLOCK_TRUNCATED, &fault)
        if self.assembly.message != NULL:
            raise Truncated(f"message ends after block {self.assembly.message.blocks}")
