# The message server, for the sender that belongs to it.
from libc.stdint cimport int64_t, uint16_t, uint32_t

from edgelake._native.message_queue cimport Batch
from edgelake._native.posix cimport pid_t
from edgelake._native.worker cimport Shared, Worker


cdef class Server:
    cdef Shared* shared
    cdef bint ready_to_run      # the C parts are initialised
    cdef bint started
    cdef pid_t process
    cdef str host
    cdef uint32_t ip
    cdef uint16_t port
    cdef int backlog
    cdef int thread_count
    cdef dict routes            # command: answers to near and far peers, as blocks
    cdef object lock            # of `routes`
    cdef object sender          # kept alive: the threads give it messages
    cdef object __weakref__

    cdef int _make_workers(self) except -1
    cdef int _start_workers(self) except -1
    cdef int _hand_routes(self) except -1
    cdef list _objects(self, Batch* taken)
    cdef int _leave_state(self, int state, int64_t until) except -1
    cdef int _join(self) except -1
    cdef void _join_ended(self) noexcept nogil
    cdef object _sum(self, int counter)
    cdef int _check_process(self) except -1
