# A whole message: as C memory on its way up, as an object above.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from edgelake._native.header cimport Header

cdef struct RawMessage:
    # One allocation: this struct, then source address, command,
    # authentication and data. Owner: the assembly that fills it, then the
    # queue, then the thread that makes a Message of it.
    RawMessage* next
    size_t capacity             # bytes after the struct
    size_t data_length
    int64_t arrived_ns          # monotonic time at which it was whole
    uint64_t session            # by which it came, 0 for none
    uint32_t blocks
    uint32_t job_id
    uint32_t database_time
    uint32_t send_time
    uint32_t source_port
    uint32_t peer_ip            # network byte order
    uint16_t peer_port
    uint16_t command_length
    uint16_t authentication_length
    uint16_t error
    uint16_t generic_flag
    uint16_t job_location
    uint16_t receivers
    uint16_t receiver_index
    uint16_t partitions_used
    uint16_t partition_index
    uint8_t source_ip_length
    uint8_t info_type
    uint8_t data_structure
    uint8_t rows                # the data is row segments

cdef inline uint8_t* source_zone(RawMessage* message) noexcept nogil:
    return <uint8_t*>(message + 1)

cdef inline uint8_t* command_zone(RawMessage* message) noexcept nogil:
    return source_zone(message) + message.source_ip_length

cdef inline uint8_t* authentication_zone(RawMessage* message) noexcept nogil:
    return command_zone(message) + message.command_length

cdef inline uint8_t* data_zone(RawMessage* message) noexcept nogil:
    return authentication_zone(message) + message.authentication_length

cdef inline size_t size_bytes(const RawMessage* message) noexcept nogil:
    return sizeof(RawMessage) + message.capacity

cdef RawMessage* message_begin(const Header* header, size_t data_length) noexcept nogil
cdef RawMessage* message_resize(RawMessage* message, size_t capacity) noexcept nogil
cdef void message_free_all(RawMessage* first) noexcept nogil


cdef class Message:
    cdef readonly bytes source_ip
    cdef readonly bytes command
    cdef readonly bytes authentication
    cdef readonly bytes data
    cdef readonly uint32_t blocks
    cdef readonly uint32_t job_id
    cdef readonly uint32_t database_time
    cdef readonly uint32_t send_time
    cdef readonly uint32_t source_port
    cdef readonly uint16_t peer_port
    cdef readonly uint16_t error
    cdef readonly uint16_t generic_flag
    cdef readonly uint16_t job_location
    cdef readonly uint16_t receivers
    cdef readonly uint16_t receiver_index
    cdef readonly uint16_t partitions_used
    cdef readonly uint16_t partition_index
    cdef readonly uint8_t info_type
    cdef readonly uint8_t data_structure
    cdef readonly uint64_t session
    cdef int64_t arrived_ns
    cdef uint32_t _peer_ip
    cdef bint _rows

cdef Message message_object(RawMessage* raw)
