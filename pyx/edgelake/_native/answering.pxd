# What a message server answers by itself.
from edgelake._native.metered cimport Metered


cdef class Answering(Metered):
    cdef dict routes            # command: answers to near and far peers, as blocks
    cdef object lock            # of `routes`

    cdef int _hand_routes(self) except -1
