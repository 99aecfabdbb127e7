# cython: boundscheck=False, wraparound=False
"""Fuzz target: an I/O thread with its connections and sessions.

The real `worker_run` runs here, on the fuzzer's thread. Whenever it would
wait, the input says what the world does meanwhile: peers connect, send, half
close and reset, take bytes, accept sessions; Python takes messages and posts
others; calls of the system fail; time passes; the server stops. kernel.c
follows every block that is written, `_check` looks at the thread's own records
each time it waits, and in the end nothing may be left.
"""

from libc.errno cimport EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC, EPIPE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from edgelake._native cimport atomic
from edgelake._native.announcement cimport (
    MESSAGE,
    NONCE_BYTES,
    Place,
    count_write,
    kind_write,
    offer_write,
)
from edgelake._native.connection cimport Connection
from edgelake._native.facts cimport HASH_BYTES
from edgelake._native.header cimport load16, load32, store16, store32
from edgelake._native.inbox cimport Handover, inbox_hand_over, inbox_set_routes
from edgelake._native.links cimport Link, link_is_alone
from edgelake._native.message cimport RawMessage, message_free_all
from edgelake._native.message_queue cimport (
    Batch,
    queue_init,
    queue_open_door,
    queue_take,
)
from edgelake._native.outbox cimport (
    ADDED,
    SENDING,
    Outbox,
    Outgoing,
    OutgoingList,
    list_append,
    list_pop,
    outbox_collect,
    outbox_exchange,
    outbox_init,
    outgoing_free_all,
)
from edgelake._native.peers cimport peers_init
from edgelake._native.posix cimport close, eventfd, ntohl, pthread_mutex_init
from edgelake._native.posting cimport post
from edgelake._native.routes cimport RouteTable, routes_add, routes_free, routes_new
from edgelake._native.session cimport Session, backlog
from edgelake._native.system cimport condition_init
from edgelake._native.wire cimport *
from edgelake._native.worker cimport *

from tests.fuzz.kernel cimport *
from tests.fuzz.source cimport Source, byte, fill, number

cdef enum:
    OWN_PORT = 7848             # see kernel_getsockname
    MS = 1000000
    MOST_ORDERS = 300
    ORDERS_AT_ONCE = 12

cdef struct Posted:
    bint admitted
    bint elsewhere              # given to the sender, which sent it
    int outcomes                # 1 when it is known
    int64_t ticket

cdef Source _source
cdef Shared _shared
cdef Worker _worker
cdef Outbox _outbox
cdef Worker* _workers
cdef bint _ready
cdef int _orders
cdef bint _reader_lives         # Python goes on taking messages after the input ends
cdef bint _aborts               # how the server ends
cdef uint64_t _taken            # whole messages
cdef OutgoingList _sent         # by the sender; it tells so next time
cdef Posted[256] _posted
cdef uint32_t _posts
cdef int _large                 # things of which each takes much time
cdef uint32_t[64] _counters     # of the next block of each peer
cdef uint8_t[300 * BLOCK_BYTES] _room
cdef const char* _HASH = "0123456789abcdef0123456789abcdef"


# ------------------------------------------------------------------ the peers


cdef inline uint32_t _near() noexcept nogil:
    return ntohl(0x7f000001)    # as good as htonl


cdef void _block(
    uint8_t* block, const char* command, size_t length, size_t data, uint32_t counter, bint last
) noexcept nogil:
    memset(block, 0, BLOCK_BYTES)
    store32(block + AT_BLOCK_COUNTER, counter)
    block[AT_LAST_FLAG] = last
    store16(block + AT_COMMAND_LENGTH, <uint16_t>length)
    store32(block + AT_DATA_LENGTH, <uint32_t>(length + data))
    memcpy(block + HEADER_BYTES, command, length)


cdef void _command(uint8_t* block, uint8_t which, uint32_t counter, bint last) noexcept nogil:
    """Make one of the messages that take different ways."""
    if which == 0:
        _block(block, "get status", 10, 0, counter, last)
    elif which == 1:
        _block(block, "silent", 6, 0, counter, last)
    elif which == 2:
        _block(block, "event get_blockchain led 0123456789abcdef0123456789abcdef 0", 59, 0,
               counter, last)
    elif which == 3:
        _block(block, "print", 5, 1836, counter, last)
    elif which == 4:
        _block(block, "long", 4, 0, counter, last)
    else:
        _block(block, "print", 5, which, counter, last)
    block[AT_SOURCE_IP_LENGTH] = 9
    memcpy(block + AT_SOURCE_IP, <const char*>"127.0.0.1", 9)
    store32(block + AT_SOURCE_PORT, 9000)


cdef void _send_block(int peer) noexcept nogil:
    """Send a block that is right but for what the input says."""
    cdef uint8_t[BLOCK_BYTES] block
    cdef uint8_t how = byte(&_source)
    cdef uint8_t kind = byte(&_source)
    cdef bint last = how & 8 == 0
    cdef uint64_t count = kernel_heard(peer)
    _command(block, how & 7, _counters[peer], last)
    _counters[peer] = 1 if last else _counters[peer] + 1
    if kind & 16:
        count = byte(&_source)
    if how & 16:
        store32(block + AT_SOURCE_PORT, number(&_source) << (how >> 5))
    if kind & 32:
        block[AT_SOURCE_IP_LENGTH] = byte(&_source) & 31
    if kind & 64:
        block[number(&_source) % (HEADER_BYTES + 8)] = byte(&_source)
    if load32(block + AT_BLOCK_COUNTER) == 1:
        kind_write(block, kind & 7)
        count_write(block, count)
    kernel_deliver(peer, block, BLOCK_BYTES)


cdef void _send_offer(int peer) noexcept nogil:
    cdef uint8_t[BLOCK_BYTES] block
    cdef uint8_t[NONCE_BYTES] nonce
    cdef Place to
    cdef uint8_t how = byte(&_source)
    cdef bint last = how & 8 == 0
    memset(nonce, 1 + peer, sizeof(nonce))
    _command(block, how & 7, 1, last)
    _counters[peer] = 1 if last else 2
    # Its own address, the one it is known by, or another node's.
    to.ip = _near()
    to.port = OWN_PORT
    if how & 16:
        to.port = 7999 if how & 32 else 7998
    store32(block + AT_SOURCE_PORT, 9000 + (how >> 6))
    offer_write(block, nonce, &to)
    kernel_deliver(peer, block, BLOCK_BYTES)


cdef void _send_raw(int peer) noexcept nogil:
    cdef uint8_t[256] bytes
    cdef size_t length = fill(&_source, bytes, byte(&_source))
    kernel_deliver(peer, bytes, length)


# ----------------------------------------------------------------- our own side


cdef void _post(int peer) noexcept nogil:
    """Post a message of ours, to a session or an address, as Python does."""
    cdef uint8_t how = byte(&_source)
    cdef uint8_t size = byte(&_source)
    cdef uint32_t blocks = 300 if size == 255 and _large < 2 else 1 + size % 16
    cdef uint32_t n
    cdef Outgoing* message
    global _posts, _large
    if _posts + 1 >= 255:
        return
    _large += blocks == 300
    kernel_quiet(1)
    message = <Outgoing*>calloc(1, sizeof(Outgoing))
    message.data = <uint8_t*>malloc(blocks * BLOCK_BYTES)
    message.length = blocks * BLOCK_BYTES
    _posts += 1
    for n in range(blocks):
        _block(message.data + n * BLOCK_BYTES, "posted", 6, 0, n + 1, n + 1 == blocks)
        store32(message.data + n * BLOCK_BYTES + AT_JOB_ID, _posts)
    message.attempts_left = 1
    if how & 1:
        message.ticket = _posts
    if how & 2:
        message.cause = _near()
    if how & 4 and _worker.slots.count:
        message.session = _worker.slots.slots[(how >> 4) % 16].id
    _posted[_posts].ticket = message.ticket
    kernel_expect(_posts, blocks)
    # Ports of peers that accepted a session, and of those that offered one.
    n = 9100 + <uint32_t>peer if how & 8 else 9000 + (how >> 6)
    if post(&_outbox, &_shared, message, _near(), <uint16_t>n) == ADDED:
        _posted[_posts].admitted = True
    else:
        outgoing_free_all(message)
    kernel_quiet(0)


cdef void _hand_over() noexcept nogil:
    """Give the thread a connection whose peer accepted a session, as the sender does."""
    cdef Handover* handover
    cdef int fd = -1
    cdef int peer = kernel_adopt(_near(), 9100 + <uint16_t>kernel_peers(), &fd)
    if peer < 0:
        return
    kernel_opened_session(peer)
    kernel_quiet(1)
    handover = <Handover*>calloc(1, sizeof(Handover))
    handover.fd = fd
    handover.ip = _near()
    handover.port = 9100 + <uint16_t>peer
    handover.confirmed = byte(&_source) & 1
    if not inbox_hand_over(&_worker.inbox, handover):
        close(fd)
        free(handover)
    kernel_quiet(0)


cdef void _set_routes() noexcept nogil:
    cdef RouteTable* table
    cdef uint8_t how = byte(&_source)
    global _large
    kernel_quiet(1)
    table = routes_new()
    _block(_room, "answer", 6, 0, 1, True)
    routes_add(table, <const uint8_t*>"silent", 6, _room, 0, _room, 0)
    if how & 1:
        routes_add(table, <const uint8_t*>"get status", 10, _room, BLOCK_BYTES, _room, 0)
    if how & 2 and _large < 4:
        # As long as an answer may be.
        _large += 1
        _long_answer()
        routes_add(
            table, <const uint8_t*>"long", 4, _room, 32 * BLOCK_BYTES, _room, 32 * BLOCK_BYTES
        )
    routes_free(inbox_set_routes(&_worker.inbox, table))
    kernel_quiet(0)


cdef void _long_answer() noexcept nogil:
    cdef uint32_t n
    for n in range(32):
        _block(_room + n * BLOCK_BYTES, "answer", 6, 0, n + 1, n == 31)


cdef void _take_messages(size_t most) noexcept nogil:
    """Take messages up, as Python does."""
    global _taken
    cdef Batch taken
    cdef RawMessage* message
    queue_take(&_shared.queue, most, 0, &taken)
    message = taken.first
    while message != NULL:
        _taken += 1
        kernel_check(message.data_length <= _shared.limits.message_bytes, "a message too large")
        message = message.next
    message_free_all(taken.first)


cdef void _exchange() noexcept nogil:
    """Do what the sender's thread does: take messages, and send them another way."""
    cdef OutgoingList taken
    cdef Outgoing* message
    cdef uint32_t n
    outbox_exchange(&_outbox, &_sent, &taken)
    while True:
        message = list_pop(&taken)
        if message == NULL:
            return
        kernel_check(message.data != NULL, "a message without its bytes is sent again")
        kernel_check(message.session == 0, "a message is still a session's")
        kernel_check(load16(message.data + AT_SOCKET_ID) == MESSAGE, "a kind is left over")
        if memcmp(message.data + HEADER_BYTES, <const char*>"posted", 6) == 0:
            n = load32(message.data + AT_JOB_ID)
            kernel_check(not kernel_whole(n), "a message that was written is sent again")
            kernel_check(not _posted[n].elsewhere, "a message is sent twice")
            _posted[n].elsewhere = True
        list_append(&_sent, message)


cdef void _collect() noexcept nogil:
    """Fetch outcomes, as Python does."""
    cdef OutgoingList collected
    cdef Outgoing* message
    outbox_collect(&_outbox, 1000, 0, &collected)
    message = collected.first
    while message != NULL:
        _check_outcome(message)
        message = message.next
    outgoing_free_all(collected.first)


cdef void _check_outcome(const Outgoing* message) noexcept nogil:
    cdef Posted* posted = &_posted[message.ticket]
    kernel_check(posted.admitted and posted.ticket == message.ticket, "whose outcome is it")
    posted.outcomes += 1
    kernel_check(posted.outcomes == 1, "a message has two outcomes")
    if message.error == 0:
        kernel_check(
            kernel_whole(<uint32_t>message.ticket) or posted.elsewhere,
            "a message is said to have arrived and was not sent",
        )


cdef void _stop(bint abort, int64_t timeout_ms) noexcept nogil:
    cdef int64_t state = ABORTED if abort else DRAINING
    if atomic.read(&_shared.state) >= state:
        return
    atomic.write(&_shared.stop_at_ns, kernel_now_ns() + timeout_ms * MS)
    atomic.write(&_shared.state, state)
    if abort:
        queue_open_door(&_shared.queue)


# ------------------------------------------------------------------- the world


cdef void _order() noexcept nogil:
    """Let one thing happen."""
    cdef uint8_t order = byte(&_source)
    cdef int peer = order >> 4
    cdef bint known = peer < kernel_peers()
    order &= 15
    if order == 0:
        # Some of them come from another network.
        peer = kernel_arrive(_near() if peer else 0x01010108, 40000 + <uint16_t>kernel_peers())
        if peer >= 0:
            kernel_open_window(peer, byte(&_source) << 6)
    elif order == 1 and known:
        _send_raw(peer)
    elif order == 2 and known:
        _send_block(peer)
    elif order == 3 and known:
        _send_offer(peer)
    elif order == 4 and known:
        kernel_finish(peer)
    elif order == 5 and known:
        kernel_reset(peer)
    elif order == 6:
        _post(peer)
    elif order == 7 and known:
        kernel_open_window(peer, number(&_source) << 3)
    elif order == 8:
        kernel_pass(byte(&_source))
    elif order == 9:
        _hand_over()
    elif order == 10:
        _take_messages(1 + byte(&_source))
    elif order == 11:
        _fault()
    elif order == 12:
        _exchange()
        _collect()
    elif order == 13:
        kernel_read_at_most(1 + number(&_source))
    elif order == 14:
        _set_routes()
    elif order == 15:
        if peer == 15:
            _stop(byte(&_source) & 1, byte(&_source))


cdef void _fault() noexcept nogil:
    cdef uint8_t which = byte(&_source)
    cdef int after = 1 + (which >> 5)
    which = which % 12
    if which == 0:
        kernel_fail(FAIL_MEMORY, after, ENOMEM)
    elif which == 1:
        kernel_fail(FAIL_WATCH, after, ENOSPC)
    elif which == 2:
        kernel_fail(FAIL_ACCEPT, after, EMFILE)
    elif which == 3:
        kernel_fail(FAIL_ACCEPT, after, ENFILE)
    elif which == 4:
        kernel_fail(FAIL_ACCEPT, after, ENOBUFS)
    elif which == 5:
        kernel_fail(FAIL_ACCEPT, after, ECONNABORTED)
    elif which == 6:
        kernel_fail(FAIL_RECEIVE, after, EINTR)
    elif which == 7:
        kernel_fail(FAIL_RECEIVE, after, EAGAIN)
    elif which == 8:
        kernel_fail(FAIL_SEND, after, EINTR)
    elif which == 9:
        kernel_fail(FAIL_SEND, after, EAGAIN)
    elif which == 10:
        kernel_fail(FAIL_SEND, after, EPIPE)
    else:
        kernel_fail(FAIL_SOCKET, after, EMFILE)


cdef int _step(int64_t _timeout_ms) noexcept nogil:
    """Whatever happens while the thread waits; tells whether anything did."""
    global _orders
    cdef int _turn
    _check()
    if _source.left and _orders < MOST_ORDERS:
        for _turn in range(ORDERS_AT_ONCE):
            if _source.left == 0:
                break
            if _source.at[0] == 0xff:
                byte(&_source)
                break
            _orders += 1
            _order()
        return 1
    if _reader_lives and _shared.queue.waiting.first != NULL:
        _take_messages(1000)
        return 1
    if atomic.read(&_shared.state) == RUNNING:
        _stop(_aborts, 50)
        return 1
    return 0


# ------------------------------------------------------------------ the checks


cdef size_t _members(const Link* head) noexcept nogil:
    cdef size_t count = 0
    cdef const Link* at = head.after
    while at != head:
        kernel_check(at.after.before == at, "a list is torn")
        count += 1
        kernel_check(count <= 64, "a list without an end")
        at = at.after
    return count


cdef void _check() noexcept nogil:
    """Look whether the thread's records fit one another."""
    cdef size_t open = atomic.counted(&_worker.counters[CONNECTIONS])
    cdef size_t unfinished = _members(&_worker.silent)
    cdef size_t sessions = 0
    cdef size_t writing = 0
    cdef size_t owing = 0
    cdef Connection* connection
    cdef uint32_t at
    kernel_check(<int64_t>open == atomic.read(&_shared.connections), "open connections")
    kernel_check(
        _members(&_worker.idle) + _members(&_worker.kept) + _members(&_worker.leaving)
        + unfinished == open,
        "a connection in no list",
    )
    kernel_check(unfinished == _members(&_worker.begun), "a message without its deadline")
    kernel_check(
        unfinished == atomic.counted(&_worker.counters[UNFINISHED]), "unfinished messages"
    )
    kernel_check(_shared.limits.held_bytes <= _shared.limits.assembly_bytes, "memory of messages")
    kernel_check(<int64_t>open <= _shared.max_connections, "more connections than allowed")
    kernel_check(_worker.answers_length == 0, "an answer was left")
    kernel_check(_worker.again == NULL, "a new connection was left")
    for at in range(_worker.slots.count):
        connection = <Connection*>_worker.slots.slots[at].holder
        if connection != NULL:
            sessions += 1
            writing += not link_is_alone(&connection.session.writing)
            owing += not link_is_alone(&connection.session.owing)
            _check_session(connection)
    kernel_check(sessions == atomic.counted(&_worker.counters[SESSIONS]), "sessions")
    kernel_check(writing == _members(&_worker.writing), "sessions that wait for their peers")
    kernel_check(owing == _members(&_worker.owing), "sessions whose peers wait")


cdef void _check_session(const Connection* connection) noexcept nogil:
    cdef const Session* session = connection.session
    cdef const Outgoing* message = session.waiting.first
    cdef size_t length = 0
    kernel_check(connection.fd >= 0, "a session without a connection")
    while message != NULL:
        length += message.length
        kernel_check(message.written == 0 or message == session.waiting.first, "two are begun")
        message = message.next
    kernel_check(length == session.waiting_bytes, "bytes that wait")
    kernel_check(session.told <= session.received, "more told than received")
    kernel_check(session.confirmed <= session.number, "more confirmed than sent")
    # Otherwise the peer could let us wait for ever.
    kernel_check(
        backlog(session) == 0 or not link_is_alone(&session.writing), "writing has no deadline"
    )
    kernel_check(
        (backlog(session) > 0) == session.watching_out, "nobody tells when writing can go on"
    )
    kernel_check(not session.touched, "a session was forgotten")


cdef void _check_end() noexcept nogil:
    cdef uint32_t at
    cdef uint64_t sent = 0
    cdef uint64_t counted = atomic.counted(&_worker.counters[MESSAGES])
    _take_messages(1000000)
    kernel_check(_shared.queue.waiting.messages == 0, "messages are left in the queue")
    kernel_check(
        counted == atomic.counted(&_worker.counters[NATIVE]) + _taken, "a message was lost"
    )
    kernel_check(_shared.alive == 0, "the thread did not say that it ended")
    kernel_check(_shared.connections == 0, "connections are still counted")
    kernel_check(atomic.counted(&_worker.counters[CONNECTIONS]) == 0, "open connections")
    kernel_check(atomic.counted(&_worker.counters[UNFINISHED]) == 0, "unfinished messages")
    kernel_check(atomic.counted(&_worker.counters[SESSIONS]) == 0, "sessions")
    kernel_check(_shared.limits.held_bytes == 0, "memory is still counted")
    kernel_check(_shared.accepting == 0 and _shared.listener < 0, "the listener was not closed")
    kernel_check(_shared.peers.count == 0, "an address still leads to a session")
    for at in range(_worker.slots.count):
        kernel_check(_worker.slots.slots[at].holder == NULL, "a number still leads to a session")
    _exchange()
    _exchange()
    _collect()
    kernel_check(_outbox.counts.pending == 0, "a message has no outcome")
    kernel_check(_outbox.counts.pending_bytes == 0, "bytes of messages are still counted")
    kernel_check(_outbox.uncollected == 0, "outcomes are still counted")
    for at in range(1, _posts + 1):
        kernel_check(
            _posted[at].outcomes == (_posted[at].admitted and _posted[at].ticket != 0),
            "a message has not one outcome",
        )
        sent += kernel_whole(at) != 0
        kernel_check(not (kernel_whole(at) and _posted[at].elsewhere), "a message went two ways")


# ---------------------------------------------------------------------- one run


cdef void _prepare() noexcept nogil:
    """Make what all runs share."""
    global _workers
    memset(&_shared, 0, sizeof(_shared))
    queue_init(&_shared.queue)
    peers_init(&_shared.peers, 64)
    pthread_mutex_init(&_shared.facts.mutex, NULL)
    pthread_mutex_init(&_shared.exit_mutex, NULL)
    condition_init(&_shared.exited)
    memset(&_outbox, 0, sizeof(_outbox))
    _outbox.max_pending = 100
    _outbox.max_pending_bytes = 16 << 20
    _outbox.max_per_destination = 64
    _outbox.max_replies = 32
    _outbox.max_reply_bytes = 1 << 20
    _outbox.state = SENDING
    outbox_init(&_outbox)
    close(_outbox.wake_fd)
    _workers = &_worker
    _shared.workers = &_workers
    _shared.workers_made = 1
    _shared.facts.places[0].ip = _near()
    _shared.facts.places[0].port = 7998
    _shared.facts.place_count = 1
    memcpy(_shared.facts.ledger_hash, _HASH, HASH_BYTES)
    _shared.facts.ledger_until_ns = <int64_t>1 << 62


cdef void _begin() noexcept nogil:
    """Set a new worker up, with limits that the input chooses."""
    global _orders, _taken, _posts, _large, _reader_lives, _aborts
    cdef uint8_t how = byte(&_source)
    cdef uint8_t limits = byte(&_source)
    cdef int at
    _orders = 0
    _taken = 0
    _posts = 0
    _large = 0
    memset(&_sent, 0, sizeof(_sent))
    memset(_posted, 0, sizeof(_posted))
    for at in range(64):
        _counters[at] = 1
    memset(&_worker, 0, sizeof(_worker))
    _reader_lives = how & 1
    _aborts = how & 2
    _shared.sessions = how & 4 == 0
    _shared.outbox = &_outbox
    _shared.max_connections = 1 + (limits & 15)
    _shared.byte_timeout_ns = 40 * MS
    _shared.message_timeout_ns = 120 * MS
    _shared.idle_timeout_ns = 300 * MS
    _shared.session_idle_ns = 200 * MS
    _shared.block_timeout_ns = 100 * MS
    _shared.reply_attempts = 1
    _shared.limits.message_bytes = 20000 if how & 16 else 1000000
    _shared.limits.assembly_bytes = 30000 if how & 32 else 1000000
    _shared.limits.held_bytes = 0
    _shared.queue.high_messages = 2 if how & 64 else 1000
    _shared.queue.high_bytes = 1 << 20
    _shared.queue.full = False
    _shared.queue.ended = False
    _shared.queue.open_door = False
    _shared.state = RUNNING
    _shared.stop_at_ns = 0
    _shared.connections = 0
    _shared.accepting = 1
    _shared.cut = 0
    _shared.alive = 1
    _shared.joined = False
    memset(&_outbox.counts, 0, sizeof(_outbox.counts) - sizeof(uint64_t))
    _outbox.cancelled = 0
    _worker.shared = &_shared
    _worker.slots.generation = 1
    _worker.epoll_fd = _worker.wake_fd = _worker.spare_fd = -1


cdef int fuzz_one(const uint8_t* data, size_t size) noexcept nogil:
    global _ready
    kernel_begin(_step)
    if not _ready:
        _prepare()
        _ready = True
    _source.at = data
    _source.left = size
    _begin()
    _shared.listener = kernel_listener()
    _outbox.wake_fd = eventfd(0, 0)
    pthread_mutex_init(&_worker.inbox.mutex, NULL)
    pthread_mutex_init(&_worker.busy, NULL)
    if worker_open(&_worker) == 0:
        worker_run(&_worker)
    worker_close(&_worker)
    routes_free(_worker.inbox.routes)
    kernel_quiet(1)
    _check_end()
    close(_outbox.wake_fd)
    kernel_end(_outbox.counts.destinations)
    return 0
