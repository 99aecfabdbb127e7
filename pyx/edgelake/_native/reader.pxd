# Reading of one connection; C only, no GIL.
from edgelake._native.connection cimport Connection
from edgelake._native.worker cimport Worker

cdef enum ReadResult:
    NOTHING             # the kernel has no bytes now
    PROGRESS
    GONE                # the connection is dropped

cdef ReadResult connection_read(Worker* worker, Connection* connection) noexcept nogil
