"""The marks by which two of our nodes find each other on a connection; C only, no GIL.

Existing nodes ignore the fields used here, but may send back what they got,
or send it on to others. So each mark is bound by its tag to who opened the
connection, to where it leads, and to a nonce.
Source: docs/protocol.md, "Sessions".
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from edgelake._native.header cimport load16, load32, store16, store32
from edgelake._native.posix cimport getrandom
from edgelake._native.siphash cimport siphash
from edgelake._native.wire cimport *

cdef enum:
    TAG_BYTES = 8
    # kind, length, source address, its port, address and port of the destination
    MOST_BYTES = 1 + 1 + MAX_SOURCE_IP_BYTES + 4 + 4 + 2
    COMMAND_BYTES = 7

cdef const char* _PURPOSE = "EdgeLake"
cdef const char* _COMMAND = "session"


cdef bint nonce_make(uint8_t* nonce) noexcept nogil:
    """Draw a nonce that is not zero; False when the system has no randomness now."""
    memset(nonce, 0, NONCE_BYTES)
    while not is_announced(nonce):
        if getrandom(nonce, NONCE_BYTES, 0) != NONCE_BYTES:
            return False
    return True


cdef void _tag(
    uint8_t* tag, const uint8_t* nonce, int kind, const Source* source, const Place* to
) noexcept nogil:
    cdef uint8_t[16] key
    cdef uint8_t[MOST_BYTES] text
    cdef size_t at = 2
    cdef uint64_t value
    cdef int n
    memcpy(key, nonce, NONCE_BYTES)
    memcpy(&key[NONCE_BYTES], _PURPOSE, 8)
    text[0] = <uint8_t>kind
    text[1] = source.ip_length
    memcpy(&text[at], source.ip, source.ip_length)
    at += source.ip_length
    store32(&text[at], source.port)
    memcpy(&text[at + 4], &to.ip, 4)
    store16(&text[at + 8], to.port)
    value = siphash(key, text, at + 10)
    for n in range(TAG_BYTES):
        tag[n] = <uint8_t>((value >> (8 * n)) & 0xff)


cdef Source source_of(const uint8_t* block) noexcept nogil:
    """Return who a checked block says it comes from."""
    cdef Source source
    source.ip = block + AT_SOURCE_IP
    source.ip_length = block[AT_SOURCE_IP_LENGTH]
    source.port = load32(block + AT_SOURCE_PORT)
    return source


cdef void offer_write(uint8_t* block, const uint8_t* nonce, const Place* to) noexcept nogil:
    """Put an offer into the first block of a message."""
    cdef Source source = source_of(block)
    memcpy(block + AT_BLOCK_HASH, nonce, NONCE_BYTES)
    _tag(block + AT_BLOCK_HASH + NONCE_BYTES, nonce, OFFER, &source, to)
    store16(block + AT_SOCKET_ID, OFFER)


cdef void accept_expect(
    uint8_t* mark, const uint8_t* block, const uint8_t* nonce, const Place* to
) noexcept nogil:
    """Write the mark of the answer to the offer in a block: whoever has it, got the offer."""
    cdef Source source = source_of(block)
    memcpy(mark, nonce, NONCE_BYTES)
    _tag(mark + NONCE_BYTES, nonce, ACCEPT, &source, to)


cdef bint is_accept(const uint8_t* block, const uint8_t* mark) noexcept nogil:
    """Tell whether a block is the answer to the offer with that mark."""
    return (
        load16(block + AT_SOCKET_ID) == ACCEPT
        and memcmp(block + AT_BLOCK_HASH, mark, MARK_BYTES) == 0
    )


cdef void offer_clear(uint8_t* block) noexcept nogil:
    """Take an offer back: the block is sent again, to somebody who takes none."""
    memset(block + AT_BLOCK_HASH, 0, MARK_BYTES)
    store16(block + AT_SOCKET_ID, MESSAGE)


cdef bint is_announced(const uint8_t* block) noexcept nogil:
    """Tell whether the block carries something that may be an announcement."""
    return (load32(block + AT_BLOCK_HASH) | load32(block + AT_BLOCK_HASH + 4)) != 0


cdef bint announcement_fits(
    const uint8_t* block, int kind, const Source* source, const Place* to
) noexcept nogil:
    """Tell whether the block's announcement is of that kind, source and destination."""
    cdef uint8_t[TAG_BYTES] tag
    _tag(tag, block + AT_BLOCK_HASH, kind, source, to)
    return memcmp(tag, block + AT_BLOCK_HASH + NONCE_BYTES, TAG_BYTES) == 0


cdef void accept_write(
    uint8_t* block, const uint8_t* nonce, const Source* source, const Place* to
) noexcept nogil:
    """Make the block that answers an offer."""
    control_write(block, ACCEPT)
    memcpy(block + AT_BLOCK_HASH, nonce, NONCE_BYTES)
    _tag(block + AT_BLOCK_HASH + NONCE_BYTES, nonce, ACCEPT, source, to)


cdef void control_write(uint8_t* block, int kind) noexcept nogil:
    """Make a block that is no message: it says something about the session itself."""
    memset(block, 0, BLOCK_BYTES)
    store16(block + AT_SOCKET_ID, <uint16_t>kind)
    store32(block + AT_BLOCK_COUNTER, 1)
    block[AT_LAST_FLAG] = 1
    store16(block + AT_COMMAND_LENGTH, COMMAND_BYTES)
    store32(block + AT_DATA_LENGTH, COMMAND_BYTES)
    memcpy(block + HEADER_BYTES, _COMMAND, COMMAND_BYTES)


cdef void count_write(uint8_t* block, uint64_t count) noexcept nogil:
    """Say how many messages have been received in this session."""
    store32(block + AT_SOCKET_TIME_ID, <uint32_t>(count >> 32))
    store32(block + AT_SOCKET_TIME_ID + 4, <uint32_t>count)


cdef uint64_t count_read(const uint8_t* block) noexcept nogil:
    return (<uint64_t>load32(block + AT_SOCKET_TIME_ID) << 32) | load32(
        block + AT_SOCKET_TIME_ID + 4
    )


cdef void kind_write(uint8_t* block, int kind) noexcept nogil:
    store16(block + AT_SOCKET_ID, <uint16_t>kind)
