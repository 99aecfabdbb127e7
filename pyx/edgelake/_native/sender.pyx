"""The sender: outbound messages, each on its own connection."""

import os
import warnings

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, int64_t

from edgelake._native cimport atomic
from edgelake._native.delivery cimport delivery_close, delivery_open, delivery_run
from edgelake._native.outbox cimport *
from edgelake._native.posix cimport (
    getpid,
    pthread_join,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from edgelake._native.server cimport Server
from edgelake._native.sending cimport Sending, positive
from edgelake._native.system cimport (
    as_ns,
    close_quietly,
    condition_wait,
    now_ns,
    remember,
    slice_end,
    thread_start,
    wake,
)

from edgelake import limits as _limits
from edgelake.errors import AlreadyRunning, NotRunning


@cython.final
cdef class Sender(Sending):
    """One thread that connects, writes and closes for any number of messages.

    Parameters
    ----------
    connect_timeout_s : float
        Wait for one connection attempt.
    block_timeout_s : float
        Longest time in which a peer takes no byte of a message.
    max_pending, max_pending_bytes : int
        Messages that wait or travel, over all destinations. Outcomes that
        nobody has fetched by `completions` count as messages.
    max_pending_per_destination : int
        Messages that wait for or travel to one address.
    max_sockets_per_destination : int
        Connections open to one address at a time.

    Raises
    ------
    ConfigurationError
        A parameter is out of its range.

    Notes
    -----
    Lives once: `start`, then `stop` or `close`. Owns the thread, which owns
    the sockets; both are gone when `stop` or `close` returns. The native
    thread never touches Python. Every method may be called from any thread;
    a process forked from the owner's must not use it.
    While a destination fails it is probed by one connection at a time; a
    failed probe counts as an attempt of every message that waited for it.
    Source: docs/protocol.md, "Connections"; docs/locks.md.
    """

    cdef object __weakref__

    def __init__(
        self,
        *,
        connect_timeout_s=_limits.CONNECT_TIMEOUT_S,
        block_timeout_s=_limits.BLOCK_SEND_TIMEOUT_S,
        max_pending=_limits.MAX_PENDING_SENDS,
        max_pending_bytes=_limits.MAX_PENDING_SEND_BYTES,
        max_pending_per_destination=_limits.MAX_PENDING_PER_DESTINATION,
        max_sockets_per_destination=_limits.MAX_SOCKETS_PER_DESTINATION,
    ):
        if self.started:
            raise AlreadyRunning("the sender was started before")
        self.delivery.connect_timeout_ns = as_ns(connect_timeout_s, "connect_timeout_s")
        self.delivery.block_timeout_ns = as_ns(block_timeout_s, "block_timeout_s")
        self.delivery.max_sockets = _limits.MAX_SENDER_SOCKETS
        self.delivery.max_per_destination = positive(
            "max_sockets_per_destination", max_sockets_per_destination
        )
        self.delivery.max_courting = _limits.MAX_OPEN_OFFERS
        self.delivery.accept_timeout_ns = as_ns(_limits.SESSION_ACCEPT_S, "accept_timeout_s")
        self.delivery.ask_pause_ns = as_ns(_limits.SESSION_ASK_PAUSE_S, "ask_pause_s")
        self.reply_attempts = _limits.SEND_ATTEMPTS
        self.reply_pause_ns = as_ns(_limits.RETRY_PAUSE_S, "retry_pause_s")
        self.outbox.max_replies = _limits.MAX_PENDING_REPLIES_PER_PEER
        self.outbox.max_reply_bytes = _limits.MAX_PENDING_REPLY_BYTES_PER_PEER
        self.outbox.max_pending = positive("max_pending", max_pending)
        self.outbox.max_pending_bytes = positive("max_pending_bytes", max_pending_bytes)
        self.outbox.max_per_destination = positive(
            "max_pending_per_destination", max_pending_per_destination
        )

    def attach(self, Server server not None):
        """Belong to a server: its I/O threads keep the sessions of both.

        From then on destinations are offered sessions, and the server can
        answer natively. Before either of them is started.

        Raises
        ------
        AlreadyRunning
            One of them was started, or belongs to another one.
        """
        if (
            self.started
            or server.started
            or self.server is not None
            or server.sender is not None
        ):
            raise AlreadyRunning("sender and server are joined before they start")
        self.server = server
        self.delivery.shared = server.shared
        server.sender = self
        server.shared.outbox = self.outbox

    def start(self):
        """Start the thread.

        Raises
        ------
        OSError
            The system has no room for it.
        AlreadyRunning
            It was started before; make a new one.
        """
        cdef int failed
        if self.started:
            raise AlreadyRunning("the sender was started before")
        if self.outbox.max_pending == 0:
            raise NotRunning("the sender was not initialised")
        failed = delivery_open(self.delivery)
        if failed == 0:
            self.outbox.state = SENDING
            failed = thread_start(&self.outbox.thread, delivery_run, self.delivery, "el-sender")
        if failed != 0:
            self.outbox.state = ENDED
            delivery_close(self.delivery)
            raise OSError(failed, os.strerror(failed))
        self.outbox.running = True
        self.started = True
        remember(self)

    def completions(self, max_count, timeout_s=None):
        """Return the outcomes of messages that had a ticket.

        Parameters
        ----------
        max_count : int
            Most outcomes to return, from 1.
        timeout_s : float or None
            Seconds to wait for the first one; ``None`` waits until the sender
            is stopped.

        Returns
        -------
        list of tuple of (int, int, bool), or None
            Ticket; 0 or an errno: ``ETIMEDOUT``, ``ECONNREFUSED``,
            ``ECONNRESET``, ``ECANCELED`` after a stop, and others; whether
            the peer keeps connections. 0 means that the system took every
            byte, and of a session that the peer has the message. Empty
            when the time was over; ``None`` when the sender is stopped and
            every outcome was fetched.

        Raises
        ------
        NotRunning
            The sender was never started.
        """
        cdef size_t most = positive("max_count", max_count)
        cdef int64_t until = INT64_MAX
        cdef int64_t look
        cdef OutgoingList collected
        cdef Outgoing* message
        cdef bint more
        cdef list found = []
        if timeout_s is not None:
            until = now_ns() + as_ns(timeout_s, "timeout_s")
        self._check_process()
        if not self.started:
            raise NotRunning("the sender was not started")
        while True:
            look = slice_end(until)
            with nogil:
                more = outbox_collect(self.outbox, most, look, &collected)
            if collected.first != NULL:
                try:
                    message = collected.first
                    while message != NULL:
                        found.append((message.ticket, message.error, bool(message.kept)))
                        message = message.next
                finally:
                    outgoing_free_all(collected.first)
                return found
            if not more:
                return None
            PyErr_CheckSignals()
            if now_ns() >= until:
                return []

    def stop(self, timeout_s):
        """Send what can be sent in ``timeout_s`` seconds, fail the rest with ECANCELED.

        Returns
        -------
        bool
            Whether nothing was cancelled.

        Notes
        -----
        Several threads may call it. Outcomes stay fetchable.
        """
        cdef int64_t until = now_ns() + as_ns(timeout_s, "timeout_s")
        cdef bint flushed
        if not self.started:
            return True
        self._check_process()
        self._leave_state(FLUSHING, until)
        self._join()
        with nogil:
            pthread_mutex_lock(&self.outbox.mutex)
            # What is still in sessions has no outcome, so that it is not sent.
            flushed = self.outbox.cancelled == 0 and self.outbox.counts.pending == 0
            pthread_mutex_unlock(&self.outbox.mutex)
        return flushed

    def close(self):
        """Close every socket at once; unsent messages fail with ECANCELED.

        May be called twice, from any thread.
        """
        if not self.started or self.process != getpid():
            return
        self._leave_state(CANCELLED, 0)
        self._join()

    cdef int _leave_state(self, int state, int64_t until) except -1:
        cdef Outbox* outbox = self.outbox
        with nogil:
            pthread_mutex_lock(&outbox.mutex)
            if outbox.state < state:
                outbox.state = state
                outbox.stop_at_ns = until
                wake(outbox.wake_fd)
            pthread_mutex_unlock(&outbox.mutex)
        return 0

    cdef int _join(self) except -1:
        """Wait until the thread has ended; the main thread looks for signals."""
        cdef Outbox* outbox = self.outbox
        cdef int64_t look
        cdef bint ended = False
        while not ended:
            look = slice_end(INT64_MAX)
            with nogil:
                pthread_mutex_lock(&outbox.mutex)
                while outbox.state != ENDED and now_ns() < look:
                    condition_wait(&outbox.changed, &outbox.mutex, look)
                ended = outbox.state == ENDED
                if ended and outbox.running:
                    # The thread has left the mutex for good.
                    pthread_join(outbox.thread, NULL)
                    outbox.running = False
                    delivery_close(self.delivery)
                    outbox.wake_fd = close_quietly(outbox.wake_fd)
                pthread_mutex_unlock(&outbox.mutex)
            if not ended:
                PyErr_CheckSignals()
        return 0

    def statistics(self):
        """Return the counters.

        Returns
        -------
        dict of str to int
            ``sent``, ``failed``, ``retries``, ``rejected``, ``sent_bytes`` (but
            for those by sessions, which the server counts) since the start;
            ``pending``, ``pending_bytes``, ``sockets``, ``destinations`` now.
        """
        cdef Counts counts
        cdef dict found
        self._check_process()
        with nogil:
            outbox_count(self.outbox, &counts)
        found = counts
        found["sent_bytes"] = atomic.counted(&self.delivery.sent_bytes)
        return found

    def __repr__(self):
        return f"<Sender {self.statistics()}>"

    def __del__(self):
        if self.started and self.outbox.running and self.process == getpid():
            try:
                warnings.warn("unclosed <Sender>", ResourceWarning, stacklevel=1, source=self)
            finally:            # a warning may be an error
                self.close()
