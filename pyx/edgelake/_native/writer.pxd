# Writing to the sessions of one I/O thread; C only, no GIL.
from libc.stdint cimport uint8_t

from edgelake._native.connection cimport Connection
from edgelake._native.session cimport Session
from edgelake._native.worker cimport Worker

cdef uint8_t* writer_room(
    Worker* worker, Connection* connection, size_t length, int* status
) noexcept nogil
cdef void writer_added(
    Worker* worker, Connection* connection, size_t length, bint message
) noexcept nogil
cdef int writer_control(Worker* worker, Connection* connection, int kind) noexcept nogil
cdef int writer_flush(Worker* worker, Connection* connection) noexcept nogil
cdef bint writer_send(Worker* worker, Connection* connection) noexcept nogil
cdef void writer_sort_out(Worker* worker, Connection* connection) noexcept nogil
cdef void writer_await(Worker* worker, Session* session) noexcept nogil
cdef void writer_send_waiting(Worker* worker) noexcept nogil
cdef bint writer_is_due(const Connection* connection) noexcept nogil
cdef bint writer_is_done(const Connection* connection) noexcept nogil
