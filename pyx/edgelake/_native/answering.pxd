# What a message server answers by itself.
from edgelake._native.metered cimport Metered
from edgelake._native.routes cimport RouteTable


cdef class Answering(Metered):
    cdef dict routes            # command: answers to near and far peers, as blocks
    cdef object lock            # of `routes`

    cdef int _hand_routes(self) except -1
    cdef RouteTable* _table(self) except NULL
