"""Time, threads, conditions and wake-ups, as all native threads use them."""

import atexit
import threading
import weakref

from cpython.pythread cimport PyThread_get_thread_ident
from libc.math cimport isfinite
from libc.stdint cimport INT64_MAX, uint64_t

from edgelake._native.posix cimport *

cdef enum:
    STACK_BYTES = 512 * 1024
    SIGNAL_LOOK_NS = 100 * 1000 * 1000

cdef double _LONGEST_S = 1e9


cdef int thread_start(
    pthread_t* thread, thread_body body, void* argument, const char* name
) noexcept nogil:
    """Start a thread that takes no signal; returns 0 or an errno.

    Signals belong to Python's main thread: a handler that ran here would only
    delay this thread and interrupt its system calls.
    """
    cdef pthread_attr_t attributes
    cdef sigset_t all_signals
    cdef sigset_t before
    cdef int failed = pthread_attr_init(&attributes)
    if failed:
        return failed
    pthread_attr_setstacksize(&attributes, STACK_BYTES)
    sigfillset(&all_signals)
    pthread_sigmask(SIG_SETMASK, &all_signals, &before)
    failed = pthread_create(thread, &attributes, body, argument)
    pthread_sigmask(SIG_SETMASK, &before, NULL)
    pthread_attr_destroy(&attributes)
    if failed == 0:
        pthread_setname_np(thread[0], name)
    return failed


cdef int condition_init(pthread_cond_t* condition) noexcept nogil:
    """Make a condition whose waits a change of the wall clock does not move."""
    cdef pthread_condattr_t attributes
    cdef int failed = pthread_condattr_init(&attributes)
    if failed == 0:
        failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        if failed == 0:
            failed = pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    return failed


cdef void condition_wait(
    pthread_cond_t* condition, pthread_mutex_t* mutex, int64_t until_ns
) noexcept nogil:
    """Wait until signalled, the time comes, or for no reason: callers look again."""
    cdef timespec until
    if until_ns == INT64_MAX:
        pthread_cond_wait(condition, mutex)
        return
    until.tv_sec = until_ns // <int64_t>1000000000
    until.tv_nsec = <long>(until_ns % <int64_t>1000000000)
    pthread_cond_timedwait(condition, mutex, &until)


cdef int wait_ms(int64_t from_ns, int64_t until_ns) noexcept nogil:
    """Return the timeout of epoll_wait: milliseconds, rounded up; -1 for no end."""
    cdef int64_t left
    if until_ns == INT64_MAX:
        return -1
    left = (until_ns - from_ns + NS_PER_MS - 1) // NS_PER_MS
    if left < 0:
        return 0
    return <int>min(left, <int64_t>3600000)


cdef void wake(int event_fd) noexcept nogil:
    """Wake the thread that waits for the descriptor; a second wake-up changes nothing."""
    cdef uint64_t one = 1
    # Fails only when the counter is full, and then the thread is awake anyway.
    write(event_fd, &one, sizeof(one))


cdef void wake_clear(int event_fd) noexcept nogil:
    cdef uint64_t value
    read(event_fd, &value, sizeof(value))


cdef int close_quietly(int fd) noexcept nogil:
    """Close a descriptor if there is one; returns -1, the mark of none."""
    if fd >= 0:
        close(fd)
    return -1


cdef int64_t as_ns(object seconds, str name) except -1:
    """Return seconds as nanoseconds.

    Raises
    ------
    ValueError
        They are negative or no number.
    """
    cdef double value = seconds
    if not isfinite(value) or value < 0:
        raise ValueError(f"{name} {seconds} is no time in seconds")
    return <int64_t>(min(value, _LONGEST_S) * 1e9)


cdef int64_t slice_end(int64_t until_ns) except -1:
    """Return when a wait must be interrupted to look for signals.

    Python runs signal handlers on its main thread only, so only that one has
    to look around.
    """
    cdef int64_t soon
    if PyThread_get_thread_ident() != <unsigned long>threading.main_thread().ident:
        return until_ns
    soon = now_ns() + SIGNAL_LOOK_NS
    return min(soon, until_ns)


_open_handles = weakref.WeakSet()


cdef object remember(object handle):
    """Have a handle closed before the interpreter ends, if nobody did it."""
    _open_handles.add(handle)


@atexit.register
def _close_all():
    for handle in list(_open_handles):
        handle.close()
