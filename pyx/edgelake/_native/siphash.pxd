# SipHash-2-4 of short texts; C only, no GIL.
from libc.stdint cimport uint8_t, uint64_t

cdef uint64_t siphash(const uint8_t* key, const uint8_t* text, size_t length) noexcept nogil
