"""SipHash-2-4: a short keyed hash; C only, no GIL.

Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF" (2012), section 2.
"""

from libc.stdint cimport uint8_t, uint64_t


cdef inline uint64_t _load(const uint8_t* at) noexcept nogil:
    # Little endian, as the paper defines it.
    cdef uint64_t value = 0
    cdef int n
    for n in range(8):
        value |= <uint64_t>at[n] << (8 * n)
    return value


cdef inline uint64_t _rotate(uint64_t value, int bits) noexcept nogil:
    return (value << bits) | (value >> (64 - bits))


cdef inline void _rounds(uint64_t* v, int count) noexcept nogil:
    cdef int _n
    for _n in range(count):
        v[0] += v[1]
        v[1] = _rotate(v[1], 13) ^ v[0]
        v[0] = _rotate(v[0], 32)
        v[2] += v[3]
        v[3] = _rotate(v[3], 16) ^ v[2]
        v[0] += v[3]
        v[3] = _rotate(v[3], 21) ^ v[0]
        v[2] += v[1]
        v[1] = _rotate(v[1], 17) ^ v[2]
        v[2] = _rotate(v[2], 32)


cdef uint64_t siphash(const uint8_t* key, const uint8_t* text, size_t length) noexcept nogil:
    """Return the hash of a text under a key of 16 bytes."""
    cdef uint64_t low = _load(key)
    cdef uint64_t high = _load(key + 8)
    cdef uint64_t[4] v
    cdef uint64_t last = <uint64_t>(length & 0xff) << 56
    cdef uint64_t word
    cdef size_t at = 0
    cdef size_t rest
    v[0] = low ^ <uint64_t>0x736f6d6570736575
    v[1] = high ^ <uint64_t>0x646f72616e646f6d
    v[2] = low ^ <uint64_t>0x6c7967656e657261
    v[3] = high ^ <uint64_t>0x7465646279746573
    while length - at >= 8:
        word = _load(text + at)
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
        at += 8
    for rest in range(length - at):
        last |= <uint64_t>text[at + rest] << (8 * rest)
    v[3] ^= last
    _rounds(v, 2)
    v[0] ^= last
    v[2] ^= 0xff
    _rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
