# Messages that an I/O thread answers by itself; C only, no GIL.
from libc.stdint cimport uint8_t

from edgelake._native.connection cimport Connection
from edgelake._native.header cimport Header
from edgelake._native.worker cimport Worker

cdef int answer_natively(
    Worker* worker, Connection* connection, const uint8_t* block, const Header* header
) noexcept nogil
