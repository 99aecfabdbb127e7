/* The floor: the least a server can do for a message, on N bare epoll threads.
 *
 *     floor THREADS [MESSAGE_BYTES]
 *
 * Accept, read MESSAGE_BYTES (default 2048, one block), close. MESSAGE_BYTES 0
 * reads each connection to its end and counts blocks: the floor of kept streams.
 * No byte is looked at. The port is the first line on standard output. The program ends
 * when standard input closes, so that it never outlives the harness, or on
 * SIGTERM or SIGINT, and then prints what it counted as one JSON line.
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_THREADS = 64,
    MAX_DESCRIPTORS = 1 << 20,
    BACKLOG = 4096,
    EVENTS = 256,
    ACCEPTS_PER_TURN = 64, /* then look at the connections that are open */
    READ_BYTES = 64 * 1024,
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
static uint64_t message_bytes = 2048;
/* Bytes so far of each connection, by descriptor: one thread owns one entry. */
static uint64_t *received;
static size_t descriptors;

static void watch(int epoll_fd, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
}

/* Reads until the message is whole, the peer ends, or nothing is there.
 * Returns 1 when the connection was closed, 0 when it waits for more. */
static int read_connection(struct worker *worker, int fd)
{
    for (;;) {
        size_t want = READ_BYTES;
        if (message_bytes != 0 && message_bytes - received[fd] < want)
            want = (size_t)(message_bytes - received[fd]);
        ssize_t count = recv(fd, worker->buffer, want, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return 0;
        if (count > 0) {
            received[fd] += (uint64_t)count;
            worker->bytes += (uint64_t)count;
            if (message_bytes == 0 || received[fd] < message_bytes)
                continue;
        }
        if (count > 0)
            worker->messages++;
        else if (count == 0 && message_bytes == 0)
            worker->messages += received[fd] / 2048;
        else
            worker->broken++;
        close(fd);
        return 1;
    }
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
        received[fd] = 0;
        /* The block is usually there already; epoll only for those that wait. */
        if (!read_connection(worker, fd))
            watch(worker->epoll_fd, fd, EPOLLIN);
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
                read_connection(worker, fd);
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

/* Returns at the end of standard input or at a signal. */
static void wait_for_end(int signal_fd)
{
    struct pollfd waits[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = signal_fd, .events = POLLIN}};
    char ignored[256];
    for (;;) {
        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            fail("poll");
        if (waits[1].revents != 0)
            return;
        if (waits[0].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
            return;
    }
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < least ||
        value > most) {
        fprintf(stderr, "%s is not a number from %llu to %llu\n", text,
                (unsigned long long)least, (unsigned long long)most);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: floor THREADS [MESSAGE_BYTES]\n");
        return 2;
    }
    size_t threads = number(argv[1], 1, MAX_THREADS);
    if (argc == 3)
        message_bytes = number(argv[2], 0, 1u << 30);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    stop_fd = eventfd(0, EFD_CLOEXEC);
    if (signal_fd < 0 || stop_fd < 0)
        fail("signalfd or eventfd");

    descriptors = raise_descriptor_limit();
    if (descriptors > MAX_DESCRIPTORS)
        descriptors = MAX_DESCRIPTORS;
    received = calloc(descriptors, sizeof *received);
    if (received == NULL)
        fail("calloc");
    int port = open_listener();
    struct worker *workers = calloc(threads, sizeof *workers);
    if (workers == NULL)
        fail("calloc");
    for (size_t i = 0; i < threads; i++) {
        workers[i].epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (workers[i].epoll_fd < 0)
            fail("epoll_create1");
        /* One thread wakes for one connection, not all of them. */
        watch(workers[i].epoll_fd, listen_fd, EPOLLIN | EPOLLEXCLUSIVE);
        watch(workers[i].epoll_fd, stop_fd, EPOLLIN);
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0)
            fail("pthread_create");
    }
    printf("%d\n", port);
    fflush(stdout);

    wait_for_end(signal_fd);
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
    free(received);
    return 0;
}
