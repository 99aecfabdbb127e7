# An input as a source of small numbers; zeros when it is used up.
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

cdef struct Source:
    const uint8_t* at
    size_t left

cdef inline uint8_t byte(Source* source) noexcept nogil:
    if source.left == 0:
        return 0
    source.at += 1
    source.left -= 1
    return source.at[-1]

cdef inline uint32_t number(Source* source) noexcept nogil:
    # Two bytes.
    cdef uint32_t high = byte(source)
    return high << 8 | byte(source)

cdef inline size_t fill(Source* source, uint8_t* room, size_t length) noexcept nogil:
    # As many of the bytes as there are; the rest of the room stays.
    if length > source.left:
        length = source.left
    memcpy(room, source.at, length)
    source.at += length
    source.left -= length
    return length
