# How the sessions of one I/O thread begin; C only, no GIL.
from libc.stdint cimport uint8_t

from edgelake._native.connection cimport Connection
from edgelake._native.inbox cimport Handover
from edgelake._native.worker cimport Worker

cdef int opening_offered(
    Worker* worker, Connection* connection, const uint8_t* block
) noexcept nogil
cdef void opening_adopt(Worker* worker, Handover* handover) noexcept nogil
