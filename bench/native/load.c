/* Load generator: C clients that send valid messages to a server, closed loop.
 *
 *     load --port P [--host A] [--clients N] [--threads K] [--messages M]
 *          [--seconds S] [--timeout S] [--blocks B] [--command TEXT]
 *          [--source-port P] [--sources N] [--no-wait | --kept]
 *
 * One connection per message (the default): connect, send B blocks, shut down
 * the sending side, wait until the server has closed, start again. The time
 * from before socket() to the server's close is the latency of the message.
 * --no-wait closes at once, as nodes of the network do; the loop is then open
 * towards the server, and the latency is that of handing the message over.
 * --kept sends messages back to back on one connection per client, closes its
 * side at the end and waits for the server; a stream has no latencies.
 *
 * Every run ends by count, by time, or by errors: at --seconds (default 10) no
 * message is started any more, and one that is under way has --timeout seconds.
 * The result is one JSON line; the exit status is 0 even with errors in it.
 *
 * Ports. The side that closes first keeps a port in TIME_WAIT for a minute:
 * always the client here, since it ends its sending side before the server
 * closes. SO_LINGER 0 cannot spare that: when the server's FIN is seen, the
 * kernel has put the connection into TIME_WAIT already, and a reset before
 * that would not be what nodes do. So, towards 127.*, the connections go round
 * over several source addresses (127.0.1.1 and up), each with all ephemeral
 * ports. 16 x 28,000 pairs are more than the kernel holds in TIME_WAIT
 * (tcp_max_tw_buckets), so a free one is found at once, at any rate.
 */
#define _GNU_SOURCE
#include "common.h"
#include "histogram.h"
#include "message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CLIENTS = 16384,
    MAX_THREADS = 16,
    MAX_BLOCKS = 4096,
    MAX_SECONDS = 3600,
    MAX_SOURCES = 200,
    MAX_ERRORS = 1000, /* of one thread; then something is wrong: end */
    EVENTS = 256,
    STREAM_BYTES = 64 * 1024, /* handed to one send() of a kept stream */
    SWEEP_MS = 50,            /* how often clients are checked for a timeout */
};
#define MAX_MESSAGES 1000000000ull
#define NS_PER_S 1000000000ull

static struct {
    struct sockaddr_in server;
    uint64_t messages;
    uint64_t seconds_ns;
    uint64_t timeout_ns;
    size_t clients, threads, blocks, sources;
    uint32_t source_port;
    const char *command;
    bool no_wait, kept;
    char *bytes;          /* the message; a stream: as many as fill one send() */
    size_t bytes_count;
    size_t message_bytes;
    pthread_barrier_t start;
} run = {.messages = MAX_MESSAGES, .seconds_ns = 10 * NS_PER_S, .timeout_ns = 5 * NS_PER_S,
         .clients = 1, .threads = 1, .blocks = 1, .sources = 16, .command = "set a = 5"};

enum phase { IDLE, SENDING, WAITING };

struct client {
    int fd;
    enum phase phase;
    uint64_t started_ns;
    size_t offset;     /* within run.bytes */
    uint64_t messages; /* wholly sent on this connection */
};

struct thread {
    pthread_t id;
    int epoll_fd;
    struct client *clients;
    size_t client_count, idle_count, source;
    size_t *idle; /* indices of clients that may start a message */
    uint64_t budget, begin_ns, last_ns, messages, errors;
    char first_error[96];
    struct histogram latency;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void set_idle(struct thread *thread, struct client *client)
{
    if (client->fd >= 0)
        close(client->fd); /* leaves the epoll set by itself */
    client->fd = -1;
    client->phase = IDLE;
    thread->idle[thread->idle_count++] = (size_t)(client - thread->clients);
}

static void count_error(struct thread *thread, struct client *client, const char *what,
                        const char *why)
{
    if (thread->errors++ == 0)
        snprintf(thread->first_error, sizeof thread->first_error, "%s: %s", what, why);
    set_idle(thread, client);
}

static void count_done(struct thread *thread, struct client *client)
{
    thread->last_ns = now_ns();
    thread->messages += client->messages;
    if (!run.kept)
        histogram_add(&thread->latency, thread->last_ns - client->started_ns);
    set_idle(thread, client);
}

static void watch(struct thread *thread, struct client *client, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events,
                                .data.u64 = (uint64_t)(client - thread->clients)};
    if (epoll_ctl(thread->epoll_fd, operation, client->fd, &event) != 0)
        fail("epoll_ctl");
}

/* At a message boundary of a stream: is there time and budget for one more? */
static bool stream_goes_on(struct thread *thread)
{
    return thread->budget > 0 && now_ns() - thread->begin_ns < run.seconds_ns;
}

/* Sends what the socket takes. Returns 1 when all is sent, 0 to wait, -1 on error. */
static int send_bytes(struct thread *thread, struct client *client)
{
    /* One turn of a stream is bounded, so that no client starves the others. */
    for (int turn = 0; turn < 16; turn++) {
        size_t end = run.bytes_count;
        if (run.kept) {
            size_t partial = client->offset % run.message_bytes;
            if (partial == 0 && !stream_goes_on(thread))
                return 1;
            /* A message that was begun has left the budget already. */
            uint64_t whole = thread->budget + (partial != 0);
            uint64_t most = client->offset - partial + whole * run.message_bytes;
            if (most < end)
                end = (size_t)most;
        }
        ssize_t count = send(client->fd, run.bytes + client->offset, end - client->offset,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        size_t before = client->offset;
        client->offset += (size_t)count;
        client->messages += client->offset / run.message_bytes - before / run.message_bytes;
        if (!run.kept) {
            if (client->offset == run.bytes_count)
                return 1;
            continue;
        }
        client->started_ns = now_ns(); /* of a stream: its last progress */
        thread->budget -= (client->offset + run.message_bytes - 1) / run.message_bytes -
                          (before + run.message_bytes - 1) / run.message_bytes;
        if (client->offset == run.bytes_count)
            client->offset = 0;
    }
    return 0;
}

static void continue_sending(struct thread *thread, struct client *client, bool watched)
{
    int sent = send_bytes(thread, client);
    if (sent < 0) {
        count_error(thread, client, "send", strerror(errno));
    } else if (sent == 0) {
        if (!watched)
            watch(thread, client, EPOLL_CTL_ADD, EPOLLOUT);
    } else if (shutdown(client->fd, run.no_wait ? SHUT_RDWR : SHUT_WR) != 0) {
        count_error(thread, client, "shutdown", strerror(errno));
    } else if (run.no_wait) {
        count_done(thread, client);
    } else {
        client->phase = WAITING;
        watch(thread, client, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int bind_next_source(struct thread *thread, int fd)
{
    int on = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    thread->source = (thread->source + 1) % run.sources;
    source.sin_addr.s_addr = htonl(0x7f000101u + (uint32_t)thread->source);
    /* The port is chosen at connect, where it need only be free for this pair. */
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0)
        return -1;
    return bind(fd, (struct sockaddr *)&source, sizeof source);
}

static void start_message(struct thread *thread, struct client *client)
{
    client->started_ns = now_ns();
    client->offset = 0;
    client->messages = 0;
    client->phase = SENDING;
    if (!run.kept)
        thread->budget--;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        fail("socket");
    if (run.sources > 0 && bind_next_source(thread, client->fd) != 0) {
        count_error(thread, client, "bind", strerror(errno));
        return;
    }
    if (connect(client->fd, (struct sockaddr *)&run.server, sizeof run.server) != 0 &&
        errno != EINPROGRESS) {
        count_error(thread, client, "connect", strerror(errno));
        return;
    }
    /* Over loopback the connection is there by now: no round of epoll for it. */
    continue_sending(thread, client, false);
}

static void wait_for_close(struct thread *thread, struct client *client)
{
    char answer[64];
    ssize_t count = recv(client->fd, answer, sizeof answer, MSG_DONTWAIT);
    if (count == 0)
        count_done(thread, client);
    else if (count > 0)
        count_error(thread, client, "receive", "the server sent bytes");
    else if (errno != EAGAIN && errno != EINTR)
        count_error(thread, client, "receive", strerror(errno));
}

static void end_overdue(struct thread *thread, uint64_t now)
{
    for (size_t i = 0; i < thread->client_count; i++) {
        struct client *client = &thread->clients[i];
        if (client->phase != IDLE && now > client->started_ns + run.timeout_ns)
            count_error(thread, client, client->phase == SENDING ? "send" : "receive",
                        "timeout");
    }
}

static void *run_thread(void *argument)
{
    struct thread *thread = argument;
    struct epoll_event events[EVENTS];
    pthread_barrier_wait(&run.start);
    thread->begin_ns = thread->last_ns = now_ns();
    uint64_t sweep_ns = thread->begin_ns;
    for (;;) {
        uint64_t now = now_ns();
        bool may_start = now - thread->begin_ns < run.seconds_ns && thread->errors < MAX_ERRORS;
        /* Each idle client once: one that fails at once must not hold the rest. */
        for (size_t left = thread->idle_count; may_start && left > 0 && thread->budget > 0;) {
            size_t index = thread->idle[--left];
            thread->idle[left] = thread->idle[--thread->idle_count];
            start_message(thread, &thread->clients[index]);
        }
        may_start = may_start && thread->budget > 0;
        if (!may_start && thread->idle_count == thread->client_count)
            return NULL;
        int wait_ms = may_start && thread->idle_count > 0 ? 0 : SWEEP_MS;
        int count = epoll_wait(thread->epoll_fd, events, EVENTS, wait_ms);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct client *client = &thread->clients[events[i].data.u64];
            if (client->phase == SENDING)
                continue_sending(thread, client, true);
            else if (client->phase == WAITING)
                wait_for_close(thread, client);
        }
        if (now - sweep_ns > SWEEP_MS * 1000000ull) {
            sweep_ns = now;
            end_overdue(thread, now);
        }
    }
}

static void prepare_bytes(void)
{
    run.message_bytes = run.blocks * BLOCK_BYTES;
    size_t copies = 1;
    if (run.kept && run.message_bytes < STREAM_BYTES)
        copies = STREAM_BYTES / run.message_bytes;
    run.bytes_count = copies * run.message_bytes;
    run.bytes = malloc(run.bytes_count);
    if (run.bytes == NULL)
        fail("malloc");
    for (size_t i = 0; i < copies; i++)
        encode_message((unsigned char *)run.bytes + i * run.message_bytes, run.blocks, run.command,
                       run.source_port);
}

/* Share number `index` of `total` over `parts`, as even as it can be. */
static uint64_t share(uint64_t total, size_t parts, size_t index)
{
    return total / parts + (index < total % parts);
}

static void prepare_thread(struct thread *thread, size_t index)
{
    thread->client_count = (size_t)share(run.clients, run.threads, index);
    thread->budget = share(run.messages, run.threads, index);
    thread->source = index;
    thread->clients = calloc(thread->client_count, sizeof *thread->clients);
    thread->idle = calloc(thread->client_count, sizeof *thread->idle);
    if (thread->clients == NULL || thread->idle == NULL)
        fail("calloc");
    for (size_t i = 0; i < thread->client_count; i++) {
        thread->clients[i].fd = -1;
        thread->idle[thread->idle_count++] = i;
    }
    thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (thread->epoll_fd < 0)
        fail("epoll_create1");
}

static void print_latency(const char *name, const struct histogram *latency, double part)
{
    if (latency->count == 0)
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %.1f", name, (double)histogram_at(latency, part) / 1e3);
}

static void print_result(struct thread *threads)
{
    struct thread *total = &threads[0];
    for (size_t i = 1; i < run.threads; i++) {
        if (total->errors == 0)
            memcpy(total->first_error, threads[i].first_error, sizeof total->first_error);
        total->messages += threads[i].messages;
        total->errors += threads[i].errors;
        if (threads[i].begin_ns < total->begin_ns)
            total->begin_ns = threads[i].begin_ns;
        if (threads[i].last_ns > total->last_ns)
            total->last_ns = threads[i].last_ns;
        histogram_merge(&total->latency, &threads[i].latency);
    }
    /* To the last message that was done: a client that hangs is an error, and
     * its timeout does not count as time that the others needed. */
    double seconds = (double)(total->last_ns - total->begin_ns) / 1e9;
    printf("{\"mode\": \"%s\", \"clients\": %zu, \"threads\": %zu, \"blocks\": %zu",
           run.kept ? "kept" : run.no_wait ? "no-wait" : "connection", run.clients, run.threads,
           run.blocks);
    printf(", \"messages\": %llu, \"seconds\": %.6f, \"rate\": %.1f",
           (unsigned long long)total->messages, seconds,
           seconds > 0 ? (double)total->messages / seconds : 0.0);
    /* Texts of strerror(): no quote or backslash is in them. */
    printf(", \"errors\": %llu, \"first_error\": ", (unsigned long long)total->errors);
    if (total->errors > 0)
        printf("\"%s\"", total->first_error);
    else
        printf("null");
    print_latency("p50_us", &total->latency, 0.50);
    print_latency("p99_us", &total->latency, 0.99);
    print_latency("p999_us", &total->latency, 0.999);
    print_latency("max_us", &total->latency, 1.0);
    printf("}\n");
}

static double decimal(const char *name, double least, double most)
{
    char *end;
    double value = strtod(optarg, &end);
    if (end == optarg || *end != '\0' || !(value >= least && value <= most)) {
        fprintf(stderr, "--%s %s is not from %g to %g\n", name, optarg, least, most);
        exit(2);
    }
    return value;
}

static uint64_t whole(const char *name, uint64_t least, uint64_t most)
{
    double value = decimal(name, (double)least, (double)most);
    if (value != (double)(uint64_t)value) {
        fprintf(stderr, "--%s %s is not a whole number\n", name, optarg);
        exit(2);
    }
    return (uint64_t)value;
}

static void parse_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"host", required_argument, NULL, 'h'},     {"port", required_argument, NULL, 'p'},
        {"clients", required_argument, NULL, 'c'},  {"threads", required_argument, NULL, 't'},
        {"messages", required_argument, NULL, 'm'}, {"seconds", required_argument, NULL, 's'},
        {"timeout", required_argument, NULL, 'o'},  {"blocks", required_argument, NULL, 'b'},
        {"command", required_argument, NULL, 'x'},  {"source-port", required_argument, NULL, 'r'},
        {"sources", required_argument, NULL, 'a'},  {"no-wait", no_argument, NULL, 'n'},
        {"kept", no_argument, NULL, 'k'},           {NULL, 0, NULL, 0}};
    const char *host = "127.0.0.1";
    int option, index = 0;
    while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
        const char *name = options[index].name;
        switch (option) {
        case 'h': host = optarg; break;
        case 'p': run.server.sin_port = htons((uint16_t)whole(name, 1, 65535)); break;
        case 'c': run.clients = whole(name, 1, MAX_CLIENTS); break;
        case 't': run.threads = whole(name, 1, MAX_THREADS); break;
        case 'm': run.messages = whole(name, 1, MAX_MESSAGES); break;
        case 's': run.seconds_ns = (uint64_t)(decimal(name, 0.001, MAX_SECONDS) * 1e9); break;
        case 'o': run.timeout_ns = (uint64_t)(decimal(name, 0.001, MAX_SECONDS) * 1e9); break;
        case 'b': run.blocks = whole(name, 1, MAX_BLOCKS); break;
        case 'x': run.command = optarg; break;
        case 'r': run.source_port = (uint32_t)whole(name, 0, 65535); break;
        case 'a': run.sources = whole(name, 1, MAX_SOURCES); break;
        case 'n': run.no_wait = true; break;
        case 'k': run.kept = true; break;
        default: exit(2);
        }
    }
    run.server.sin_family = AF_INET;
    if (optind != argc || run.server.sin_port == 0 || (run.kept && run.no_wait) ||
        inet_pton(AF_INET, host, &run.server.sin_addr) != 1 ||
        strlen(run.command) > BODY_BYTES - (run.blocks > 1)) {
        fprintf(stderr, "usage: load --port P [--host IPV4] [--clients N] [--threads K]\n"
                        "  [--messages M] [--seconds S] [--timeout S] [--blocks B]\n"
                        "  [--command TEXT] [--source-port P] [--sources N]\n"
                        "  [--no-wait | --kept]\n");
        exit(2);
    }
    if (run.threads > run.clients)
        run.threads = run.clients;
    if (ntohl(run.server.sin_addr.s_addr) >> 24 != 127)
        run.sources = 0; /* another machine is not reached from 127.* */
}

int main(int argc, char **argv)
{
    static struct thread threads[MAX_THREADS];
    parse_arguments(argc, argv);
    prepare_bytes();
    if (raise_descriptor_limit() < run.clients + 64) {
        fprintf(stderr, "%zu clients need more descriptors than this process may have\n",
                run.clients);
        return 1;
    }
    if (pthread_barrier_init(&run.start, NULL, (unsigned)run.threads) != 0)
        fail("pthread_barrier_init");
    for (size_t i = 0; i < run.threads; i++) {
        prepare_thread(&threads[i], i);
        if (pthread_create(&threads[i].id, NULL, run_thread, &threads[i]) != 0)
            fail("pthread_create");
    }
    for (size_t i = 0; i < run.threads; i++)
        pthread_join(threads[i].id, NULL);
    print_result(threads);
    return 0;
}
