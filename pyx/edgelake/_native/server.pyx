"""The message server: listening socket, I/O threads, queue of whole messages."""

import os
import warnings

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport ENOMEM
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free

from edgelake._native cimport atomic
from edgelake._native.acceptor cimport listener_open
from edgelake._native.histogram cimport histogram_add_shared
from edgelake._native.message cimport (
    RawMessage,
    message_free_all,
    message_object,
    size_bytes,
)
from edgelake._native.message_queue cimport (
    Batch,
    queue_clear,
    queue_end,
    queue_open_door,
    queue_return,
    queue_take,
)
from edgelake._native.posix cimport (
    AF_INET,
    getpid,
    getrandom,
    inet_pton,
    pthread_join,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from edgelake._native.system cimport (
    as_ns,
    condition_wait,
    close_quietly,
    now_ns,
    remember,
    slice_end,
    thread_start,
    wake,
)
from edgelake._native.worker cimport *

from edgelake import limits as _limits
from edgelake.errors import AlreadyRunning, ConfigurationError, NotRunning


@cython.final
cdef class Server(Answering):
    """Listening socket, I/O threads and the bounded queue of whole messages.

    Parameters
    ----------
    host : str
        IPv4 address in numbers; ``0.0.0.0`` for every interface.
    port : int
        0..65,535; 0 lets the system choose, see `address`.
    threads : int
        I/O threads, 1..64.
    backlog : int
        Connections that the kernel keeps between two accepts.
    byte_timeout_s : float
        Longest silence inside a message.
    message_timeout_s : float
        Longest time from the first to the last byte of a message.
    idle_timeout_s : float
        Longest silence of a connection between two messages.
    max_connections : int
        Open connections; for one more, the one that waits longest is closed.
    max_message_bytes : int
        Data of one message.
    max_assembly_bytes : int
        Memory of all unfinished messages together.
    sessions : bool
        Peers that offer to keep their connection may (docs/protocol.md, "Sessions").
    session_idle_s : float
        Silence after which a session that this side opened is ended.
    block_timeout_s : float
        Longest time in which the peer of a session takes nothing of what is written.
    receipt_timeout_s : float
        Longest time in which it acknowledges nothing of what it took and shall acknowledge.
    max_queued_messages, max_queued_bytes : int
        High marks of the messages nobody has received yet. Above one of them
        nothing is read or accepted until both are at half or below. The time
        does not count against the peers' deadlines.

    Raises
    ------
    ConfigurationError
        A parameter is out of its range.

    Notes
    -----
    Lives once: `start`, then `stop` or `close`. Owns the threads, which own
    the descriptors of their connections; all of them are gone when `stop` or
    `close` returns. Native threads never touch Python. Every method may be
    called from any thread; a process forked from the owner's must not use it.
    Nothing is written to a connection unless its peer offered a session.
    Source: docs/protocol.md, "Connections"; docs/locks.md.
    """

    def __init__(
        self,
        str host not None,
        port,
        *,
        threads=_limits.DEFAULT_THREADS,
        backlog=_limits.LISTEN_BACKLOG,
        byte_timeout_s=_limits.BYTE_TIMEOUT_S,
        message_timeout_s=_limits.MESSAGE_TIMEOUT_S,
        idle_timeout_s=_limits.IDLE_TIMEOUT_S,
        max_connections=_limits.MAX_CONNECTIONS,
        max_message_bytes=_limits.MAX_MESSAGE_BYTES,
        max_assembly_bytes=_limits.MAX_ASSEMBLY_BYTES,
        max_queued_messages=_limits.MAX_QUEUED_MESSAGES,
        max_queued_bytes=_limits.MAX_QUEUED_BYTES,
        sessions=True,
        session_idle_s=_limits.SESSION_IDLE_S,
        block_timeout_s=_limits.BLOCK_SEND_TIMEOUT_S,
        receipt_timeout_s=_limits.RECEIPT_TIMEOUT_S,
    ):
        if self.started:
            raise AlreadyRunning("the server was started before")
        if inet_pton(AF_INET, host.encode(errors="replace"), &self.ip) != 1:
            raise ConfigurationError(f"host {host!r} is no IPv4 address in numbers")
        self.host = host
        self.port = _number("port", port, 0, 65535)
        self.thread_count = _number("threads", threads, 1, _limits.MAX_THREADS)
        self.backlog = _number("backlog", backlog, 1, 65535)
        cdef Shared* shared = self.shared
        shared.byte_timeout_ns = as_ns(byte_timeout_s, "byte_timeout_s")
        shared.message_timeout_ns = as_ns(message_timeout_s, "message_timeout_s")
        shared.idle_timeout_ns = as_ns(idle_timeout_s, "idle_timeout_s")
        shared.sessions = sessions
        shared.session_idle_ns = as_ns(session_idle_s, "session_idle_s")
        shared.block_timeout_ns = as_ns(block_timeout_s, "block_timeout_s")
        shared.receipt_timeout_ns = as_ns(receipt_timeout_s, "receipt_timeout_s")
        shared.max_ready_bytes = _limits.MAX_SESSION_ANSWER_BYTES
        shared.reply_attempts = _limits.SEND_ATTEMPTS
        shared.reply_pause_ns = as_ns(_limits.RETRY_PAUSE_S, "retry_pause_s")
        shared.max_connections = _number("max_connections", max_connections)
        shared.limits.message_bytes = _number("max_message_bytes", max_message_bytes)
        shared.limits.assembly_bytes = _number("max_assembly_bytes", max_assembly_bytes)
        shared.queue.high_messages = _number("max_queued_messages", max_queued_messages)
        shared.queue.high_bytes = _number("max_queued_bytes", max_queued_bytes)

    def start(self):
        """Bind, listen and start the threads.

        Raises
        ------
        OSError
            The address is taken or not ours, or the system has no room.
        AlreadyRunning
            It was started before; make a new one.
        """
        cdef int failed = 0
        cdef Shared* shared = self.shared
        if self.host is None:
            raise NotRunning("the server was not initialised")
        if self.started:
            raise AlreadyRunning("the server was started before")
        self.started = True
        shared.listener = listener_open(self.ip, self.port, self.backlog, &self.port, &failed)
        if shared.listener < 0:
            shared.joined = True
            queue_end(&shared.queue)
            raise OSError(failed, f"{os.strerror(failed)}: {self.host}:{self.port}")
        atomic.write(&shared.accepting, self.thread_count)
        failed = self._make_workers()
        if failed == 0:
            try:
                with self.lock:
                    self._hand_routes()
            except MemoryError:
                failed = ENOMEM
        atomic.write(&shared.state, RUNNING)
        if failed == 0:
            failed = self._start_workers()
        if failed != 0:
            self.close()
            raise OSError(failed, os.strerror(failed))
        remember(self)

    cdef int _make_workers(self) except -1:
        """Open every worker's descriptors; returns 0 or an errno."""
        cdef Worker* worker
        cdef int failed = 0
        self.shared.workers = <Worker**>calloc(<size_t>self.thread_count, sizeof(Worker*))
        if self.shared.workers == NULL:
            return ENOMEM
        while failed == 0 and self.shared.workers_made < self.thread_count:
            worker = <Worker*>calloc(1, sizeof(Worker))
            if worker == NULL:
                return ENOMEM
            failed = pthread_mutex_init(&worker.inbox.mutex, NULL)
            if failed == 0:
                failed = pthread_mutex_init(&worker.busy, NULL)
            if failed != 0:
                free(worker)
                return failed
            worker.shared = self.shared
            worker.slots.worker = self.shared.workers_made
            # A late answer to a message of an earlier server finds no session of this one.
            getrandom(&worker.slots.generation, sizeof(worker.slots.generation), 0)
            worker.slots.generation |= 1
            worker.epoll_fd = worker.wake_fd = worker.spare_fd = -1
            self.shared.workers[self.shared.workers_made] = worker
            self.shared.workers_made += 1
            failed = worker_open(worker)
        return failed

    cdef int _start_workers(self) except -1:
        cdef char name[24]
        cdef int failed
        cdef int number
        for number in range(self.thread_count):
            snprintf(name, sizeof(name), "el-io-%d", number)
            pthread_mutex_lock(&self.shared.exit_mutex)
            failed = thread_start(
                &self.shared.workers[number].thread, worker_run, self.shared.workers[number], name
            )
            if failed == 0:
                self.shared.alive += 1
                self.shared.workers[number].running = True
            pthread_mutex_unlock(&self.shared.exit_mutex)
            if failed != 0:
                return failed
        return 0

    @property
    def address(self):
        """Host and port; the real port once the server is started."""
        return self.host, self.port

    @property
    def running(self):
        """Whether the server accepts connections."""
        return self.started and atomic.read(&self.shared.state) == RUNNING

    # ------------------------------------------------------------- messages

    def receive(self, max_messages, timeout_s=None):
        """Return the next whole messages.

        Parameters
        ----------
        max_messages : int
            Most messages to return, from 1.
        timeout_s : float or None
            Seconds to wait for the first one; ``None`` waits until the server
            is stopped.

        Returns
        -------
        list of Message or None
            Empty when the time was over; ``None`` when the server is stopped
            and every message was received.

        Raises
        ------
        NotRunning
            The server was never started.

        Notes
        -----
        Several threads may wait at once; each message goes to one of them.
        The GIL is free while waiting.
        """
        cdef size_t most = _number("max_messages", max_messages)
        cdef int64_t until = INT64_MAX
        cdef int64_t look
        cdef Batch taken
        cdef bint more
        if timeout_s is not None:
            until = now_ns() + as_ns(timeout_s, "timeout_s")
        self._check_process()
        if not self.started:
            raise NotRunning("the server was not started")
        while True:
            look = slice_end(until)
            with nogil:
                more = queue_take(&self.shared.queue, most, look, &taken)
            if taken.first != NULL:
                _note_waits(self.shared, taken.first)
                return self._objects(&taken)
            if not more:
                return None
            PyErr_CheckSignals()
            if now_ns() >= until:
                return []

    cdef list _objects(self, Batch* taken):
        """Make objects of raw messages and free those."""
        cdef list made = []
        cdef RawMessage* raw
        try:
            while taken.first != NULL:
                raw = taken.first
                made.append(message_object(raw))
                taken.first = raw.next
                taken.messages -= 1
                taken.size_bytes -= size_bytes(raw)
                raw.next = NULL
                message_free_all(raw)
        except MemoryError:
            queue_return(&self.shared.queue, taken)
            if not made:
                raise
        return made

    def stop(self, timeout_s):
        """Stop accepting, take what was accepted, close; messages stay receivable.

        Connections that the kernel has queued are still accepted and read.
        Those inside a message have ``timeout_s`` seconds, and their own
        deadlines, to finish it.

        Returns
        -------
        bool
            Whether no message was cut off.

        Notes
        -----
        A stopped server is left as it is; several threads may call it.
        """
        cdef int64_t until = now_ns() + as_ns(timeout_s, "timeout_s")
        if not self.started:
            return True
        self._check_process()
        self._leave_state(DRAINING, until)
        self._join()
        return atomic.read(&self.shared.cut) == 0

    def close(self):
        """Close at once and forget messages nobody received.

        May be called twice, from any thread; waiting `receive` calls return
        ``None``.
        """
        if not self.started or self.process != getpid():
            return
        self._leave_state(ABORTED, 0)
        with nogil:
            queue_open_door(&self.shared.queue)
        self._join()
        with nogil:
            queue_clear(&self.shared.queue)

    cdef int _leave_state(self, int state, int64_t until) except -1:
        """Tell the threads to end, now or by a deadline."""
        cdef int number
        cdef Shared* shared = self.shared
        with nogil:
            pthread_mutex_lock(&shared.exit_mutex)
            if atomic.read(&shared.state) < state:
                atomic.write(&shared.stop_at_ns, until)
                atomic.write(&shared.state, state)
            if not shared.joined:
                for number in range(self.shared.workers_made):
                    wake(self.shared.workers[number].wake_fd)
            pthread_mutex_unlock(&shared.exit_mutex)
        return 0

    cdef int _join(self) except -1:
        """Wait until the threads have ended; the main thread looks for signals."""
        cdef int64_t look
        cdef bint ended = False
        cdef Shared* shared = self.shared
        while not ended:
            look = slice_end(INT64_MAX)
            with nogil:
                pthread_mutex_lock(&shared.exit_mutex)
                while shared.alive > 0 and now_ns() < look:
                    condition_wait(&shared.exited, &shared.exit_mutex, look)
                ended = shared.alive == 0
                if ended and not shared.joined:
                    self._join_ended()
                pthread_mutex_unlock(&shared.exit_mutex)
            if not ended:
                PyErr_CheckSignals()
        return 0

    cdef void _join_ended(self) noexcept nogil:
        # Under exit_mutex, which ending threads have left for good.
        cdef int number
        for number in range(self.shared.workers_made):
            if self.shared.workers[number].running:
                pthread_join(self.shared.workers[number].thread, NULL)
            worker_close(self.shared.workers[number])
        # Workers that never started did not leave the listener.
        self.shared.listener = close_quietly(self.shared.listener)
        self.shared.joined = True
        queue_end(&self.shared.queue)

    def __repr__(self):
        return f"<Server {self.host}:{self.port}{' running' if self.running else ''}>"

    def __del__(self):
        if self.started and not self.shared.joined and self.process == getpid():
            try:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=1, source=self)
            finally:            # a warning may be an error
                self.close()


cdef void _note_waits(Shared* shared, const RawMessage* first) noexcept:
    """Record how long messages waited for Python; those of one round count as one time."""
    cdef int64_t now = now_ns()
    cdef int64_t arrived
    cdef int64_t times
    while first != NULL:
        arrived = first.arrived_ns
        times = 0
        while first != NULL and first.arrived_ns == arrived:
            times += 1
            first = first.next
        histogram_add_shared(&shared.waited, now - arrived, times)


cdef object _number(str name, object value, object least=1, object most=2**62):
    if not least <= value <= most:
        raise ConfigurationError(f"{name} {value} is not in {least}..{most}")
    return value
