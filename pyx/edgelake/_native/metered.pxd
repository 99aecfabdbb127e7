# The figures of a message server; what it shares with its I/O threads is here.
from libc.stdint cimport int64_t

from edgelake._native.posix cimport pid_t
from edgelake._native.worker cimport Shared


cdef class Metered:
    cdef Shared* shared
    cdef bint ready_to_run      # the C parts are initialised
    cdef pid_t process
    cdef int backlog

    cdef object _sum(self, int counter)
    cdef int _check_process(self) except -1
