# The message server, for the sender that belongs to it.
from libc.stdint cimport int64_t, uint16_t, uint32_t

from edgelake._native.answering cimport Answering
from edgelake._native.message_queue cimport Batch


cdef class Server(Answering):
    cdef bint started
    cdef str host
    cdef uint32_t ip
    cdef uint16_t port
    cdef int thread_count
    cdef object sender          # kept alive: the threads give it messages
    cdef object __weakref__

    cdef int _make_workers(self) except -1
    cdef int _start_workers(self) except -1
    cdef list _objects(self, Batch* taken)
    cdef int _leave_state(self, int state, int64_t until) except -1
    cdef int _join(self) except -1
    cdef void _join_ended(self) noexcept nogil
