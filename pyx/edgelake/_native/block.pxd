from libc.stdint cimport uint8_t

from edgelake._native.header cimport Header


cdef class Block:
    cdef uint8_t raw[2048]
    cdef Header header

cdef list split_segments(const uint8_t* data, size_t length)
