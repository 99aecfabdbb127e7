# What a sender takes to send; what it shares with its thread is here.
from libc.stdint cimport int64_t

from edgelake._native.delivery cimport Delivery
from edgelake._native.outbox cimport Outbox
from edgelake._native.posix cimport pid_t
from edgelake._native.server cimport Server


cdef class Sending:
    cdef Outbox* outbox
    cdef Delivery* delivery
    cdef bint started
    cdef bint outbox_ready
    cdef pid_t process
    cdef Server server          # kept alive: its threads keep the sessions
    cdef int reply_attempts
    cdef int64_t reply_pause_ns

    cdef object _refuse(self, int status, str ip, object port, str cause)
    cdef int _check_process(self) except -1

cdef object positive(str name, object value)
