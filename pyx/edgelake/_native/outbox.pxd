# Outbound messages between Python and the threads that send them; C only, no GIL.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from edgelake._native.links cimport Link
from edgelake._native.posix cimport pthread_cond_t, pthread_mutex_t, pthread_t

cdef enum:
    BUCKETS = 4096              # of destinations and of causes, by address

cdef enum:
    SENDING = 1
    FLUSHING = 2                # send what is there, then end
    CANCELLED = 3               # end
    ENDED = 4                   # the thread has left

cdef struct Outgoing:
    # Owner: whoever's list it is in - the outbox, the sender's thread, the
    # inbox of a worker, a session. Its outcome goes back to the outbox. `data`
    # is freed as soon as nobody can need it again.
    Outgoing* next
    Destination* destination
    uint8_t* data
    size_t length
    size_t written              # by a session
    uint64_t session            # by which it shall travel, 0 for none
    uint64_t number             # its place in that session, once begun
    uint64_t counted_for        # the session that it is counted for as an answer
    int64_t ticket
    int64_t pause_ns            # before another attempt
    int64_t queued_ns           # when the thread took it
    int64_t due_ns              # no earlier attempt while the destination fails
    uint32_t cause              # address whose message it answers, 0 for none
    int attempts_left
    int error                   # outcome: 0 or an errno
    bint asks                   # outcome: whether the peer keeps connections matters
    bint kept                   # outcome: it does, and has the message

cdef struct OutgoingList:
    Outgoing* first
    Outgoing* last

cdef struct Destination:
    # One address with messages. In the table while `pending` is not 0, and some
    # time longer when the last message went by a session.
    Link place                  # in ready or in failing, else alone
    Destination* next           # in its bucket
    size_t pending              # this and the next: under the outbox's mutex; others: the thread
    size_t answers              # of them, by sessions, whose peers only say it is their address
    OutgoingList waiting
    int64_t retry_ns            # when the next attempt is due, while in failing
    uint32_t ip                 # network byte order
    uint16_t port
    int sockets
    bint stale                  # kept without a message
    bint failing                # the last attempt failed
    bint probing                # one attempt is under way to see whether it is back

cdef struct Cause:
    # One address, or one session, whose messages are being answered; gone when
    # all are.
    Cause* next
    uint64_t key
    size_t replies
    size_t reply_bytes

cdef struct Counts:
    # What statistics() shows; the first four only grow.
    uint64_t sent
    uint64_t failed
    uint64_t retries
    uint64_t rejected
    uint64_t pending
    uint64_t pending_bytes
    uint64_t sockets
    uint64_t destinations

cdef struct Outbox:
    # Owner: the Sender object. The bounds and wake_fd never change while the
    # thread runs, all else is under the mutex, a leaf.
    size_t max_pending
    size_t max_pending_bytes
    size_t max_per_destination
    size_t max_replies
    size_t max_reply_bytes
    int wake_fd
    pthread_mutex_t mutex
    pthread_cond_t changed      # outcomes, or the thread has left
    pthread_t thread
    int state
    bint running                # the thread was started and is not joined
    int64_t stop_at_ns
    OutgoingList inbox
    OutgoingList outcomes
    Destination* buckets[BUCKETS]
    Cause* causes[BUCKETS]
    size_t answers              # of the pending ones, by sessions
    size_t stale                # destinations that were left without a message
    size_t uncollected          # outcomes nobody has fetched
    uint64_t cancelled          # of the failed ones, by a stop
    Counts counts

cdef enum:
    ADDED = 0
    NOT_RUNNING = -1
    TOO_MANY = -2
    TOO_MANY_BYTES = -3
    TOO_MANY_FOR_ONE = -4
    NO_ROOM = -5
    TOO_MANY_REPLIES = -6
    TOO_MANY_REPLY_BYTES = -7

cdef inline void list_append(OutgoingList* list, Outgoing* message) noexcept nogil:
    message.next = NULL
    if list.last == NULL:
        list.first = message
    else:
        list.last.next = message
    list.last = message

cdef inline Outgoing* list_pop(OutgoingList* list) noexcept nogil:
    cdef Outgoing* message = list.first
    if message != NULL:
        list.first = message.next
        if list.first == NULL:
            list.last = NULL
        message.next = NULL
    return message

cdef int outbox_init(Outbox* outbox) noexcept nogil
cdef void outbox_destroy(Outbox* outbox) noexcept nogil
cdef int outbox_admit(
    Outbox* outbox, Outgoing* message, uint32_t ip, uint16_t port
) noexcept nogil
cdef void outbox_queue(Outbox* outbox, Outgoing* message) noexcept nogil
cdef int outbox_room(Outbox* outbox, uint32_t cause, size_t length) noexcept nogil
cdef void outbox_settle(Outbox* outbox, OutgoingList* settled) noexcept nogil
cdef bint outbox_end(Outbox* outbox) noexcept nogil
cdef void outbox_exchange(
    Outbox* outbox, OutgoingList* settled, OutgoingList* taken
) noexcept nogil
cdef bint outbox_collect(
    Outbox* outbox, size_t most, int64_t until_ns, OutgoingList* collected
) noexcept nogil
cdef void outbox_count(Outbox* outbox, Counts* counts) noexcept nogil
cdef void outgoing_free_all(Outgoing* first) noexcept nogil
