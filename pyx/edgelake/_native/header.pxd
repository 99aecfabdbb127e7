# Reading, checking and writing the 207 bytes in front of each block.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from edgelake._native.status cimport Fault

cdef struct Header:
    # A header in the machine's byte order. The four zones at the end point
    # into the block it was read from, and live as long as that.
    uint32_t sender_thread
    uint32_t block_counter
    uint32_t data_length
    uint32_t job_id
    uint32_t database_time
    uint32_t send_time
    uint32_t source_port
    uint16_t socket_id
    uint16_t error
    uint16_t command_length
    uint16_t authentication_length
    uint16_t segment_count
    uint16_t job_location
    uint16_t receivers
    uint16_t receiver_index
    uint16_t partitions_used
    uint16_t partition_index
    uint16_t generic_flag
    uint8_t data_structure
    uint8_t last_flag
    uint8_t info_type
    uint8_t reply_flag
    uint8_t source_ip_length
    const uint8_t* source_ip
    const uint8_t* command
    const uint8_t* authentication
    const uint8_t* data

cdef inline uint16_t load16(const uint8_t* at) noexcept nogil:
    return <uint16_t>((at[0] << 8) | at[1])

cdef inline uint32_t load32(const uint8_t* at) noexcept nogil:
    return (<uint32_t>at[0] << 24) | (<uint32_t>at[1] << 16) | (<uint32_t>at[2] << 8) | at[3]

cdef inline void store16(uint8_t* at, uint16_t value) noexcept nogil:
    at[0] = <uint8_t>(value >> 8)
    at[1] = <uint8_t>(value & 0xff)

cdef inline void store32(uint8_t* at, uint32_t value) noexcept nogil:
    at[0] = <uint8_t>(value >> 24)
    at[1] = <uint8_t>((value >> 16) & 0xff)
    at[2] = <uint8_t>((value >> 8) & 0xff)
    at[3] = <uint8_t>(value & 0xff)

cdef inline bint is_continuation(uint8_t byte) noexcept nogil:
    return (byte & 0xc0) == 0x80

cdef inline size_t data_part(const Header* header) noexcept nogil:
    return header.data_length - header.command_length - header.authentication_length

cdef int header_read(const uint8_t* block, Header* header, Fault* fault) noexcept nogil
cdef int header_check_rows(
    const Header* header, size_t* used, Fault* fault
) noexcept nogil
cdef bint carries_rows(const Header* header) noexcept nogil
cdef void header_write(uint8_t* block, const Header* header) noexcept nogil
cdef size_t text_fault(const uint8_t* text, size_t length) noexcept nogil
cdef size_t text_cut(const uint8_t* text, size_t length, size_t room) noexcept nogil
