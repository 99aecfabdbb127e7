# The marks by which two of our nodes find each other on a connection; C only, no GIL.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from edgelake._native.header cimport Header

cdef enum Kind:
    # Header field "socket id" (docs/protocol.md, "Sessions").
    MESSAGE = 0
    OFFER = 1
    ACCEPT = 2
    ACKNOWLEDGE = 3
    LEAVE = 4
    TRACKED = 5                 # a message whose receipt shall be acknowledged

cdef enum:
    NONCE_BYTES = 8
    MARK_BYTES = 16             # nonce and tag: the header field "block hash"

cdef struct Source:
    # Who opened the connection, as the header of its first block says.
    const uint8_t* ip           # text, not ended by 0
    uint8_t ip_length
    uint32_t port

cdef struct Place:
    # Where a connection leads to.
    uint32_t ip                 # network byte order
    uint16_t port

cdef bint nonce_make(uint8_t* nonce) noexcept nogil
cdef void offer_write(uint8_t* block, const uint8_t* nonce, const Place* to) noexcept nogil
cdef void accept_expect(
    uint8_t* mark, const uint8_t* block, const uint8_t* nonce, const Place* to
) noexcept nogil
cdef bint is_accept(const uint8_t* block, const uint8_t* mark) noexcept nogil
cdef void offer_clear(uint8_t* block) noexcept nogil
cdef bint is_announced(const uint8_t* block) noexcept nogil
cdef bint announcement_fits(
    const uint8_t* block, int kind, const Source* source, const Place* to
) noexcept nogil
cdef void accept_write(
    uint8_t* block, const uint8_t* nonce, const Source* source, const Place* to
) noexcept nogil
cdef void control_write(uint8_t* block, int kind) noexcept nogil
cdef void count_write(uint8_t* block, uint64_t count) noexcept nogil
cdef uint64_t count_read(const uint8_t* block) noexcept nogil
cdef void kind_write(uint8_t* block, int kind) noexcept nogil
cdef Source source_of(const uint8_t* block) noexcept nogil
