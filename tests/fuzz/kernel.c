/* The system as the fuzzed code sees it; see kernel.h. */
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DESCRIPTORS = 64,
    FIRST_FD = 5000,            /* none of the process itself */
    ROOM = 1 << 17,             /* bytes on their way to us, per socket */
    MOST_IDLE_ROUNDS = 64,      /* rounds in which nothing at all happened */
    MOST_ROUNDS = 100000,
};

enum kind { FREE, EPOLL, EVENT, PLAIN, LISTENER, SOCKET };
enum { MESSAGE, OFFER, ACCEPT, ACKNOWLEDGE, LEAVE, TRACKED };

struct descriptor {
    enum kind kind;
    int peer;                   /* of a socket, -1 before it is connected */
    int watched;
    uint64_t value;             /* of an event */
    struct epoll_event event;
};

struct peer {
    uint32_t ip;
    uint16_t port;
    int fd;                     /* -1 while it waits in the listener, or when closed */
    int queued;
    int finished;
    int reset;
    int closed;
    size_t from, to;            /* what is on its way to us */
    size_t received;
    size_t window;              /* what it will take */
    /* What we have written. */
    uint8_t block[KERNEL_BLOCK];
    size_t block_length;
    uint64_t heard;
    uint64_t told;
    uint32_t next_counter;      /* 1 between two messages */
    uint32_t message;           /* the one that was begun, of ours */
    int session;
    int left;
};

struct message {
    uint32_t blocks;
    int begun;
    int whole;
};

static struct descriptor descriptors[DESCRIPTORS];
static struct peer peers[KERNEL_PEERS];
static uint8_t rooms[KERNEL_PEERS][ROOM];
static struct message messages[KERNEL_MESSAGES];
static int peer_count;
static int64_t clock_ns;
static int (*step_of)(int64_t timeout_ms);
static size_t pieces;
static int quiet_now;
static int faults[KERNEL_FAULTS];
static int errors[KERNEL_FAULTS];
static size_t read_at_most;
static uint64_t progress, seen_progress;
static int idle_rounds, rounds;
static uint64_t random_state;

void
kernel_check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

/* Tell whether a call fails now, with errno set. */
static int
strikes(int fault)
{
    if (quiet_now || faults[fault] == 0 || --faults[fault] > 0) {
        return 0;
    }
    errno = errors[fault];
    progress++;
    return 1;
}

void
kernel_fail(int fault, int after, int error)
{
    faults[fault] = after;
    errors[fault] = error;
}

void
kernel_quiet(int quiet)
{
    quiet_now = quiet;
}

/* ---------------------------------------------------------------------- memory */

void *
__wrap_malloc(size_t size)
{
    void *made = strikes(FAIL_MEMORY) ? NULL : malloc(size);
    pieces += made != NULL;
    return made;
}

void *
__wrap_calloc(size_t count, size_t size)
{
    void *made = strikes(FAIL_MEMORY) ? NULL : calloc(count, size);
    pieces += made != NULL;
    return made;
}

void *
__wrap_realloc(void *at, size_t size)
{
    void *made = strikes(FAIL_MEMORY) ? NULL : realloc(at, size);
    pieces += made != NULL && at == NULL;
    return made;
}

void
__wrap_free(void *at)
{
    pieces -= at != NULL;
    free(at);
}

/* ----------------------------------------------------------------- descriptors */

static struct descriptor *
find(int fd, enum kind kind)
{
    kernel_check(fd >= FIRST_FD && fd < FIRST_FD + DESCRIPTORS, "a descriptor that never was");
    struct descriptor *found = &descriptors[fd - FIRST_FD];
    kernel_check(found->kind != FREE, "a descriptor used after its end");
    kernel_check(kind == FREE || found->kind == kind, "a descriptor of another kind");
    return found;
}

static int
new_descriptor(enum kind kind)
{
    /* The lowest free number, as the system does: a stale one soon means something else. */
    for (int at = 0; at < DESCRIPTORS; at++) {
        if (descriptors[at].kind == FREE) {
            memset(&descriptors[at], 0, sizeof descriptors[at]);
            descriptors[at].kind = kind;
            descriptors[at].peer = -1;
            return FIRST_FD + at;
        }
    }
    errno = EMFILE;
    return -1;
}

int
__wrap_epoll_create1(int flags)
{
    (void)flags;
    return new_descriptor(EPOLL);
}

int
__wrap_eventfd(unsigned int value, int flags)
{
    (void)value;
    (void)flags;
    return new_descriptor(EVENT);
}

int
__wrap_open(const char *path, int flags, ...)
{
    (void)path;
    (void)flags;
    return strikes(FAIL_SOCKET) ? -1 : new_descriptor(PLAIN);
}

int
__wrap_open64(const char *path, int flags, ...)
{
    return __wrap_open(path, flags);
}

int
kernel_listener(void)
{
    return new_descriptor(LISTENER);
}

int
__wrap_close(int fd)
{
    struct descriptor *found = find(fd, FREE);
    if (found->kind == SOCKET && found->peer >= 0) {
        peers[found->peer].fd = -1;
        peers[found->peer].closed = 1;
    }
    found->kind = FREE;
    progress++;
    return 0;
}

ssize_t
__wrap_read(int fd, void *buffer, size_t length)
{
    struct descriptor *event = find(fd, EVENT);
    kernel_check(length == sizeof event->value, "an event is 8 bytes");
    if (event->value == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(buffer, &event->value, sizeof event->value);
    event->value = 0;
    progress++;
    return (ssize_t)length;
}

ssize_t
__wrap_write(int fd, const void *buffer, size_t length)
{
    struct descriptor *event = find(fd, EVENT);
    uint64_t more;
    kernel_check(length == sizeof more, "an event is 8 bytes");
    memcpy(&more, buffer, sizeof more);
    event->value += more;
    return (ssize_t)length;
}

/* ----------------------------------------------------------------------- epoll */

int
__wrap_epoll_ctl(int epoll_fd, int operation, int fd, const struct epoll_event *event)
{
    find(epoll_fd, EPOLL);
    struct descriptor *found = find(fd, FREE);
    if (operation == EPOLL_CTL_ADD) {
        kernel_check(!found->watched, "added twice");
        if (strikes(FAIL_WATCH)) {
            return -1;
        }
    } else {
        kernel_check(found->watched, "changed or removed before it was added");
    }
    found->watched = operation != EPOLL_CTL_DEL;
    if (found->watched) {
        found->event = *event;
    }
    return 0;
}

static uint32_t
ready(const struct descriptor *found)
{
    uint32_t events = 0;
    if (found->kind == EVENT) {
        return found->value ? EPOLLIN : 0;
    }
    if (found->kind == LISTENER) {
        for (int at = 0; at < peer_count; at++) {
            events |= peers[at].queued ? EPOLLIN : 0;
        }
        return events;
    }
    if (found->kind != SOCKET || found->peer < 0) {
        return 0;
    }
    const struct peer *peer = &peers[found->peer];
    if (peer->to > peer->from || peer->finished || peer->reset) {
        events |= EPOLLIN;
    }
    if (peer->finished) {
        events |= EPOLLRDHUP;
    }
    if (peer->reset) {
        events |= EPOLLHUP | EPOLLERR | EPOLLRDHUP;
    }
    if (peer->window || peer->reset) {
        events |= EPOLLOUT;
    }
    return events;
}

static int
collect(struct epoll_event *events, int most)
{
    int count = 0;
    for (int at = 0; at < DESCRIPTORS && count < most; at++) {
        struct descriptor *found = &descriptors[at];
        if (found->kind == FREE || !found->watched) {
            continue;
        }
        uint32_t now = ready(found) & (found->event.events | EPOLLERR | EPOLLHUP);
        if (now) {
            events[count].events = now;
            events[count].data = found->event.data;
            count++;
        }
    }
    return count;
}

int
__wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int timeout_ms)
{
    find(epoll_fd, EPOLL);
    kernel_check(++rounds < MOST_ROUNDS, "it never ends");
    idle_rounds = progress == seen_progress ? idle_rounds + 1 : 0;
    kernel_check(idle_rounds < MOST_IDLE_ROUNDS, "it turns without doing anything");
    seen_progress = progress;
    if (step_of(timeout_ms)) {
        progress++;
    }
    int count = collect(events, most);
    if (count == 0 && timeout_ms > 0) {
        kernel_pass(timeout_ms);
    }
    kernel_check(count > 0 || timeout_ms >= 0 || progress != seen_progress, "it waits for ever");
    return count;
}

/* --------------------------------------------------------------------- sockets */

static int
new_peer(uint32_t ip, uint16_t port)
{
    if (peer_count == KERNEL_PEERS) {
        return -1;
    }
    struct peer *peer = &peers[peer_count];
    memset(peer, 0, sizeof *peer);
    peer->ip = ip;
    peer->port = port;
    peer->fd = -1;
    peer->next_counter = 1;
    return peer_count++;
}

int
kernel_arrive(uint32_t ip, uint16_t port)
{
    int number = new_peer(ip, port);
    if (number >= 0) {
        peers[number].queued = 1;
    }
    return number;
}

int
kernel_adopt(uint32_t ip, uint16_t port, int *fd)
{
    int number = new_peer(ip, port);
    if (number >= 0) {
        *fd = peers[number].fd = new_descriptor(SOCKET);
        kernel_check(*fd >= 0, "too few descriptors for the target");
        find(*fd, SOCKET)->peer = number;
    }
    return number;
}

int
kernel_peers(void)
{
    return peer_count;
}

int
kernel_peer_of(int fd)
{
    return find(fd, SOCKET)->peer;
}

int
__wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    (void)length;
    (void)flags;
    find(fd, LISTENER);
    if (strikes(FAIL_ACCEPT)) {
        return -1;
    }
    for (int at = 0; at < peer_count; at++) {
        if (peers[at].queued) {
            int made = new_descriptor(SOCKET);
            if (made < 0) {
                return -1;
            }
            peers[at].queued = 0;
            peers[at].fd = made;
            find(made, SOCKET)->peer = at;
            progress++;
            if (address != NULL) {
                struct sockaddr_in *in = (struct sockaddr_in *)address;
                memset(in, 0, sizeof *in);
                in->sin_family = AF_INET;
                in->sin_addr.s_addr = peers[at].ip;
                in->sin_port = htons(peers[at].port);
            }
            return made;
        }
    }
    errno = EAGAIN;
    return -1;
}

int
__wrap_socket(int domain, int type, int protocol)
{
    (void)domain;
    (void)type;
    (void)protocol;
    return strikes(FAIL_SOCKET) ? -1 : new_descriptor(SOCKET);
}

int
__wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    (void)length;
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    struct descriptor *found = find(fd, SOCKET);
    kernel_check(found->peer < 0, "connected twice");
    if (strikes(FAIL_CONNECT)) {
        if (errno != EINPROGRESS) {
            return -1;
        }
    }
    int number = new_peer(in->sin_addr.s_addr, ntohs(in->sin_port));
    if (number < 0) {
        errno = ECONNREFUSED;
        return -1;
    }
    found->peer = number;
    peers[number].fd = fd;
    errno = EINPROGRESS;
    return -1;
}

int
__wrap_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    (void)length;
    find(fd, SOCKET);
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    memset(in, 0, sizeof *in);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in->sin_port = htons(7848);
    return 0;
}

int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    (void)level;
    (void)name;
    (void)value;
    (void)length;
    find(fd, SOCKET);
    return 0;
}

int
__wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    (void)level;
    (void)name;
    (void)length;
    struct descriptor *found = find(fd, SOCKET);
    int error = found->peer >= 0 && peers[found->peer].reset ? ECONNREFUSED : 0;
    memcpy(value, &error, sizeof error);
    return 0;
}

ssize_t
__wrap_recv(int fd, void *buffer, size_t length, int flags)
{
    (void)flags;
    struct descriptor *found = find(fd, SOCKET);
    kernel_check(found->peer >= 0, "read before it was connected");
    struct peer *peer = &peers[found->peer];
    if (strikes(FAIL_RECEIVE)) {
        return -1;
    }
    if (peer->reset) {
        errno = ECONNRESET;
        return -1;
    }
    size_t there = peer->to - peer->from;
    if (there == 0) {
        if (peer->finished) {
            return 0;
        }
        errno = EAGAIN;
        return -1;
    }
    if (length > there) {
        length = there;
    }
    if (length > read_at_most) {
        length = read_at_most;
    }
    memcpy(buffer, rooms[found->peer] + peer->from, length);
    peer->from += length;
    peer->received += length;
    if (peer->from == peer->to) {
        peer->from = peer->to = 0;
    }
    progress++;
    return (ssize_t)length;
}

static uint32_t
number_at(const uint8_t *at, int bytes)
{
    uint32_t value = 0;
    while (bytes-- > 0) {
        value = value << 8 | *at++;
    }
    return value;
}

/* Note which message a block begins or goes on with; its first byte is about to be taken. */
static void
follow(struct peer *peer, const uint8_t *block)
{
    uint32_t number = number_at(block + 52, 4);
    uint32_t counter = number_at(block + 30, 4);
    if (memcmp(block + 207, "posted", 6) != 0) {
        return;
    }
    kernel_check(number > 0 && number < KERNEL_MESSAGES, "a message that nobody posted");
    struct message *message = &messages[number];
    kernel_check(message->blocks > 0, "a message that nobody posted");
    if (counter == 1) {
        kernel_check(message->begun == 0, "a message is sent twice");
        message->begun = 1;
        peer->message = number;
    }
    kernel_check(peer->message == number, "two messages are mixed");
    kernel_check((block[35] == 1) == (counter == message->blocks), "a message changed its length");
}

static void
hear(struct peer *peer, const uint8_t *block)
{
    uint32_t kind = number_at(block + 16, 2);
    uint64_t count = (uint64_t)number_at(block + 18, 4) << 32 | number_at(block + 22, 4);
    uint32_t counter = number_at(block + 30, 4);
    uint32_t command = number_at(block + 39, 2);
    uint32_t data = number_at(block + 43, 4);
    int last = block[35] == 1;
    int control = kind == ACCEPT || kind == ACKNOWLEDGE || kind == LEAVE;
    int first = counter == 1;
    kernel_check(command >= 1 && command <= data && data <= 1841, "a header without sense");
    kernel_check(counter == peer->next_counter, "blocks out of order");
    kernel_check(first || !control, "a control block inside a message");
    kernel_check((kind == ACCEPT) == !peer->session, "an accept comes first and once");
    peer->session = 1;
    if (first) {
        kernel_check(count >= peer->told, "a count goes back");
        kernel_check(count <= peer->received / KERNEL_BLOCK, "more told than was sent");
        peer->told = count;
    }
    if (control) {
        kernel_check(last && command == 7 && memcmp(block + 207, "session", 7) == 0, "control");
        kernel_check(kind != LEAVE || !peer->left, "left twice");
        peer->left |= kind == LEAVE;
        return;
    }
    kernel_check(kind == MESSAGE || (kind == TRACKED && first), "a kind that does not exist");
    kernel_check(!(first && peer->left), "a message behind the leave");
    if (memcmp(block + 207, "posted", 6) == 0) {
        messages[number_at(block + 52, 4)].whole += last;
    }
    peer->heard += last;
    peer->next_counter = last ? 1 : counter + 1;
}

/* Take bytes of a piece; `there` of them are in it, also those that have to wait. */
static void
take(struct peer *peer, const uint8_t *bytes, size_t length, size_t there)
{
    while (length > 0) {
        if (peer->block_length == 0) {
            kernel_check(there >= KERNEL_BLOCK, "half a block");
            follow(peer, bytes);
        }
        size_t part = KERNEL_BLOCK - peer->block_length;
        if (part > length) {
            part = length;
        }
        memcpy(peer->block + peer->block_length, bytes, part);
        peer->block_length += part;
        bytes += part;
        length -= part;
        there -= part;
        if (peer->block_length == KERNEL_BLOCK) {
            peer->block_length = 0;
            hear(peer, peer->block);
        }
    }
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    (void)flags;
    struct descriptor *found = find(fd, SOCKET);
    kernel_check(found->peer >= 0, "written before it was connected");
    struct peer *peer = &peers[found->peer];
    size_t done = 0;
    if (strikes(FAIL_SEND)) {
        return -1;
    }
    if (peer->reset) {
        errno = EPIPE;
        return -1;
    }
    for (size_t at = 0; at < message->msg_iovlen; at++) {
        size_t part = message->msg_iov[at].iov_len;
        kernel_check(part > 0, "a piece without bytes");
        if (part > peer->window) {
            part = peer->window;
        }
        take(peer, message->msg_iov[at].iov_base, part, message->msg_iov[at].iov_len);
        peer->window -= part;
        done += part;
    }
    if (done == 0) {
        errno = EAGAIN;
        return -1;
    }
    progress++;
    return (ssize_t)done;
}

ssize_t
__wrap_send(int fd, const void *buffer, size_t length, int flags)
{
    struct iovec piece = {(void *)buffer, length};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    return __wrap_sendmsg(fd, &message, flags);
}

/* -------------------------------------------------------------------- the world */

void
kernel_deliver(int number, const uint8_t *bytes, size_t length)
{
    struct peer *peer = &peers[number];
    if (peer->finished || peer->reset || peer->closed || length > ROOM - peer->to) {
        return;
    }
    memcpy(rooms[number] + peer->to, bytes, length);
    peer->to += length;
}

void
kernel_finish(int number)
{
    peers[number].finished = 1;
}

void
kernel_reset(int number)
{
    peers[number].reset = 1;
}

void
kernel_open_window(int number, size_t bytes)
{
    peers[number].window += bytes;
}

void
kernel_read_at_most(size_t bytes)
{
    read_at_most = bytes;
}

int
kernel_alive(int number)
{
    return !peers[number].closed && !peers[number].reset && !peers[number].finished;
}

uint64_t
kernel_heard(int number)
{
    return peers[number].heard;
}

void
kernel_opened_session(int number)
{
    peers[number].session = 1;
    peers[number].heard = 1;
}

void
kernel_expect(uint32_t number, uint32_t blocks)
{
    messages[number].blocks = blocks;
}

int
kernel_whole(uint32_t number)
{
    return messages[number].whole;
}

/* ------------------------------------------------------------------------ time */

ssize_t
__wrap_getrandom(void *buffer, size_t length, unsigned int flags)
{
    (void)flags;
    uint8_t *at = buffer;
    for (size_t n = 0; n < length; n++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        at[n] = (uint8_t)(random_state >> 56);
    }
    return (ssize_t)length;
}

void
kernel_pass(int64_t ms)
{
    clock_ns += ms * 1000000;
    progress++;
}

int64_t
kernel_now_ns(void)
{
    return clock_ns;
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *value)
{
    (void)clock;
    clock_ns += 1000;           /* nothing happens twice at the same time */
    value->tv_sec = clock_ns / 1000000000;
    value->tv_nsec = clock_ns % 1000000000;
    return 0;
}

int
__wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    (void)condition;
    (void)mutex;
    kernel_check(0, "it waits for ever");
    return 0;
}

int
__wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    (void)condition;
    int64_t end = (int64_t)until->tv_sec * 1000000000 + until->tv_nsec;
    kernel_check(++rounds < MOST_ROUNDS, "it never ends");
    /* The world may want what is under the mutex. */
    pthread_mutex_unlock(mutex);
    int acted = step_of((end - clock_ns) / 1000000);
    pthread_mutex_lock(mutex);
    if (!acted && end > clock_ns) {
        clock_ns = end;
    }
    progress++;
    return 0;
}

/* ------------------------------------------------------------------- begin, end */

void
kernel_begin(int (*step)(int64_t timeout_ms))
{
    memset(messages, 0, sizeof messages);
    memset(faults, 0, sizeof faults);
    peer_count = 0;
    clock_ns = 1000000000;
    step_of = step;
    quiet_now = 0;
    read_at_most = ROOM;
    progress = seen_progress = 0;
    idle_rounds = rounds = 0;
    random_state = 1;
}

void
kernel_end(size_t kept)
{
    for (int at = 0; at < DESCRIPTORS; at++) {
        kernel_check(descriptors[at].kind == FREE, "a descriptor was not closed");
    }
    kernel_check(pieces == kept, "memory was not given back");
}
