# cython: boundscheck=False, wraparound=False
"""Fuzz target: the frame parser and the assembler.

The first bytes choose the limits. Then the input is either a stream that is
cut into blocks, or a list of short orders that make blocks which are nearly
right. What comes out is compared with what went in, byte by byte.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from edgelake._native.assembler cimport (
    Assembly,
    AssemblyLimits,
    assembly_drop,
    assembly_take,
)
from edgelake._native.header cimport load16, load32, store16, store32
from edgelake._native.message cimport (
    RawMessage,
    authentication_zone,
    command_zone,
    data_zone,
    message_free_all,
    size_bytes,
    source_zone,
)
from edgelake._native.status cimport DONE, OK, Fault
from edgelake._native.wire cimport *

from tests.fuzz.kernel cimport *
from tests.fuzz.source cimport Source, byte, fill, number

cdef enum:
    MOST_DATA = 1 << 20

cdef uint8_t[MOST_DATA] _joined     # the data of the unfinished message
cdef size_t _length
cdef uint32_t _blocks
cdef uint8_t[BLOCK_BYTES] _first    # its first block


cdef int _nothing(int64_t _timeout_ms) noexcept nogil:
    return 0


cdef void _make(Source* source, uint8_t* block, uint32_t counter) noexcept nogil:
    """Make a block that is right but for what the input changes."""
    cdef uint8_t order = byte(source)
    cdef uint32_t command = 1 + byte(source) % 12
    cdef uint32_t authentication = byte(source) % 8 if order & 4 else 0
    cdef uint32_t data = number(source) % (BODY_BYTES - command - authentication + 1)
    cdef uint32_t changes = order >> 6
    memset(block, c"a", BLOCK_BYTES)
    memset(block, 0, HEADER_BYTES)
    store32(block + AT_BLOCK_COUNTER, counter)
    block[AT_LAST_FLAG] = order & 1
    if order & 2:
        # The result of a query.
        command = 9
        data = data % (BODY_BYTES - command - authentication + 1)
        memcpy(block + HEADER_BYTES, <const char*>"job reply", 9)
        block[AT_DATA_STRUCTURE] = DATA_IS_ROWS
        store16(block + AT_SEGMENT_COUNT, byte(source) % 4)
    store16(block + AT_COMMAND_LENGTH, <unsigned short>command)
    store16(block + AT_AUTHENTICATION_LENGTH, <unsigned short>authentication)
    store32(block + AT_DATA_LENGTH, command + authentication + data)
    if order & 8:
        block[AT_SOURCE_IP_LENGTH] = <uint8_t>(byte(source) % 140)
    if order & 16:
        fill(source, block + HEADER_BYTES, byte(source))
    if order & 32:
        # Where row segments begin.
        fill(source, block + HEADER_BYTES + command + authentication, byte(source) % 16)
    while changes:
        block[number(source) % (HEADER_BYTES + 16)] = byte(source)
        changes -= 1


cdef void _check_text(const uint8_t* text, size_t length) noexcept nogil:
    """Decode UTF-8 the long way: number by number."""
    cdef size_t at = 0
    cdef size_t more
    cdef size_t step
    cdef uint32_t value
    cdef uint32_t least
    while at < length:
        value = text[at]
        more = 0
        least = 0
        if value >= 0x80:
            more = 1 if value < 0xe0 else 2 if value < 0xf0 else 3
            least = 0x80 if more == 1 else 0x800 if more == 2 else 0x10000
            kernel_check(value >= 0xc0 and value < 0xf8, "a byte that begins nothing")
            value &= 0x3f >> more
        kernel_check(at + more < length, "a character without its end")
        for step in range(1, more + 1):
            kernel_check(text[at + step] >> 6 == 2, "a character without its middle")
            value = value << 6 | (text[at + step] & 0x3f)
        kernel_check(value >= least and value < 0x110000, "a number too long or too large")
        kernel_check(not 0xd800 <= value < 0xe000, "half a character")
        at += more + 1


cdef size_t _rows_length(const uint8_t* data, size_t room, uint32_t segments) noexcept nogil:
    cdef size_t at = 0
    while segments:
        kernel_check(at + SEGMENT_PREFIX_BYTES <= room, "a segment outside")
        kernel_check(data[at + 2] <= 2, "a segment's flag")
        at += SEGMENT_PREFIX_BYTES + load16(data + at)
        kernel_check(at <= room, "a segment outside")
        segments -= 1
    return at


cdef void _note(const uint8_t* block, bint rows) noexcept nogil:
    """Add a block that was taken to what is expected."""
    global _length, _blocks
    cdef size_t command = load16(block + AT_COMMAND_LENGTH)
    cdef size_t authentication = load16(block + AT_AUTHENTICATION_LENGTH)
    cdef size_t used = load32(block + AT_DATA_LENGTH)
    cdef const uint8_t* data = block + HEADER_BYTES + command + authentication
    cdef size_t length = used - command - authentication
    cdef bint is_rows = (
        block[AT_DATA_STRUCTURE] == DATA_IS_ROWS
        and load16(block + AT_ERROR) == 0
        and command == 9
        and memcmp(block + HEADER_BYTES, <const char*>"job reply", 9) == 0
    )
    kernel_check(used <= BODY_BYTES, "more than a body")
    kernel_check(command >= 1 and command + authentication <= used, "lengths")
    kernel_check(block[AT_SOURCE_IP_LENGTH] <= MAX_SOURCE_IP_BYTES, "length of the address")
    kernel_check(load32(block + AT_BLOCK_COUNTER) == _blocks + 1, "order of the blocks")
    _check_text(block + HEADER_BYTES, command)
    if is_rows:
        length = _rows_length(data, length, load16(block + AT_SEGMENT_COUNT))
    elif rows:
        kernel_check(load16(block + AT_ERROR) != 0 or length == 0, "bytes between rows")
        length = 0
    if _blocks == 0:
        memcpy(_first, block, BLOCK_BYTES)
    kernel_check(_length + length <= MOST_DATA, "the target has too little room")
    memcpy(_joined + _length, data, length)
    _length += length
    _blocks += 1


cdef void _check_whole(RawMessage* message, const uint8_t* last) noexcept nogil:
    cdef size_t command = load16(_first + AT_COMMAND_LENGTH)
    cdef size_t authentication = load16(_first + AT_AUTHENTICATION_LENGTH)
    kernel_check(message.blocks == _blocks, "blocks")
    kernel_check(message.data_length == _length, "length of the data")
    kernel_check(memcmp(data_zone(message), _joined, _length) == 0, "data")
    kernel_check(message.command_length == command, "length of the command")
    kernel_check(memcmp(command_zone(message), _first + HEADER_BYTES, command) == 0, "command")
    kernel_check(message.authentication_length == authentication, "length of the authentication")
    kernel_check(
        memcmp(authentication_zone(message), _first + HEADER_BYTES + command, authentication) == 0,
        "authentication",
    )
    kernel_check(message.source_ip_length == _first[AT_SOURCE_IP_LENGTH], "length of the source")
    kernel_check(
        memcmp(source_zone(message), _first + AT_SOURCE_IP, message.source_ip_length) == 0,
        "source",
    )
    kernel_check(message.job_id == load32(_first + AT_JOB_ID), "job")
    kernel_check(message.error == load16(last + AT_ERROR), "error")
    kernel_check(message.send_time == load32(last + AT_SEND_TIME), "time")


cdef bint _take(
    Assembly* assembly, AssemblyLimits* limits, const uint8_t* block
) noexcept nogil:
    """Give the assembler a block; False when it ended the connection."""
    global _length, _blocks
    cdef RawMessage* whole = NULL
    cdef RawMessage* message
    cdef Fault fault
    cdef bint rows = assembly.message != NULL and assembly.message.rows
    cdef int status = assembly_take(assembly, block, limits, &whole, &fault)
    message = assembly.message
    kernel_check(
        limits.held_bytes == (<int64_t>size_bytes(message) if message != NULL else 0)
        or status < OK,
        "memory is counted wrong",
    )
    kernel_check(limits.held_bytes <= limits.assembly_bytes, "more memory than allowed")
    if status < OK:
        return False
    _note(block, rows)
    kernel_check(_length <= limits.message_bytes, "a message larger than allowed")
    kernel_check((status == DONE) == (block[AT_LAST_FLAG] == 1), "the end of a message")
    if status == DONE:
        kernel_check(whole != NULL and message == NULL, "a whole message is given away")
        _check_whole(whole, block)
        message_free_all(whole)
        _length = 0
        _blocks = 0
    else:
        kernel_check(message != NULL and message.data_length == _length, "what is there")
        kernel_check(memcmp(data_zone(message), _joined, _length) == 0, "data so far")
    return True


cdef int fuzz_one(const uint8_t* data, size_t size) noexcept nogil:
    global _length, _blocks
    cdef Source source
    cdef Assembly assembly
    cdef AssemblyLimits limits
    cdef uint8_t[BLOCK_BYTES] block
    cdef uint8_t* exact
    cdef uint8_t how
    cdef bint goes_on = True
    cdef int blocks = 0
    source.at = data
    source.left = size
    memset(&assembly, 0, sizeof(assembly))
    memset(block, 0, sizeof(block))
    _length = 0
    _blocks = 0
    kernel_begin(_nothing)
    how = byte(&source)
    limits.message_bytes = 1 + (number(&source) << (how >> 5))
    limits.assembly_bytes = 1 + (number(&source) << (how >> 3 & 3))
    limits.held_bytes = 0
    if how & 2:
        kernel_fail(FAIL_MEMORY, 1 + byte(&source) % 16, 0)
    while goes_on and source.left and blocks < 256:
        blocks += 1
        if how & 1:
            fill(&source, block, BLOCK_BYTES)
        else:
            _make(&source, block, _blocks + 1)
        # Not a byte more than a block can be read from here.
        exact = <uint8_t*>malloc(BLOCK_BYTES)
        if exact == NULL:
            break
        memcpy(exact, block, BLOCK_BYTES)
        goes_on = _take(&assembly, &limits, exact)
        free(exact)
    assembly_drop(&assembly, &limits)
    kernel_check(assembly.message == NULL, "a dropped message")
    kernel_check(limits.held_bytes == 0, "memory is still counted")
    kernel_end(0)
    return 0
