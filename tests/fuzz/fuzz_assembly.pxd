# Exported to main.c.
from libc.stdint cimport uint8_t

cdef int fuzz_one(const uint8_t* data, size_t size) noexcept nogil
