# The listening socket, and how workers accept from it; C only, no GIL.
from libc.stdint cimport uint16_t, uint32_t

from edgelake._native.worker cimport Worker

cdef int listener_open(
    uint32_t ip, uint16_t port, int backlog, uint16_t* real_port, int* failed
) noexcept nogil
cdef void listener_watch(Worker* worker) noexcept nogil
cdef void listener_leave(Worker* worker) noexcept nogil
cdef bint accept_some(Worker* worker) noexcept nogil
cdef void read_again(Worker* worker) noexcept nogil
cdef int spare_open() noexcept nogil
