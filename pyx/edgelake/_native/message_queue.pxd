# The bounded queue between I/O threads and Python; C only, no GIL.
from libc.stdint cimport int64_t

from edgelake._native.message cimport RawMessage
from edgelake._native.posix cimport pthread_cond_t, pthread_mutex_t, sem_t

cdef struct Batch:
    # Messages in the order of arrival, private to one thread.
    RawMessage* first
    RawMessage* last
    size_t messages
    size_t size_bytes

cdef struct Reader:
    # A thread that waits for messages; on its stack.
    Reader* next
    sem_t called

cdef struct MessageQueue:
    pthread_mutex_t mutex
    Reader* readers             # who wait; the last to come is called first: it is warm
    pthread_cond_t lowered      # below the low mark, or nobody shall wait
    Batch waiting
    size_t high_messages
    size_t high_bytes
    bint full                   # above a high mark and not yet below both low marks
    bint ended                  # no more messages come
    bint open_door              # nobody shall wait for room any more

cdef void batch_add(Batch* batch, RawMessage* message) noexcept nogil
cdef int queue_init(MessageQueue* queue) noexcept nogil
cdef void queue_destroy(MessageQueue* queue) noexcept nogil
cdef bint queue_push(MessageQueue* queue, Batch* batch) noexcept nogil
cdef void queue_return(MessageQueue* queue, Batch* batch) noexcept nogil
cdef bint queue_wait_low(MessageQueue* queue, int64_t until_ns) noexcept nogil
cdef bint queue_take(
    MessageQueue* queue, size_t most, int64_t until_ns, Batch* taken
) noexcept nogil
cdef void queue_end(MessageQueue* queue) noexcept nogil
cdef void queue_open_door(MessageQueue* queue) noexcept nogil
cdef void queue_clear(MessageQueue* queue) noexcept nogil
