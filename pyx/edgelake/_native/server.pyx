"""The message server: listening socket, I/O threads, queue of whole messages."""

import os
import threading
import warnings

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport ENOMEM
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from edgelake._native cimport atomic
from edgelake._native.acceptor cimport listener_open
from edgelake._native.announcement cimport Place
from edgelake._native.facts cimport HASH_BYTES, MOST_PLACES
from edgelake._native.histogram cimport (
    Histogram,
    bucket_of,
    histogram_add_shared,
    histogram_sum,
)
from edgelake._native.inbox cimport inbox_set_routes
from edgelake._native.message cimport (
    Message,
    RawMessage,
    message_free_all,
    message_object,
    size_bytes,
)
from edgelake._native.message_queue cimport (
    Batch,
    queue_clear,
    queue_destroy,
    queue_end,
    queue_init,
    queue_open_door,
    queue_return,
    queue_take,
)
from edgelake._native.peers cimport peers_count, peers_destroy, peers_init
from edgelake._native.posix cimport (
    AF_INET,
    getpid,
    getrandom,
    inet_pton,
    pthread_cond_destroy,
    pthread_join,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from edgelake._native.routes cimport (
    ROUTE_BUCKETS,
    RouteTable,
    routes_add,
    routes_free,
    routes_new,
)
from edgelake._native.system cimport (
    as_ns,
    condition_init,
    condition_wait,
    close_quietly,
    now_ns,
    remember,
    slice_end,
    thread_start,
    wake,
)
from edgelake._native.wire cimport BLOCK_BYTES
from edgelake._native.worker cimport *

from edgelake import limits as _limits
from edgelake.errors import AlreadyRunning, ConfigurationError, NotRunning

cdef tuple _NAMES = (
    "accepted", "connections", "unfinished", "sessions", "own_sessions", "messages", "native",
    "blocks", "bytes", "sent_bytes", "session_answers", "sessions_accepted", "sessions_opened",
    "lost_answers", "pauses", "paused", "accept_errors", "bad_header", "bad_counter", "bad_text",
    "bad_session", "too_large", "truncated", "byte_timeout", "message_timeout", "idle_timeout",
    "slow_reader", "evicted", "refused", "no_memory",
)
if len(_NAMES) != COUNTERS:
    raise ImportError(f"{len(_NAMES)} names for {COUNTERS} counters")


@cython.final
cdef class Server:
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

    def __cinit__(self, *_args, **_options):
        self.process = getpid()
        self.shared = <Shared*>calloc(1, sizeof(Shared))
        if self.shared == NULL:
            raise MemoryError
        self.shared.listener = -1
        self.routes = {}
        self.lock = threading.Lock()
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
            with self.lock:
                self._hand_routes()
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

    # ------------------------------------------------------- native answers

    def set_route(self, bytes command not None, bytes near not None, bytes far not None):
        """Have the I/O threads answer a command by themselves.

        Parameters
        ----------
        command : bytes
            The whole message, 1..63 bytes; it must be exactly this.
        near, far : bytes
            The answer to peers of the local network and to others, as blocks
            of at most 64 KiB; their job fields are replaced by the request's.
            Empty: the message is counted and not answered.

        Raises
        ------
        ConfigurationError
            Too long, too many, or no whole blocks.

        Notes
        -----
        Each thread takes the change up with its next round.
        """
        if not 1 <= len(command) < ROUTE_BUCKETS:
            raise ConfigurationError(
                f"a command of {len(command)} bytes is not in 1..{ROUTE_BUCKETS - 1}"
            )
        for blocks in (near, far):
            if len(blocks) % BLOCK_BYTES or len(blocks) > SCRATCH_BYTES:
                raise ConfigurationError(
                    f"an answer of {len(blocks)} bytes is not whole blocks of at most "
                    f"{SCRATCH_BYTES} bytes"
                )
        with self.lock:
            if command not in self.routes and len(self.routes) >= _limits.MAX_ROUTES:
                raise ConfigurationError(f"routes have reached {_limits.MAX_ROUTES}")
            self.routes[command] = (near, far)
            self._hand_routes()

    def remove_route(self, bytes command not None):
        """End what `set_route` began; nothing happens if there is none."""
        with self.lock:
            if self.routes.pop(command, None) is not None:
                self._hand_routes()

    cdef int _hand_routes(self) except -1:
        """Give each thread a table of its own."""
        cdef RouteTable* table
        cdef int number
        for number in range(self.shared.workers_made):
            table = routes_new()
            if table == NULL:
                raise MemoryError
            for command, (near, far) in self.routes.items():
                if not routes_add(
                    table, command, len(command), near, len(near), far, len(far)
                ):
                    routes_free(table)
                    raise MemoryError
            routes_free(inbox_set_routes(&self.shared.workers[number].inbox, table))
        return 0

    def set_places(self, places):
        """Name the addresses by which other nodes reach this one.

        Parameters
        ----------
        places : sequence of tuple of (str, int)
            IPv4 address in numbers and port, at most 8. An offer of a session
            to one of them is for this node, as one to the listening address is.
        """
        cdef Place[MOST_PLACES] made
        cdef int count = 0
        for ip, port in places:
            if count == MOST_PLACES:
                raise ConfigurationError(f"places exceed {MOST_PLACES}")
            if inet_pton(AF_INET, ip.encode(errors="replace"), &made[count].ip) != 1:
                raise ConfigurationError(f"place {ip!r} is no IPv4 address in numbers")
            made[count].port = _number("port", port, 0, 65535)
            count += 1
        with nogil:
            pthread_mutex_lock(&self.shared.facts.mutex)
            memcpy(self.shared.facts.places, made, <size_t>count * sizeof(Place))
            self.shared.facts.place_count = count
            pthread_mutex_unlock(&self.shared.facts.mutex)

    def set_ledger_hash(self, bytes digits not None, lease_s):
        """Have polls with this hash of the ledger answered by the I/O threads, with nothing.

        Parameters
        ----------
        digits : bytes
            32 hexadecimal digits; others end it at once.
        lease_s : float
            Seconds for which the hash is known to be right.
        """
        cdef int64_t until = now_ns() + as_ns(lease_s, "lease_s")
        cdef const unsigned char* text = digits
        if len(digits) != HASH_BYTES:
            until = 0
        with nogil:
            pthread_mutex_lock(&self.shared.facts.mutex)
            if until:
                memcpy(self.shared.facts.ledger_hash, text, HASH_BYTES)
            self.shared.facts.ledger_until_ns = until
            pthread_mutex_unlock(&self.shared.facts.mutex)

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

    def note_handled(self, Message message not None, times=1):
        """Record how long a message took from its last byte until now.

        Parameters
        ----------
        times : int
            Messages that this one, the first to come of them, stands for.
        """
        histogram_add_shared(&self.shared.handled, now_ns() - message.arrived_ns, times)

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

    def __repr__(self):
        return f"<Server {self.host}:{self.port}{' running' if self.running else ''}>"

    def __del__(self):
        if self.started and not self.shared.joined and self.process == getpid():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=1, source=self)
            self.close()

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


def latency_bucket(int64_t nanoseconds):
    """Return the bucket of `Server.latencies` that counts a time."""
    return bucket_of(nanoseconds)


cdef object _number(str name, object value, object least=1, object most=2**62):
    if not least <= value <= most:
        raise ConfigurationError(f"{name} {value} is not in {least}..{most}")
    return value
