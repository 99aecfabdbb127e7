"""The only table that knows which exception stands for which C status."""

from edgelake.errors import BadHeader, MessageTooLarge, Overloaded, Truncated

cdef dict _TABLE = {
    SOURCE_IP_TOO_LONG: (BadHeader, "source address length {value} exceeds {limit}"),
    COMMAND_EMPTY: (BadHeader, "command length {value} is below {limit}"),
    COMMAND_TOO_LONG: (BadHeader, "command length {value} exceeds data length {limit}"),
    AUTHENTICATION_TOO_LONG: (
        BadHeader,
        "authentication length {value} exceeds the {limit} bytes after the command",
    ),
    DATA_TOO_LONG: (BadHeader, "data length {value} exceeds {limit}"),
    COUNTER_WRONG: (BadHeader, "block counter {value} is not {limit}"),
    COMMAND_NOT_TEXT: (BadHeader, "byte {value} of the command is not UTF-8"),
    SEGMENT_TOO_LONG: (BadHeader, "segment of {value} bytes exceeds the {limit} left in its block"),
    SEGMENT_FLAG_WRONG: (BadHeader, "segment flag {value} exceeds {limit}"),
    STRUCTURE_CHANGED: (BadHeader, "data structure {value} of a later block is not {limit}"),
    MESSAGE_TOO_LARGE: (MessageTooLarge, "message of {value} bytes exceeds {limit}"),
    BLOCK_TRUNCATED: (Truncated, "{value} bytes are not a block of {limit}"),
    SESSION_KIND: (BadHeader, "block of kind {value} has no place in a session there"),
    SESSION_COUNT: (BadHeader, "count {value} exceeds the {limit} messages sent"),
    SESSION_FULL: (Overloaded, "answers that peers do not take exceed {limit} bytes"),
    SESSION_LOST: (Truncated, "the session ended"),
    ASSEMBLY_FULL: (Overloaded, "{value} bytes of unfinished messages exceed {limit}"),
}


cdef object fault_error(int status, const Fault* fault):
    """Return the exception of a status; the caller raises it."""
    if status == MEMORY_SHORT:
        return MemoryError(f"no memory for {fault.value} bytes")
    kind, text = _TABLE[status]
    return kind(text.format(value=fault.value, limit=fault.limit))
