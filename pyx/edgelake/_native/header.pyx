# cython: boundscheck=False, wraparound=False
"""Reading, checking and writing of block headers; C only, no GIL.

Every length is compared with what is there before it is used.
Source: docs/protocol.md, "Header" and "Body".
"""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp, memcpy

from edgelake._native.status cimport (
    AUTHENTICATION_TOO_LONG,
    COMMAND_EMPTY,
    COMMAND_NOT_TEXT,
    COMMAND_TOO_LONG,
    COUNTER_WRONG,
    DATA_TOO_LONG,
    OK,
    SEGMENT_FLAG_WRONG,
    SEGMENT_TOO_LONG,
    SOURCE_IP_TOO_LONG,
)
from edgelake._native.wire cimport *


cdef inline int _fault(int status, Fault* fault, size_t value, size_t limit) noexcept nogil:
    fault.value = <int64_t>value
    fault.limit = <int64_t>limit
    return status


cdef int header_read(const uint8_t* block, Header* header, Fault* fault) noexcept nogil:
    """Read and check the header of 2,048 bytes; row segments are checked apart."""
    header.sender_thread = load32(block + AT_SENDER_THREAD)
    header.block_counter = load32(block + AT_BLOCK_COUNTER)
    header.data_length = load32(block + AT_DATA_LENGTH)
    header.job_id = load32(block + AT_JOB_ID)
    header.database_time = load32(block + AT_DATABASE_TIME)
    header.send_time = load32(block + AT_SEND_TIME)
    header.source_port = load32(block + AT_SOURCE_PORT)
    header.socket_id = load16(block + AT_SOCKET_ID)
    header.error = load16(block + AT_ERROR)
    header.command_length = load16(block + AT_COMMAND_LENGTH)
    header.authentication_length = load16(block + AT_AUTHENTICATION_LENGTH)
    header.segment_count = load16(block + AT_SEGMENT_COUNT)
    header.job_location = load16(block + AT_JOB_LOCATION)
    header.receivers = load16(block + AT_RECEIVERS)
    header.receiver_index = load16(block + AT_RECEIVER_INDEX)
    header.partitions_used = load16(block + AT_PARTITIONS_USED)
    header.partition_index = load16(block + AT_PARTITION_INDEX)
    header.generic_flag = load16(block + AT_GENERIC_FLAG)
    header.data_structure = block[AT_DATA_STRUCTURE]
    header.last_flag = block[AT_LAST_FLAG]
    header.info_type = block[AT_INFO_TYPE]
    header.reply_flag = block[AT_REPLY_FLAG]
    header.source_ip_length = block[AT_SOURCE_IP_LENGTH]
    return _check(block, header, fault)


cdef int _check(const uint8_t* block, Header* header, Fault* fault) noexcept nogil:
    cdef size_t command = header.command_length
    cdef size_t authentication = header.authentication_length
    cdef size_t data = header.data_length
    cdef size_t bad
    if header.source_ip_length > MAX_SOURCE_IP_BYTES:
        return _fault(
            SOURCE_IP_TOO_LONG, fault, header.source_ip_length, MAX_SOURCE_IP_BYTES
        )
    if data > BODY_BYTES:
        return _fault(DATA_TOO_LONG, fault, data, BODY_BYTES)
    if command < 1:
        return _fault(COMMAND_EMPTY, fault, command, 1)
    if command > data:
        return _fault(COMMAND_TOO_LONG, fault, command, data)
    if authentication > data - command:
        return _fault(AUTHENTICATION_TOO_LONG, fault, authentication, data - command)
    if header.block_counter < 1:
        return _fault(COUNTER_WRONG, fault, header.block_counter, 1)
    header.source_ip = block + AT_SOURCE_IP
    header.command = block + HEADER_BYTES
    header.authentication = header.command + command
    header.data = header.authentication + authentication
    bad = text_fault(header.command, command)
    if bad < command:
        return _fault(COMMAND_NOT_TEXT, fault, bad, 0)
    return OK


cdef bint carries_rows(const Header* header) noexcept nogil:
    """Tell whether the data is row segments; requests may carry the mark by mistake."""
    return (
        header.data_structure == DATA_IS_ROWS
        and header.error == 0
        and header.command_length == 9
        and memcmp(header.command, <const char*>"job reply", 9) == 0
    )


cdef int header_check_rows(const Header* header, size_t* used, Fault* fault) noexcept nogil:
    """Check `segment_count` segments; ``used`` gets their bytes, prefixes included."""
    cdef size_t room = data_part(header)
    cdef size_t at = 0
    cdef size_t length
    cdef int _number
    for _number in range(header.segment_count):
        if room - at < SEGMENT_PREFIX_BYTES:
            return _fault(SEGMENT_TOO_LONG, fault, SEGMENT_PREFIX_BYTES, room - at)
        length = load16(header.data + at)
        if header.data[at + 2] > ROW_LAST_PIECE:
            return _fault(SEGMENT_FLAG_WRONG, fault, header.data[at + 2], ROW_LAST_PIECE)
        at += SEGMENT_PREFIX_BYTES
        if length > room - at:
            return _fault(SEGMENT_TOO_LONG, fault, length, room - at)
        at += length
    used[0] = at
    return OK


cdef void header_write(uint8_t* block, const Header* header) noexcept nogil:
    """Write a header into a zeroed block; the zones of the body are the caller's."""
    store16(block + AT_SOCKET_ID, header.socket_id)
    store32(block + AT_SENDER_THREAD, header.sender_thread)
    store32(block + AT_BLOCK_COUNTER, header.block_counter)
    block[AT_DATA_STRUCTURE] = header.data_structure
    block[AT_LAST_FLAG] = header.last_flag
    block[AT_INFO_TYPE] = header.info_type
    store16(block + AT_ERROR, header.error)
    store16(block + AT_COMMAND_LENGTH, header.command_length)
    store16(block + AT_AUTHENTICATION_LENGTH, header.authentication_length)
    store32(block + AT_DATA_LENGTH, header.data_length)
    store16(block + AT_SEGMENT_COUNT, header.segment_count)
    block[AT_REPLY_FLAG] = header.reply_flag
    store16(block + AT_JOB_LOCATION, header.job_location)
    store32(block + AT_JOB_ID, header.job_id)
    store16(block + AT_RECEIVERS, header.receivers)
    store16(block + AT_RECEIVER_INDEX, header.receiver_index)
    store16(block + AT_PARTITIONS_USED, header.partitions_used)
    store16(block + AT_PARTITION_INDEX, header.partition_index)
    store32(block + AT_DATABASE_TIME, header.database_time)
    store32(block + AT_SEND_TIME, header.send_time)
    block[AT_SOURCE_IP_LENGTH] = header.source_ip_length
    if header.source_ip_length:
        memcpy(block + AT_SOURCE_IP, header.source_ip, header.source_ip_length)
    store32(block + AT_SOURCE_PORT, header.source_port)
    store16(block + AT_GENERIC_FLAG, header.generic_flag)


cdef size_t text_fault(const uint8_t* text, size_t length) noexcept nogil:
    """Return the offset of the first byte that breaks UTF-8 (RFC 3629), or ``length``."""
    cdef size_t at = 0
    cdef size_t more
    cdef size_t step
    cdef uint8_t first
    cdef uint8_t low
    cdef uint8_t high
    while at < length:
        first = text[at]
        if first < 0x80:
            at += 1
            continue
        # The second byte's range keeps out overlong forms, surrogates and
        # numbers above U+10FFFF; all later bytes are 80..BF.
        low = 0x80
        high = 0xbf
        if 0xc2 <= first <= 0xdf:
            more = 1
        elif 0xe0 <= first <= 0xef:
            more = 2
            if first == 0xe0:
                low = 0xa0
            elif first == 0xed:
                high = 0x9f
        elif 0xf0 <= first <= 0xf4:
            more = 3
            if first == 0xf0:
                low = 0x90
            elif first == 0xf4:
                high = 0x8f
        else:
            return at
        if more >= length - at or not low <= text[at + 1] <= high:
            return at
        for step in range(2, more + 1):
            if not is_continuation(text[at + step]):
                return at
        at += more + 1
    return length


cdef size_t text_cut(const uint8_t* text, size_t length, size_t room) noexcept nogil:
    """Return how many bytes fit into ``room`` without splitting a character.

    Bytes that are no UTF-8 are cut at ``room``: a character has at most three
    bytes after its first.
    """
    cdef size_t cut
    if length <= room:
        return length
    cut = room
    while cut > 0 and room - cut < 4 and is_continuation(text[cut]):
        cut -= 1
    if room - cut >= 4 or is_continuation(text[cut]):
        return room
    return cut
