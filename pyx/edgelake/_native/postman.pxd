# Messages and connections that other threads have for an I/O thread; C only, no GIL.
from libc.stdint cimport uint64_t

from edgelake._native.outbox cimport Outgoing
from edgelake._native.worker cimport Worker

cdef void postman_take(Worker* worker) noexcept nogil
cdef void postman_deliver(Worker* worker, Outgoing* message) noexcept nogil
cdef void postman_choke(Worker* worker, uint64_t id) noexcept nogil
cdef void postman_close(Worker* worker) noexcept nogil
