/* Load generator: clients that send valid messages to a server on 127.0.0.0/8.
 *
 *     load --port P [--host A] [--clients N] [--threads K] [--messages M]
 *          [--seconds S] [--timeout S] [--blocks B] [--source-port P] [--sources N]
 *          [--command TEXT ... | --commands FILE]
 *          [--no-wait | --kept | --exchange | --session] [--depth D]
 *          [--rate R | --burst S]
 *
 * One connection per message (the default): connect, send B blocks, shut down
 * the sending side, wait until the server has closed, start again. The time
 * from before socket() to the server's close is the latency of the message.
 * --no-wait closes at once, as nodes of the network do; the loop is then open
 * towards the server, and the latency is that of handing the message over.
 * --kept sends messages back to back on one connection per client, closes its
 * side at the end and waits for the server; a stream has no latencies.
 * --exchange sends requests on one connection per client and waits for a block
 * after each, D of them under way at a time (default 1: ping-pong).
 * --session does the same in a session, see docs/protocol.md.
 *
 * A client starts its next message when it is free. With --rate, messages are
 * due at R a second whatever the server does, and the latency counts from then
 * (schedule.h); with --burst all clients start together every S seconds.
 * Several commands are sent in turns.
 *
 * Every run ends by count, by time, or by errors: after --seconds (default 10) no
 * message is due any more, and one that is under way has --timeout seconds.
 * The result is one JSON line; the exit status is 0 even with errors in it.
 *
 * Ports. The side that closes first keeps a port in TIME_WAIT for a minute:
 * always the client here, since it ends its sending side before the server
 * closes. SO_LINGER 0 cannot spare that: when the server's FIN is seen, the
 * kernel has put the connection into TIME_WAIT already, and a reset before
 * that would not be what nodes do. So the connections go round over several
 * source addresses (127.0.1.1 and up), each with all ephemeral ports.
 * 16 x 28,000 pairs are more than the kernel holds in TIME_WAIT
 * (tcp_max_tw_buckets), so a free one is found at once, at any rate.
 */
#define _GNU_SOURCE
#include "load.h"
#include "message.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    STREAM_BYTES = 64 * 1024, /* handed to one send() of a kept stream */
};
#define TIMER UINT64_MAX /* in an event: no client, the timer */

struct run run = {.messages = MAX_MESSAGES, .seconds_ns = 10 * NS_PER_S,
                  .timeout_ns = 5 * NS_PER_S, .clients = 1, .threads = 1, .blocks = 1,
                  .sources = 16, .depth = 1};
static pthread_barrier_t prepared, started;

static const struct mover *mover(void)
{
    if (run.mode == EXCHANGE || run.mode == SESSION)
        return &exchange_mover;
    return run.mode == KEPT ? &stream_mover : &connection_mover;
}

/* epoll_wait counts in milliseconds, a message may be due in microseconds. */
static void wake_at(struct thread *thread, uint64_t at_ns)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S),
                                           .tv_nsec = (long)(at_ns % NS_PER_S)}};
    if (thread->armed_ns == at_ns)
        return;
    if (timerfd_settime(thread->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        fail("timerfd_settime");
    thread->armed_ns = at_ns;
}

/* Returns how long to wait for events, in milliseconds. */
static int wait_ms(struct thread *thread, bool open)
{
    uint64_t next_ns = schedule_next(&thread->schedule);
    if (!open)
        return SWEEP_MS;
    if (next_ns > now_ns()) {
        wake_at(thread, next_ns);
        return SWEEP_MS;
    }
    return thread->idle_count > 0 && thread->schedule.pace != IN_BURSTS ? 0 : SWEEP_MS;
}

static void *run_thread(void *argument)
{
    struct thread *thread = argument;
    const struct mover *move = mover();
    struct epoll_event events[EVENTS];
    pthread_barrier_wait(&prepared);
    pthread_barrier_wait(&started);
    thread->schedule.begin_ns = thread->last_ns = run.begin_ns;
    thread->schedule.end_ns = run.begin_ns + run.seconds_ns;
    uint64_t sweep_ns = run.begin_ns;
    for (;;) {
        bool open = thread->errors < MAX_ERRORS && schedule_open(&thread->schedule, now_ns());
        if (open)
            move->start(thread);
        open = open && schedule_open(&thread->schedule, now_ns());
        if (!open)
            move->finish(thread);
        if (!open && thread->idle_count == thread->client_count)
            return NULL;
        int count = epoll_wait(thread->epoll_fd, events, EVENTS, wait_ms(thread, open));
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            uint64_t index = events[i].data.u64, ignored;
            if (index != TIMER) {
                if (thread->clients[index].phase != IDLE)
                    move->ready(thread, &thread->clients[index], events[i].events);
            } else if (read(thread->timer_fd, &ignored, sizeof ignored) < 0 && errno != EAGAIN) {
                fail("read of the timer");
            }
        }
        uint64_t now = now_ns();
        if (now - sweep_ns > SWEEP_MS * NS_PER_MS) {
            sweep_ns = now;
            move->sweep(thread, now);
        }
    }
}

static void prepare_bytes(void)
{
    size_t copies = run.command_count;
    run.message_bytes = run.blocks * BLOCK_BYTES;
    while (run.mode == KEPT && copies * run.message_bytes < STREAM_BYTES)
        copies += run.command_count;
    run.bytes_count = copies * run.message_bytes;
    run.bytes = malloc(run.bytes_count);
    if (run.bytes == NULL)
        fail("malloc");
    for (size_t i = 0; i < copies; i++)
        encode_message(run.bytes + i * run.message_bytes, run.blocks,
                       run.commands[i % run.command_count], run.source_port);
}

/* Share number `index` of `total` over the threads, as even as it can be. */
static uint64_t share(uint64_t total, size_t index)
{
    return total / run.threads + (index < total % run.threads);
}

static void prepare_schedule(struct thread *thread, size_t index)
{
    thread->schedule = (struct schedule){
        .pace = run.rate > 0 ? AT_RATE : run.burst_s > 0 ? IN_BURSTS : WHEN_FREE,
        .budget = share(run.messages, index),
        .patience_ns = run.timeout_ns,
        .period_ns = 1e9 * (run.rate > 0 ? 1 / run.rate : run.burst_s),
        .index = index,
        .step = run.threads,
        .burst_size = thread->client_count,
    };
}

static void prepare_thread(struct thread *thread, size_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = TIMER};
    thread->client_count = (size_t)share(run.clients, index);
    thread->source = index;
    thread->next_command = index % run.command_count;
    thread->clients = allocate(thread->client_count, sizeof *thread->clients);
    thread->idle = allocate(thread->client_count, sizeof *thread->idle);
    prepare_schedule(thread, index);
    for (size_t i = 0; i < thread->client_count; i++) {
        thread->clients[i].fd = -1;
        thread->idle[thread->idle_count++] = i;
        if (run.mode == EXCHANGE || run.mode == SESSION)
            prepare_exchange(&thread->clients[i]);
    }
    thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    thread->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (thread->epoll_fd < 0 || thread->timer_fd < 0 ||
        epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, thread->timer_fd, &event) != 0)
        fail("epoll_create1 or timerfd_create");
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
    if (pthread_barrier_init(&prepared, NULL, (unsigned)run.threads + 1) != 0 ||
        pthread_barrier_init(&started, NULL, (unsigned)run.threads + 1) != 0)
        fail("pthread_barrier_init");
    for (size_t i = 0; i < run.threads; i++) {
        prepare_thread(&threads[i], i);
        if (pthread_create(&threads[i].id, NULL, run_thread, &threads[i]) != 0)
            fail("pthread_create");
    }
    pthread_barrier_wait(&prepared);
    run.begin_ns = now_ns(); /* one time for all threads: bursts start together */
    pthread_barrier_wait(&started);
    for (size_t i = 0; i < run.threads; i++)
        pthread_join(threads[i].id, NULL);
    print_result(threads);
    return 0;
}
