"""The bounded queue between I/O threads and Python; C only, no GIL.

Lock order: ``MessageQueue.mutex`` is a leaf. Whoever holds it takes no other
lock, makes no system call but waits and calls, and never takes the GIL.
"""

from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memset

from edgelake._native.message cimport RawMessage, message_free_all, size_bytes
from edgelake._native.posix cimport (
    CLOCK_MONOTONIC,
    pthread_cond_broadcast,
    pthread_cond_destroy,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
    sem_clockwait,
    sem_destroy,
    sem_init,
    sem_post,
    sem_wait,
    timespec,
)
from edgelake._native.system cimport condition_init, condition_wait, now_ns


cdef void batch_add(Batch* batch, RawMessage* message) noexcept nogil:
    """Append a message; the batch owns it from here."""
    message.next = NULL
    if batch.last == NULL:
        batch.first = message
    else:
        batch.last.next = message
    batch.last = message
    batch.messages += 1
    batch.size_bytes += size_bytes(message)


cdef void _join(Batch* first, Batch* second) noexcept nogil:
    # Moves the messages of the second batch behind those of the first.
    if second.first == NULL:
        return
    if first.last == NULL:
        first.first = second.first
    else:
        first.last.next = second.first
    first.last = second.last
    first.messages += second.messages
    first.size_bytes += second.size_bytes
    memset(second, 0, sizeof(Batch))


cdef int queue_init(MessageQueue* queue) noexcept nogil:
    """Prepare a zeroed queue whose marks are set; returns 0 or an errno."""
    cdef int failed = pthread_mutex_init(&queue.mutex, NULL)
    if failed:
        return failed
    failed = condition_init(&queue.lowered)
    if failed:
        pthread_mutex_destroy(&queue.mutex)
    return failed


cdef void queue_destroy(MessageQueue* queue) noexcept nogil:
    """Free the queue and what is in it; nobody may use it any more."""
    message_free_all(queue.waiting.first)
    pthread_cond_destroy(&queue.lowered)
    pthread_mutex_destroy(&queue.mutex)


cdef bint queue_push(MessageQueue* queue, Batch* batch) noexcept nogil:
    """Append a batch, which is empty then; tells whether the caller shall pause."""
    cdef bint full
    cdef bint was_empty
    cdef Reader* reader = NULL
    pthread_mutex_lock(&queue.mutex)
    was_empty = queue.waiting.first == NULL
    _join(&queue.waiting, batch)
    if (
        queue.waiting.messages >= queue.high_messages
        or queue.waiting.size_bytes >= queue.high_bytes
    ):
        queue.full = True
    full = queue.full and not queue.open_door
    # One reader is enough, and one is under way if the queue was not empty; it
    # calls another if it leaves something.
    if was_empty:
        reader = _next_reader(queue)
    pthread_mutex_unlock(&queue.mutex)
    _call(reader)
    return full


cdef inline Reader* _next_reader(MessageQueue* queue) noexcept nogil:
    """Take a reader from those who wait, NULL if none does; it must be called."""
    cdef Reader* reader = queue.readers
    if reader != NULL:
        queue.readers = reader.next
    return reader


cdef inline void _call(Reader* reader) noexcept nogil:
    # Without the mutex, or the reader would wake up only to wait for that.
    if reader != NULL:
        sem_post(&reader.called)


cdef void _wait_called(MessageQueue* queue, int64_t until_ns) noexcept nogil:
    """Wait until this thread is called, or the time comes; with the mutex, before and after."""
    cdef Reader self
    cdef Reader** at
    cdef timespec until
    cdef bint called = False
    sem_init(&self.called, 0, 0)
    self.next = queue.readers
    queue.readers = &self
    pthread_mutex_unlock(&queue.mutex)
    if until_ns == INT64_MAX:
        while sem_wait(&self.called) != 0:      # EINTR
            pass
        called = True
    else:
        until.tv_sec = until_ns // <int64_t>1000000000
        until.tv_nsec = <long>(until_ns % <int64_t>1000000000)
        called = sem_clockwait(&self.called, CLOCK_MONOTONIC, &until) == 0
    pthread_mutex_lock(&queue.mutex)
    if not called:
        at = &queue.readers
        while at[0] != NULL and at[0] != &self:
            at = &at[0].next
        if at[0] != NULL:
            at[0] = self.next
        else:
            # Taken from the list, so the call is on its way.
            while sem_wait(&self.called) != 0:
                pass
    sem_destroy(&self.called)


cdef void queue_return(MessageQueue* queue, Batch* batch) noexcept nogil:
    """Put messages back at the front, in their order."""
    cdef Reader* reader
    pthread_mutex_lock(&queue.mutex)
    _join(batch, &queue.waiting)
    queue.waiting = batch[0]
    memset(batch, 0, sizeof(Batch))
    reader = _next_reader(queue)
    pthread_mutex_unlock(&queue.mutex)
    _call(reader)


cdef bint queue_wait_low(MessageQueue* queue, int64_t until_ns) noexcept nogil:
    """Wait until the queue is below its low marks, or the time comes; tells which."""
    cdef bint lowered
    pthread_mutex_lock(&queue.mutex)
    while queue.full and not queue.open_door and now_ns() < until_ns:
        condition_wait(&queue.lowered, &queue.mutex, until_ns)
    lowered = queue.open_door or not queue.full
    pthread_mutex_unlock(&queue.mutex)
    return lowered


cdef bint queue_take(
    MessageQueue* queue, size_t most, int64_t until_ns, Batch* taken
) noexcept nogil:
    """Move up to ``most`` messages into ``taken``; waits for the first one.

    Returns whether more can come; False means ended and empty.
    """
    cdef RawMessage* last = NULL
    cdef bint more
    cdef Reader* reader = NULL
    memset(taken, 0, sizeof(Batch))
    pthread_mutex_lock(&queue.mutex)
    while queue.waiting.first == NULL and not queue.ended and now_ns() < until_ns:
        _wait_called(queue, until_ns)
    more = queue.waiting.first != NULL or not queue.ended
    if queue.waiting.messages <= most:
        taken[0] = queue.waiting
        memset(&queue.waiting, 0, sizeof(Batch))
    else:
        taken.first = queue.waiting.first
        while taken.messages < most:
            last = queue.waiting.first
            queue.waiting.first = last.next
            taken.messages += 1
            taken.size_bytes += size_bytes(last)
        last.next = NULL
        taken.last = last
        queue.waiting.messages -= taken.messages
        queue.waiting.size_bytes -= taken.size_bytes
    if (
        queue.full
        and queue.waiting.messages <= queue.high_messages // 2
        and queue.waiting.size_bytes <= queue.high_bytes // 2
    ):
        queue.full = False
        pthread_cond_broadcast(&queue.lowered)
    if queue.waiting.first != NULL:
        reader = _next_reader(queue)
    pthread_mutex_unlock(&queue.mutex)
    _call(reader)
    return more


cdef void queue_end(MessageQueue* queue) noexcept nogil:
    """Let readers know that no more messages come."""
    pthread_mutex_lock(&queue.mutex)
    queue.ended = True
    while queue.readers != NULL:
        _call(_next_reader(queue))      # none is gone before it has the mutex
    pthread_mutex_unlock(&queue.mutex)


cdef void queue_open_door(MessageQueue* queue) noexcept nogil:
    """Let nobody wait for room any more: all are about to end."""
    pthread_mutex_lock(&queue.mutex)
    queue.open_door = True
    pthread_cond_broadcast(&queue.lowered)
    pthread_mutex_unlock(&queue.mutex)


cdef void queue_clear(MessageQueue* queue) noexcept nogil:
    """Free what is in the queue; it stays usable."""
    cdef RawMessage* first
    pthread_mutex_lock(&queue.mutex)
    first = queue.waiting.first
    memset(&queue.waiting, 0, sizeof(Batch))
    pthread_mutex_unlock(&queue.mutex)
    message_free_all(first)
