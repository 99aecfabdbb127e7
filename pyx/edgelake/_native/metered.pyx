"""The figures of a message server, and the memory it shares with its I/O threads."""

import os

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from edgelake._native cimport atomic
from edgelake._native.histogram cimport (
    Histogram,
    bucket_of,
    histogram_add_shared,
    histogram_sum,
)
from edgelake._native.message cimport Message
from edgelake._native.message_queue cimport queue_destroy, queue_init
from edgelake._native.peers cimport peers_count, peers_destroy, peers_init
from edgelake._native.posix cimport (
    getpid,
    pthread_cond_destroy,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from edgelake._native.routes cimport routes_free
from edgelake._native.system cimport condition_init, now_ns
from edgelake._native.worker cimport *

from edgelake import limits as _limits
from edgelake.errors import NotRunning

cdef tuple _NAMES = (
    "accepted", "connections", "unfinished", "sessions", "own_sessions", "messages", "native",
    "blocks", "bytes", "sent_bytes", "session_answers", "sessions_accepted", "sessions_opened",
    "lost_answers", "pauses", "paused", "accept_errors", "bad_header", "bad_counter", "bad_text",
    "bad_session", "too_large", "truncated", "byte_timeout", "message_timeout", "idle_timeout",
    "slow_reader", "evicted", "refused", "no_memory",
)
if len(_NAMES) != COUNTERS:
    raise ImportError(f"{len(_NAMES)} names for {COUNTERS} counters")


cdef class Metered:
    """Counters and latencies of a server. Not made alone, see `Server`.

    Owns the memory that the I/O threads share, and frees it when they are gone.
    """

    def __cinit__(self, *_args, **_options):
        self.process = getpid()
        self.shared = <Shared*>calloc(1, sizeof(Shared))
        if self.shared == NULL:
            raise MemoryError
        self.shared.listener = -1
        cdef int failed = queue_init(&self.shared.queue)
        if failed == 0:
            failed = peers_init(&self.shared.peers, _limits.MAX_KNOWN_PEERS)
        if failed == 0:
            failed = pthread_mutex_init(&self.shared.facts.mutex, NULL)
        if failed == 0:
            failed = pthread_mutex_init(&self.shared.exit_mutex, NULL)
        if failed == 0:
            failed = condition_init(&self.shared.exited)
        if failed != 0:
            raise OSError(failed, os.strerror(failed))
        self.ready_to_run = True

    def note_handled(self, Message message not None, times=1):
        """Record how long a message took from its last byte until now.

        Parameters
        ----------
        times : int
            Messages that this one, the first to come of them, stands for.
        """
        histogram_add_shared(&self.shared.handled, now_ns() - message.arrived_ns, times)

    def statistics(self):
        """Return the counters of all threads together.

        Returns
        -------
        dict of str to int
            ``accepted``, ``connections`` (open now; of them ``idle``,
            ``unfinished``, and kept as ``sessions``; of these ``own_sessions``
            were opened by this side), ``messages`` (of them ``native``:
            answered without Python), ``blocks``, ``bytes``, ``sent_bytes``
            (by sessions), ``session_answers`` (native ones that went by a
            session), ``sessions_accepted``, ``sessions_opened``,
            ``lost_answers``, ``queued_messages``, ``queued_bytes``,
            ``assembly_bytes``, ``known_peers`` (addresses; of them
            ``session_peers`` have a session), ``pauses``, ``paused``
            (threads now), ``accept_errors``, and dropped connections by reason:
            ``bad_header``, ``bad_counter``, ``bad_text``, ``bad_session``,
            ``too_large``, ``truncated``, ``byte_timeout``,
            ``message_timeout``, ``idle_timeout``, ``slow_reader``,
            ``evicted``, ``refused``, ``no_memory``.
        """
        cdef size_t messages
        cdef size_t held
        cdef size_t known
        cdef size_t kept
        cdef dict found = {name: self._sum(at) for at, name in enumerate(_NAMES)}
        found["idle"] = max(0, found["connections"] - found["unfinished"])
        self._check_process()
        with nogil:
            pthread_mutex_lock(&self.shared.queue.mutex)
            messages = self.shared.queue.waiting.messages
            held = self.shared.queue.waiting.size_bytes
            pthread_mutex_unlock(&self.shared.queue.mutex)
            peers_count(&self.shared.peers, &known, &kept)
        found["queued_messages"] = messages
        found["queued_bytes"] = held
        found["known_peers"] = known
        found["session_peers"] = kept
        found["assembly_bytes"] = atomic.read(&self.shared.limits.held_bytes)
        return found

    cdef object _sum(self, int counter):
        cdef int number
        cdef object total = 0
        for number in range(self.shared.workers_made):
            total += atomic.counted(&self.shared.workers[number].counters[counter])
        return total

    def bounds(self):
        """Return the limits in force.

        Returns
        -------
        dict of str to int or float
            The limits among the parameters, by their names.
        """
        cdef Shared* shared = self.shared
        return {
            "byte_timeout_s": shared.byte_timeout_ns / 1e9,
            "message_timeout_s": shared.message_timeout_ns / 1e9,
            "idle_timeout_s": shared.idle_timeout_ns / 1e9,
            "session_idle_s": shared.session_idle_ns / 1e9,
            "block_timeout_s": shared.block_timeout_ns / 1e9,
            "receipt_timeout_s": shared.receipt_timeout_ns / 1e9,
            "max_connections": shared.max_connections,
            "max_message_bytes": shared.limits.message_bytes,
            "max_assembly_bytes": shared.limits.assembly_bytes,
            "max_queued_messages": shared.queue.high_messages,
            "max_queued_bytes": shared.queue.high_bytes,
            "backlog": self.backlog,
        }

    def threads(self):
        """Return the counters of each I/O thread.

        Returns
        -------
        list of dict of str to int
            The counters of `statistics`, but for those of the queue.
        """
        cdef int number
        return [
            {
                name: atomic.counted(&self.shared.workers[number].counters[at])
                for at, name in enumerate(_NAMES)
            }
            for number in range(self.shared.workers_made)
        ]

    def latencies(self):
        """Return how long messages took, as counts in buckets of time.

        Returns
        -------
        dict of str to bytes
            592 unsigned integers of 8 bytes each, in the machine's order, see
            `edgelake.wire.latencies`: ``received`` (from the first byte of a
            message to its last), ``waited`` (from there until a dispatcher
            has it), ``handled`` (until its handler is done).
        """
        cdef Histogram received
        cdef Histogram waited
        cdef Histogram handled
        cdef int number
        memset(&received, 0, sizeof(Histogram))
        memset(&waited, 0, sizeof(Histogram))
        memset(&handled, 0, sizeof(Histogram))
        for number in range(self.shared.workers_made):
            histogram_sum(&received, &self.shared.workers[number].received)
        histogram_sum(&waited, &self.shared.waited)
        histogram_sum(&handled, &self.shared.handled)
        return {
            "received": (<char*>&received)[:sizeof(Histogram)],
            "waited": (<char*>&waited)[:sizeof(Histogram)],
            "handled": (<char*>&handled)[:sizeof(Histogram)],
        }

    cdef int _check_process(self) except -1:
        if self.process != getpid():
            raise NotRunning("the server belongs to the parent process")
        return 0

    def __dealloc__(self):
        # After a fork the threads exist in the parent only; its memory and
        # descriptors are left as they are.
        if self.shared == NULL or self.process != getpid():
            return
        cdef int number
        for number in range(self.shared.workers_made):
            worker_close(self.shared.workers[number])
            routes_free(self.shared.workers[number].inbox.routes)
            pthread_mutex_destroy(&self.shared.workers[number].inbox.mutex)
            pthread_mutex_destroy(&self.shared.workers[number].busy)
            free(self.shared.workers[number])
        free(self.shared.workers)
        if self.ready_to_run:
            queue_destroy(&self.shared.queue)
            peers_destroy(&self.shared.peers)
            pthread_mutex_destroy(&self.shared.facts.mutex)
            pthread_cond_destroy(&self.shared.exited)
            pthread_mutex_destroy(&self.shared.exit_mutex)
        free(self.shared)


def latency_bucket(int64_t nanoseconds):
    """Return the bucket of `Server.latencies` that counts a time."""
    return bucket_of(nanoseconds)
