# Joining the blocks of one connection into messages; C only, no GIL.
from libc.stdint cimport int64_t, uint8_t

from edgelake._native.header cimport Header
from edgelake._native.message cimport RawMessage
from edgelake._native.status cimport Fault

cdef struct AssemblyLimits:
    size_t message_bytes         # most memory of one message
    int64_t assembly_bytes       # most memory of all unfinished ones
    int64_t held_bytes           # what they hold now; shared by all threads, atomic

cdef struct Assembly:
    # The unfinished message of one connection; its owner is the connection.
    RawMessage* message

cdef int assembly_take(
    Assembly* assembly,
    const uint8_t* block,
    AssemblyLimits* limits,
    RawMessage** whole,
    Fault* fault,
) noexcept nogil
cdef int assembly_add(
    Assembly* assembly,
    const Header* header,
    AssemblyLimits* limits,
    RawMessage** whole,
    Fault* fault,
) noexcept nogil
cdef void assembly_drop(Assembly* assembly, AssemblyLimits* limits) noexcept nogil
