/* The floor: the least a server can do for a message, on N bare epoll threads.
 *
 *     floor THREADS [close | stream | answer] [MESSAGE_BYTES]
 *
 * close (the default): accept, read MESSAGE_BYTES (default 2048, one block), close.
 * stream: reads each connection to its end and counts the messages.
 * answer: for each MESSAGE_BYTES read on a connection one block goes back, and
 * the connection stays; messages that arrived together are answered together,
 * so that a message alone costs one recv and one send.
 * No byte is looked at. The port is the first line on standard output. The program
 * ends when standard input closes, so that it never outlives the harness, or on
 * SIGTERM or SIGINT, and then prints what it counted as one JSON line.
 */
#define _GNU_SOURCE
#include "common.h"
#include "lifetime.h"
#include "message.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum {
    MAX_THREADS = 64,
    MAX_DESCRIPTORS = 1 << 20,
    BACKLOG = 4096,
    EVENTS = 256,
    ACCEPTS_PER_TURN = 64, /* then look at the connections that are open */
    READ_BYTES = 64 * 1024,
    ANSWER_BLOCKS = READ_BYTES / BLOCK_BYTES,
};

enum mode { CLOSE, STREAM, ANSWER };

struct connection {
    uint64_t received; /* bytes so far; answer: of the message that is not whole */
    uint64_t owed;     /* answer: bytes to send before more is read */
};

struct worker {
    pthread_t thread;
    int epoll_fd;
    uint64_t accepted;
    uint64_t messages;
    uint64_t bytes;
    uint64_t broken; /* closed by the peer before the message was whole */
    char buffer[READ_BYTES];
};

static int listen_fd;
static int stop_fd;
static enum mode mode = CLOSE;
static uint64_t message_bytes = BLOCK_BYTES;
static unsigned char answers[ANSWER_BLOCKS * BLOCK_BYTES];
/* By descriptor: one thread owns one entry. */
static struct connection *connections;
static size_t descriptors;

static void watch(int epoll_fd, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, operation, fd, &event) != 0)
        fail("epoll_ctl");
}

static void end_connection(struct worker *worker, int fd, bool whole_message)
{
    struct connection *connection = &connections[fd];
    if (mode == STREAM && whole_message)
        worker->messages += connection->received / message_bytes;
    else if (mode == CLOSE && whole_message)
        worker->messages++;
    else if (mode != ANSWER || connection->received > 0 || !whole_message)
        worker->broken++;
    close(fd);
}

/* Returns 1 when all is sent, 0 when the socket is full, -1 when it is broken. */
static int send_owed(struct connection *connection, int fd)
{
    while (connection->owed > 0) {
        /* All answers are alike; a partial one goes on within its block. */
        size_t skip = (BLOCK_BYTES - connection->owed % BLOCK_BYTES) % BLOCK_BYTES;
        size_t most = sizeof answers - skip;
        if (connection->owed < most)
            most = connection->owed;
        ssize_t count = send(fd, answers + skip, most, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN ? 0 : -1;
        connection->owed -= (uint64_t)count;
    }
    return 1;
}

/* Reads once and answers. Returns 1 when the connection was closed. */
static int answer_connection(struct worker *worker, int fd)
{
    struct connection *connection = &connections[fd];
    bool was_full = connection->owed > 0;
    int sent = send_owed(connection, fd);
    if (sent == 1 && was_full)
        watch(worker->epoll_fd, EPOLL_CTL_MOD, fd, EPOLLIN);
    if (sent == 0)
        return 0;
    ssize_t count = sent < 0 ? -1 : recv(fd, worker->buffer, READ_BYTES, 0);
    if (count < 0 && sent > 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count > 0) {
        connection->received += (uint64_t)count;
        worker->bytes += (uint64_t)count;
        worker->messages += connection->received / message_bytes;
        connection->owed = connection->received / message_bytes * BLOCK_BYTES;
        connection->received %= message_bytes;
        sent = send_owed(connection, fd);
        if (sent == 0)
            watch(worker->epoll_fd, EPOLL_CTL_MOD, fd, EPOLLOUT);
        if (sent >= 0)
            return 0;
    }
    end_connection(worker, fd, count == 0);
    return 1;
}

/* Reads until the message is whole, the peer ends, or nothing is there.
 * Returns 1 when the connection was closed, 0 when it waits for more. */
static int read_connection(struct worker *worker, int fd)
{
    struct connection *connection = &connections[fd];
    for (;;) {
        size_t want = READ_BYTES;
        if (mode == CLOSE && message_bytes - connection->received < want)
            want = (size_t)(message_bytes - connection->received);
        ssize_t count = recv(fd, worker->buffer, want, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return 0;
        if (count > 0) {
            connection->received += (uint64_t)count;
            worker->bytes += (uint64_t)count;
            if (mode == STREAM || connection->received < message_bytes)
                continue;
        }
        end_connection(worker, fd, mode == STREAM ? count == 0 : count > 0);
        return 1;
    }
}

static int serve_connection(struct worker *worker, int fd)
{
    return mode == ANSWER ? answer_connection(worker, fd) : read_connection(worker, fd);
}

static void accept_connections(struct worker *worker)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            fail("accept4"); /* out of descriptors: the figures would be wrong */
        }
        if ((size_t)fd >= descriptors) {
            fprintf(stderr, "descriptor %d exceeds %zu\n", fd, descriptors);
            exit(1);
        }
        worker->accepted++;
        connections[fd] = (struct connection){0};
        if (mode == ANSWER) {
            int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            watch(worker->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN);
        } else if (!serve_connection(worker, fd)) {
            /* The block is usually there already; epoll only for those that wait. */
            watch(worker->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN);
        }
    }
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(worker->epoll_fd, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == stop_fd)
                return NULL;
            if (fd == listen_fd)
                accept_connections(worker);
            else
                serve_connection(worker, fd);
        }
    }
}

static int open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listen_fd < 0)
        fail("socket");
    if (bind(listen_fd, (struct sockaddr *)&address, length) != 0)
        fail("bind");
    if (listen(listen_fd, BACKLOG) != 0)
        fail("listen");
    if (getsockname(listen_fd, (struct sockaddr *)&address, &length) != 0)
        fail("getsockname");
    return ntohs(address.sin_port);
}

static void parse_mode(const char *name)
{
    static const char *const names[] = {[CLOSE] = "close", [STREAM] = "stream",
                                        [ANSWER] = "answer"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            mode = (enum mode)i;
            return;
        }
    }
    fprintf(stderr, "%s is not close, stream or answer\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: floor THREADS [close | stream | answer] [MESSAGE_BYTES]\n");
        return 2;
    }
    size_t threads = whole("THREADS", argv[1], 1, MAX_THREADS);
    if (argc > 2)
        parse_mode(argv[2]);
    if (argc > 3)
        message_bytes = whole("MESSAGE_BYTES", argv[3], 1, 1u << 30);
    for (size_t i = 0; i < ANSWER_BLOCKS; i++)
        encode_message(answers + i * BLOCK_BYTES, 1, "print", 0);

    int signal_fd = catch_signals();
    stop_fd = eventfd(0, EFD_CLOEXEC);
    if (stop_fd < 0)
        fail("eventfd");
    descriptors = raise_descriptor_limit();
    if (descriptors > MAX_DESCRIPTORS)
        descriptors = MAX_DESCRIPTORS;
    connections = allocate(descriptors, sizeof *connections);
    int port = open_listener();
    struct worker *workers = allocate(threads, sizeof *workers);
    for (size_t i = 0; i < threads; i++) {
        workers[i].epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (workers[i].epoll_fd < 0)
            fail("epoll_create1");
        /* One thread wakes for one connection, not all of them. */
        watch(workers[i].epoll_fd, EPOLL_CTL_ADD, listen_fd, EPOLLIN | EPOLLEXCLUSIVE);
        watch(workers[i].epoll_fd, EPOLL_CTL_ADD, stop_fd, EPOLLIN);
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0)
            fail("pthread_create");
    }
    printf("%d\n", port);
    fflush(stdout);

    wait_for_end(signal_fd, -1);
    if (eventfd_write(stop_fd, 1) != 0)
        fail("eventfd_write");
    struct worker total = {0};
    for (size_t i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        total.accepted += workers[i].accepted;
        total.messages += workers[i].messages;
        total.bytes += workers[i].bytes;
        total.broken += workers[i].broken;
    }
    printf("{\"accepted\": %llu, \"messages\": %llu, \"bytes\": %llu, \"broken\": %llu}\n",
           (unsigned long long)total.accepted, (unsigned long long)total.messages,
           (unsigned long long)total.bytes, (unsigned long long)total.broken);
    free(workers);
    free(connections);
    return 0;
}
