# One socket that carries one message; C only, no GIL.
from edgelake._native.delivery cimport Attempt, Delivery
from edgelake._native.outbox cimport Destination, Outgoing

cdef bint attempt_start(
    Delivery* delivery, Destination* destination, Outgoing* message
) noexcept nogil
cdef void attempt_continue(Delivery* delivery, Attempt* attempt) noexcept nogil
cdef void attempt_fail(Delivery* delivery, Attempt* attempt, int error) noexcept nogil
cdef void attempt_refused(Delivery* delivery, Attempt* attempt) noexcept nogil
cdef void attempt_end(Delivery* delivery, Attempt* attempt) noexcept nogil
