# Time, threads, conditions and wake-ups, as all native threads use them.
from libc.stdint cimport int64_t

from edgelake._native.posix cimport (
    CLOCK_MONOTONIC,
    clock_gettime,
    pthread_cond_t,
    pthread_mutex_t,
    pthread_t,
    thread_body,
    timespec,
)

cdef enum:
    NS_PER_MS = 1000000

cdef inline int64_t now_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * <int64_t>1000000000 + now.tv_nsec

cdef int thread_start(
    pthread_t* thread, thread_body body, void* argument, const char* name
) noexcept nogil
cdef int condition_init(pthread_cond_t* condition) noexcept nogil
cdef void condition_wait(
    pthread_cond_t* condition, pthread_mutex_t* mutex, int64_t until_ns
) noexcept nogil
cdef int wait_ms(int64_t from_ns, int64_t until_ns) noexcept nogil
cdef void wake(int event_fd) noexcept nogil
cdef void wake_clear(int event_fd) noexcept nogil
cdef int close_quietly(int fd) noexcept nogil
cdef int64_t as_ns(object seconds, str name) except -1
cdef int64_t slice_end(int64_t until_ns) except -1
cdef object remember(object handle)
