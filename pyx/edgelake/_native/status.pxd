# Results of C functions, and the one table that turns them into exceptions.
from libc.stdint cimport int64_t

cdef enum Status:
    DONE = 1                # a message is whole
    OK = 0
    # What a peer can do wrong, in the order of the table in status.pyx.
    SOURCE_IP_TOO_LONG = -1
    COMMAND_EMPTY = -2
    COMMAND_TOO_LONG = -3
    AUTHENTICATION_TOO_LONG = -4
    DATA_TOO_LONG = -5
    COUNTER_WRONG = -6
    COMMAND_NOT_TEXT = -7
    SEGMENT_TOO_LONG = -8
    SEGMENT_FLAG_WRONG = -9
    STRUCTURE_CHANGED = -10
    MESSAGE_TOO_LARGE = -11
    BLOCK_TRUNCATED = -12
    SESSION_KIND = -15
    SESSION_COUNT = -16
    SESSION_LOST = -17
    SESSION_FULL = -18
    # What is short on this side.
    ASSEMBLY_FULL = -13
    MEMORY_SHORT = -14

cdef struct Fault:
    # The value that was found and the limit or value it breaks; the meaning
    # depends on the status (see the table).
    int64_t value
    int64_t limit

cdef object fault_error(int status, const Fault* fault)
