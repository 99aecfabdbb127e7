# The sessions of one I/O thread: what is heard, how they end; C only, no GIL.
from libc.stdint cimport int64_t, uint8_t

from edgelake._native.connection cimport Connection
from edgelake._native.header cimport Header
from edgelake._native.worker cimport Worker

cdef int keeper_heard(
    Worker* worker, Connection* connection, const uint8_t* block, const Header* header
) noexcept nogil
cdef void keeper_counted(Worker* worker, Connection* connection) noexcept nogil
cdef bint keeper_after_read(Worker* worker, Connection* connection) noexcept nogil
cdef void keeper_leave(Worker* worker, Connection* connection) noexcept nogil
cdef void keeper_calm(Worker* worker, Connection* connection) noexcept nogil
cdef void keeper_idle(Worker* worker, Connection* connection) noexcept nogil
cdef void keeper_acknowledge(Worker* worker) noexcept nogil
cdef void keeper_lost(Worker* worker, Connection* connection) noexcept nogil
cdef void keeper_expire(Worker* worker) noexcept nogil
cdef int64_t keeper_next_ns(Worker* worker) noexcept nogil
