/* Holds connections open beside a load, until standard input closes.
 *
 *     hold --port P [--connections N] [--kind idle | stalled | slow] [--plain]
 *          [--command TEXT] [--messages M] [--seconds S]
 *
 * idle: connects and sends nothing. stalled: sends half a block and waits.
 * slow: opens a session, sends up to M requests (default 10,000) as fast as the
 * server takes them, and never reads a reply. --plain: without a session, for the
 * floor that answers.
 *
 * Prints "ready" when all are in that state (slow: when each has written what the
 * server took at first), and one JSON line at the end: how many are still open,
 * how many the server closed meanwhile. Ends after S seconds (default 600) in any
 * case. Its connections come from 127.0.200.1 and up, and end with a reset:
 * thousands of them in TIME_WAIT would be in the way of the next load.
 */
#define _GNU_SOURCE
#include "common.h"
#include "lifetime.h"
#include "message.h"
#include "session.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 16000,
    SOURCES = 8,
    EVENTS = 256,
    SLOW_BUFFER = 4096, /* little room for replies: the server feels it soon */
    READY_S = 30,
    OPENING = 512, /* at a time: the queue of a listener must not overflow */
};

enum kind { HOLD_IDLE, HOLD_STALLED, HOLD_SLOW };
enum state { CONNECTING, OFFERED, WRITING, HELD, CLOSED };

struct held {
    int fd;
    enum state state;
    bool settled; /* counted as ready */
    size_t offset;
    uint64_t written; /* whole requests */
    size_t received;  /* bytes of the answer to the offer */
    unsigned char nonce[NONCE_BYTES];
    unsigned char *offer, *answer;
};

static struct {
    struct sockaddr_in server;
    size_t connections;
    enum kind kind;
    bool plain;
    const char *command;
    uint64_t messages;
    double seconds;
} options = {.connections = 1, .command = "get status", .messages = 10000, .seconds = 600};

static const uint32_t source_port = 9; /* "discard": nobody is there for a classic reply */
static unsigned char request[BLOCK_BYTES];
static size_t settled_count, closed_count;
static uint64_t written_count;

static void settle(struct held *held)
{
    if (!held->settled)
        settled_count++;
    held->settled = true;
}

static void end(struct held *held)
{
    close(held->fd);
    held->state = CLOSED;
    closed_count++;
    settle(held);
}

static void watch(int epoll_fd, int operation, struct held *held, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = held};
    if (epoll_ctl(epoll_fd, operation, held->fd, &event) != 0)
        fail("epoll_ctl");
}

static void open_held(int epoll_fd, struct held *held, size_t index)
{
    int on = 1, little = SLOW_BUFFER;
    struct linger reset = {.l_onoff = 1};
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7f00c801u + (uint32_t)(index % SOURCES));
    held->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (held->fd < 0)
        fail("socket");
    if (options.kind == HOLD_SLOW)
        setsockopt(held->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    if (setsockopt(held->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0 ||
        setsockopt(held->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
        bind(held->fd, (struct sockaddr *)&source, sizeof source) != 0)
        fail("bind");
    if (connect(held->fd, (struct sockaddr *)&options.server, sizeof options.server) != 0 &&
        errno != EINPROGRESS)
        fail("connect");
    if (options.kind == HOLD_SLOW && !options.plain) {
        held->offer = allocate(1, BLOCK_BYTES);
        held->answer = allocate(1, BLOCK_BYTES);
        memcpy(held->offer, request, BLOCK_BYTES);
        put_offer(held->offer, held->nonce, source_port, &options.server);
    }
    held->state = CONNECTING;
    watch(epoll_fd, EPOLL_CTL_ADD, held, EPOLLOUT);
}

/* Returns true when the socket took all `count` bytes from `held->offset` on. */
static bool write_bytes(struct held *held, const unsigned char *bytes, size_t count)
{
    while (held->offset < count) {
        ssize_t sent = send(held->fd, bytes + held->offset, count - held->offset,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            end(held);
        if (sent < 0)
            return false;
        held->offset += (size_t)sent;
    }
    held->offset = 0;
    return true;
}

/* From here on nothing is read: the end of the connection still shows as a hang-up. */
static void hold(int epoll_fd, struct held *held)
{
    held->state = HELD;
    watch(epoll_fd, EPOLL_CTL_MOD, held, options.kind == HOLD_SLOW ? 0 : EPOLLIN);
    settle(held);
}

static void connected(int epoll_fd, struct held *held)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(held->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        fail("getsockopt");
    if (error != 0) {
        errno = error;
        fail("connect");
    }
    if (options.kind == HOLD_STALLED && !write_bytes(held, request, BLOCK_BYTES / 2))
        return;
    if (options.kind != HOLD_SLOW) {
        hold(epoll_fd, held);
    } else if (options.plain) {
        held->state = WRITING; /* it may write already, and is told so again */
    } else if (write_bytes(held, held->offer, BLOCK_BYTES)) {
        held->state = OFFERED;
        watch(epoll_fd, EPOLL_CTL_MOD, held, EPOLLIN);
    }
}

static void read_answer(int epoll_fd, struct held *held)
{
    ssize_t count = recv(held->fd, held->answer + held->received, BLOCK_BYTES - held->received,
                         MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    held->received += count > 0 ? (size_t)count : 0;
    if (count <= 0) {
        end(held);
    } else if (held->received == BLOCK_BYTES) {
        if (!is_accept(held->answer, held->nonce, source_port, &options.server)) {
            fprintf(stderr, "the offer was not accepted\n");
            exit(1);
        }
        held->state = WRITING;
        watch(epoll_fd, EPOLL_CTL_MOD, held, EPOLLOUT);
    }
}

static void write_requests(int epoll_fd, struct held *held)
{
    while (held->written < options.messages) {
        if (!write_bytes(held, request, BLOCK_BYTES)) {
            settle(held); /* the server takes no more for now */
            return;
        }
        held->written++;
        written_count++;
    }
    hold(epoll_fd, held);
}

static void read_held(struct held *held)
{
    char byte;
    ssize_t count = recv(held->fd, &byte, 1, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        end(held);
}

static void move(int epoll_fd, struct held *held, uint32_t events)
{
    switch (held->state) {
    case CONNECTING: connected(epoll_fd, held); break;
    case OFFERED: read_answer(epoll_fd, held); break;
    case WRITING: write_requests(epoll_fd, held); break;
    case HELD:
        if (options.kind != HOLD_SLOW)
            read_held(held);
        else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            end(held);
        break;
    case CLOSED: break;
    }
}

static void parse_arguments(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},     {"connections", required_argument, NULL, 'c'},
        {"kind", required_argument, NULL, 'k'},     {"command", required_argument, NULL, 'x'},
        {"messages", required_argument, NULL, 'm'}, {"seconds", required_argument, NULL, 's'},
        {"plain", no_argument, NULL, 'n'},          {NULL, 0, NULL, 0}};
    static const char *const kinds[] = {"idle", "stalled", "slow"};
    int option, index = 0, kind = 0;
    while ((option = getopt_long(argc, argv, "", names, &index)) != -1) {
        const char *name = names[index].name;
        switch (option) {
        case 'p':
            options.server.sin_port = htons((uint16_t)whole(name, optarg, 1, 65535));
            break;
        case 'c': options.connections = whole(name, optarg, 1, MAX_CONNECTIONS); break;
        case 'm': options.messages = whole(name, optarg, 1, 1000000000); break;
        case 's': options.seconds = decimal(name, optarg, 0.001, 3600); break;
        case 'x': options.command = optarg; break;
        case 'n': options.plain = true; break;
        case 'k':
            while (kind < 3 && strcmp(optarg, kinds[kind]) != 0)
                kind++;
            options.kind = (enum kind)kind;
            break;
        default: exit(2);
        }
    }
    options.server.sin_family = AF_INET;
    options.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (optind != argc || options.server.sin_port == 0 || kind == 3 ||
        strlen(options.command) > BODY_BYTES) {
        fprintf(stderr, "usage: hold --port P [--connections N] [--kind idle | stalled | slow]\n"
                        "  [--plain] [--command TEXT] [--messages M] [--seconds S]\n");
        exit(2);
    }
}

/* Opens and moves connections until the end of standard input, a signal, or the time. */
static void run(int epoll_fd, int signal_fd, struct held *held)
{
    struct epoll_event events[EVENTS];
    uint64_t begin = now_ns(), end_ns = begin + (uint64_t)(options.seconds * 1e9);
    bool ready = false;
    size_t opened = 0;
    while (!wait_for_end(signal_fd, 0) && now_ns() < end_ns) {
        for (; opened < options.connections && opened - settled_count < OPENING; opened++)
            open_held(epoll_fd, &held[opened], opened);
        int count = epoll_wait(epoll_fd, events, EVENTS, 20);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count; i++)
            move(epoll_fd, events[i].data.ptr, events[i].events);
        if (!ready && settled_count == options.connections) {
            ready = true;
            printf("ready\n");
            fflush(stdout);
        }
        if (!ready && now_ns() - begin > READY_S * NS_PER_S) {
            fprintf(stderr, "only %zu of %zu connections are ready\n", settled_count,
                    options.connections);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    parse_arguments(argc, argv);
    int signal_fd = catch_signals(), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        fail("epoll_create1");
    if (raise_descriptor_limit() < options.connections + 64) {
        fprintf(stderr, "%zu connections need more descriptors than this process may have\n",
                options.connections);
        return 1;
    }
    encode_message(request, 1, options.command, source_port);
    put_number(request, AT_JOB_ID, 4, 1); /* a reply is wanted */
    struct held *held = allocate(options.connections, sizeof *held);
    for (size_t i = 0; i < options.connections; i++)
        held[i].fd = -1;
    run(epoll_fd, signal_fd, held);
    for (size_t i = 0; i < options.connections; i++) {
        if (held[i].fd >= 0 && held[i].state != CLOSED)
            close(held[i].fd);
        free(held[i].offer);
        free(held[i].answer);
    }
    free(held);
    printf("{\"connections\": %zu, \"closed_by_server\": %zu, \"written\": %llu}\n",
           options.connections, closed_count, (unsigned long long)written_count);
    return 0;
}
