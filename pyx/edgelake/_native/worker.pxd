# An I/O thread of the server and what all of them share; C only, no GIL.
from libc.stdint cimport int64_t, uint8_t, uint64_t

from edgelake._native.assembler cimport AssemblyLimits
from edgelake._native.connection cimport BufferPool, Connection
from edgelake._native.facts cimport Facts
from edgelake._native.histogram cimport Histogram
from edgelake._native.inbox cimport Inbox
from edgelake._native.links cimport Link
from edgelake._native.message_queue cimport Batch, MessageQueue
from edgelake._native.outbox cimport Outbox
from edgelake._native.peers cimport PeerTable
from edgelake._native.posix cimport epoll_event, pthread_cond_t, pthread_mutex_t, pthread_t
from edgelake._native.routes cimport RouteTable
from edgelake._native.slots cimport Slots

cdef enum:
    EVENTS = 256
    SCRATCH_BYTES = 65536

cdef enum:
    RUNNING = 1
    DRAINING = 2        # take what is there, then end
    ABORTED = 3         # end

cdef enum:
    # Each has one writing thread per worker; their names are in server.pyx.
    ACCEPTED
    CONNECTIONS         # open now
    UNFINISHED          # of them, inside a message
    SESSIONS            # of them, kept by both sides
    OWN_SESSIONS        # of them, opened by this side
    MESSAGES
    NATIVE              # of them, answered or dropped by a route
    BLOCKS
    BYTES
    SENT_BYTES          # by sessions
    SESSION_ANSWERS     # native ones that went back by their session
    SESSIONS_ACCEPTED
    SESSIONS_OPENED
    LOST_ANSWERS        # native ones that could not be sent
    PAUSES
    PAUSED              # 1 during a pause
    ACCEPT_ERRORS
    # Why connections were dropped.
    BAD_HEADER
    BAD_COUNTER
    BAD_TEXT
    BAD_SESSION
    TOO_LARGE
    TRUNCATED
    BYTE_TIMEOUT
    MESSAGE_TIMEOUT
    IDLE_TIMEOUT
    SLOW_READER
    EVICTED
    REFUSED
    NO_MEMORY
    COUNTERS = 30       # how many there are
    # An ordinary end is not counted.
    NO_REASON = -1

cdef struct Shared:
    # Owner: the Server object. Set before the threads start, then only the
    # fields below "changing" change, each as its comment says.
    int64_t max_connections
    int64_t byte_timeout_ns
    int64_t message_timeout_ns
    int64_t idle_timeout_ns
    int64_t session_idle_ns     # of sessions that this side opened
    int64_t block_timeout_ns    # in which a peer must take something of what we write
    int64_t receipt_timeout_ns  # in which it must acknowledge something of that
    int64_t reply_pause_ns
    int reply_attempts
    int64_t max_ready_bytes     # of answers that peers of sessions have yet to take
    bint sessions               # offers are accepted
    Outbox* outbox              # of the sender that belongs to the server, or NULL
    Worker** workers
    # changing
    int workers_made            # by the Server object, before the threads start
    AssemblyLimits limits       # held_bytes: atomic
    MessageQueue queue          # its own mutex
    PeerTable peers             # its own mutex
    Facts facts                 # its own mutex
    Histogram waited            # atomic; from the last byte until Python has the message
    Histogram handled           # atomic; from the last byte until the handler is done
    int64_t state               # atomic
    int64_t stop_at_ns          # atomic; monotonic time of the deadline of a stop
    int64_t ready_bytes         # atomic; memory of those answers
    int64_t connections         # atomic; open now, over all workers
    int64_t accepting           # atomic; workers that still use the listener
    int64_t cut                 # atomic; connections ended inside a message by a stop
    int listener                # closed by the last worker that uses it
    pthread_mutex_t exit_mutex  # guards alive and joined
    pthread_cond_t exited
    int alive
    bint joined

cdef struct Worker:
    # Owner of everything in it but `shared` and `inbox`: who holds `busy`. That
    # is the thread, but while it waits; before its start and after its end the
    # Server object needs no lock.
    Shared* shared
    pthread_mutex_t busy
    Inbox inbox                 # its own mutex
    pthread_t thread
    int epoll_fd
    int wake_fd
    int spare_fd                # given up for a moment to refuse when none is left
    RouteTable* routes
    Link idle                   # no message in progress, longest silence first
    Link kept                   # the same, sessions that this side opened
    Link silent                 # inside a message, longest silence first
    Link leaving                # sessions that end, longest silence first
    Link begun                  # those of silent, oldest message first
    Link owing                  # sessions whose peers wait for an acknowledgement
    Link writing                # sessions whose peers have yet to take bytes
    Link asking                 # sessions whose peers have yet to acknowledge
    Connection* again           # opened this round, to be read once more
    Connection* ended           # freed when the round ends
    BufferPool pool
    Batch batch
    Slots slots                 # of connections with sessions
    # Worker time: monotonic time less the time spent paused, so that a pause
    # of ours does not use up the peers' deadlines.
    int64_t now_ns
    int64_t paused_ns
    int64_t accept_again_ns     # when the listener is watched again
    int64_t watched             # atomic; connections in epoll, for the others to compare
    bint watching               # the listener is in epoll
    bint accepted_all           # a stop took all that the kernel had queued
    bint must_pause
    bint running                # the thread was started; for the Server object only
    uint64_t counters[COUNTERS]
    Histogram received          # from the first byte of a message to its last
    size_t answers_length
    epoll_event events[EVENTS]
    uint8_t scratch[SCRATCH_BYTES]
    uint8_t answers[SCRATCH_BYTES]  # of the session that is being read

cdef int worker_open(Worker* worker) noexcept nogil
cdef void worker_close(Worker* worker) noexcept nogil
cdef void* worker_run(void* argument) noexcept nogil
cdef void worker_tick(Worker* worker) noexcept nogil
cdef int worker_drop(Worker* worker, Connection* connection, int reason) noexcept nogil
cdef void worker_flush(Worker* worker) noexcept nogil
cdef void worker_take_in(Worker* worker, Connection* connection) noexcept nogil
cdef void worker_watch(Worker* worker, Connection* connection) noexcept nogil
