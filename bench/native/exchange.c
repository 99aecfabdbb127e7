/* Requests and replies on one kept connection per client, up to `depth` under way.
 *
 * Plain (against the floor): one block comes back for each request, in order.
 * Session: the first request carries the offer and waits for the answer to it;
 * replies are found by their job fields and come in any order.
 */
#define _GNU_SOURCE
#include "load.h"
#include "session.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { READ_BYTES = 32 * BLOCK_BYTES, CONTROL_BLOCKS = 4, MAX_JOB_ID = 100000000 };

struct request {
    uint64_t due_ns;
    uint32_t job; /* 0: this slot waits for nothing */
};

struct exchange {
    struct request requests[MAX_DEPTH];
    uint16_t free[MAX_DEPTH];  /* slots that wait for nothing, a stack */
    uint16_t order[MAX_DEPTH]; /* plain: slots in the order of the replies to come, a ring */
    size_t free_count, order_first;
    uint32_t last_job;
    uint64_t received, told; /* whole messages; how many the server knows of */
    uint64_t received_ns;
    bool left; /* the server wants to end the session */
    unsigned char nonce[NONCE_BYTES];
    unsigned char *out; /* what is not sent yet: from out_begin to out_end */
    size_t out_begin, out_end, out_room;
    size_t in_count; /* bytes of a block that is not whole */
    unsigned char in[READ_BYTES];
};

void prepare_exchange(struct client *client)
{
    struct exchange *exchange = allocate(1, sizeof *exchange);
    exchange->out_room = run.depth * run.message_bytes + CONTROL_BLOCKS * BLOCK_BYTES;
    exchange->out = malloc(exchange->out_room);
    if (exchange->out == NULL)
        fail("malloc");
    client->exchange = exchange;
}

static size_t waiting(const struct client *client)
{
    return run.depth - client->exchange->free_count;
}

/* The requests that wait are lost with the connection: each is an error. */
static void break_off(struct thread *thread, struct client *client, const char *what,
                      const char *why)
{
    size_t lost = waiting(client);
    count_error(thread, client, what, why);
    if (lost > 1)
        thread->errors += lost - 1;
}

/* ------------------------------------------------------------------ sending */

static unsigned char *take_room(struct exchange *exchange, size_t bytes)
{
    if (exchange->out_begin == exchange->out_end)
        exchange->out_begin = exchange->out_end = 0;
    if (exchange->out_end + bytes > exchange->out_room) {
        memmove(exchange->out, exchange->out + exchange->out_begin,
                exchange->out_end - exchange->out_begin);
        exchange->out_end -= exchange->out_begin;
        exchange->out_begin = 0;
    }
    if (exchange->out_end + bytes > exchange->out_room)
        return NULL;
    exchange->out_end += bytes;
    return exchange->out + exchange->out_end - bytes;
}

static bool has_room(const struct client *client)
{
    const struct exchange *exchange = client->exchange;
    if (client->phase == OFFERING) /* nothing more until the offer is answered */
        return exchange->last_job == 0;
    return client->phase == OPEN && exchange->free_count > 0 && !exchange->left;
}

/* Only where has_room(): there is a free slot, and place for its message. */
static void add_request(struct thread *thread, struct client *client, uint64_t due_ns)
{
    struct exchange *exchange = client->exchange;
    unsigned char *bytes = take_room(exchange, run.message_bytes);
    size_t first = waiting(client);
    uint16_t slot = exchange->free[--exchange->free_count];
    memcpy(bytes, run.bytes + thread->next_command * run.message_bytes, run.message_bytes);
    thread->next_command = (thread->next_command + 1) % run.command_count;
    exchange->last_job = exchange->last_job % MAX_JOB_ID + 1;
    exchange->requests[slot] = (struct request){due_ns, exchange->last_job};
    exchange->order[(exchange->order_first + first) % MAX_DEPTH] = slot;
    if (first == 0)
        client->active_ns = now_ns(); /* the timeout runs while something is awaited */
    if (run.mode != SESSION)
        return;
    for (size_t at = 0; at < run.message_bytes; at += BLOCK_BYTES) {
        put_number(bytes + at, AT_JOB_LOCATION, 2, slot);
        put_number(bytes + at, AT_JOB_ID, 4, exchange->last_job);
        put_count(bytes + at, exchange->received);
    }
    exchange->told = exchange->received;
    if (client->phase == OFFERING)
        put_offer(bytes, exchange->nonce, run.source_port, &run.server);
}

static void add_control(struct client *client, enum block_kind kind)
{
    struct exchange *exchange = client->exchange;
    unsigned char *block = take_room(exchange, BLOCK_BYTES);
    if (block == NULL)
        return; /* what is in the way carries the count soon */
    put_control(block, kind, exchange->received, run.source_port);
    exchange->told = exchange->received;
}

/* Returns false when the connection broke. */
static bool send_out(struct thread *thread, struct client *client)
{
    struct exchange *exchange = client->exchange;
    uint32_t events = EPOLLIN;
    while (exchange->out_begin < exchange->out_end) {
        ssize_t count = send(client->fd, exchange->out + exchange->out_begin,
                             exchange->out_end - exchange->out_begin, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            events |= EPOLLOUT;
            break;
        }
        if (count < 0) {
            break_off(thread, client, "send", strerror(errno));
            return false;
        }
        exchange->out_begin += (size_t)count;
    }
    watch_client(thread, client, events);
    return true;
}

static void fill(struct thread *thread, struct client *client)
{
    uint64_t due_ns;
    while (thread->schedule.pace == WHEN_FREE && has_room(client) &&
           schedule_take(&thread->schedule, now_ns(), &due_ns))
        add_request(thread, client, due_ns);
    send_out(thread, client);
}

/* ---------------------------------------------------------------- receiving */

static bool take_reply(struct thread *thread, struct client *client, const unsigned char *block)
{
    struct exchange *exchange = client->exchange;
    size_t slot = exchange->order[exchange->order_first];
    if (run.mode == SESSION) {
        slot = get_number(block, AT_JOB_LOCATION, 2);
        if (slot >= run.depth || exchange->requests[slot].job == 0 ||
            exchange->requests[slot].job != get_number(block, AT_JOB_ID, 4))
            return false;
    } else if (waiting(client) == 0) {
        return false;
    }
    exchange->order_first = (exchange->order_first + 1) % MAX_DEPTH;
    exchange->free[exchange->free_count++] = (uint16_t)slot;
    histogram_add(&thread->latency, thread->last_ns - exchange->requests[slot].due_ns);
    exchange->requests[slot].job = 0;
    thread->messages++;
    return true;
}

/* Returns what is wrong with a block, NULL when all is well. */
static const char *take_block(struct thread *thread, struct client *client,
                              const unsigned char *block)
{
    struct exchange *exchange = client->exchange;
    if (client->phase == OFFERING) {
        if (!is_accept(block, exchange->nonce, run.source_port, &run.server))
            return "the offer was not accepted";
        client->phase = OPEN;
        return NULL;
    }
    if (run.mode == SESSION && block_kind(block) != KIND_MESSAGE) {
        exchange->left |= block_kind(block) == KIND_LEAVE;
        return block_kind(block) < KIND_ACKNOWLEDGE ? "an announcement within a session" : NULL;
    }
    if (block[AT_LAST_FLAG] != 1)
        return NULL;
    exchange->received++;
    exchange->received_ns = thread->last_ns;
    return take_reply(thread, client, block) ? NULL : "a reply that nobody waits for";
}

/* Reads once. Returns false when the connection is gone. */
static bool receive(struct thread *thread, struct client *client)
{
    struct exchange *exchange = client->exchange;
    ssize_t count = recv(client->fd, exchange->in + exchange->in_count,
                         READ_BYTES - exchange->in_count, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (count == 0 && client->phase == LEAVING) {
        set_idle(thread, client);
        return false;
    }
    if (count <= 0) {
        break_off(thread, client, client->phase == OFFERING ? "no session" : "receive",
                  count < 0 ? strerror(errno) : "the server closed");
        return false;
    }
    uint64_t now = now_ns();
    if (client->phase != LEAVING)
        thread->last_ns = now;
    client->active_ns = now;
    exchange->in_count += (size_t)count;
    size_t at = 0;
    for (; exchange->in_count - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
        const char *wrong = take_block(thread, client, exchange->in + at);
        if (wrong != NULL) {
            break_off(thread, client, "receive", wrong);
            return false;
        }
    }
    exchange->in_count -= at;
    memmove(exchange->in, exchange->in + at, exchange->in_count);
    return true;
}

/* ------------------------------------------------------------------- moving */

static void open_exchange(struct thread *thread, struct client *client)
{
    struct exchange *exchange = client->exchange;
    int on = 1;
    exchange->free_count = run.depth;
    for (size_t i = 0; i < run.depth; i++) {
        exchange->free[i] = (uint16_t)(run.depth - 1 - i);
        exchange->requests[i].job = 0;
    }
    exchange->order_first = exchange->out_begin = exchange->out_end = exchange->in_count = 0;
    exchange->last_job = 0;
    exchange->received = exchange->told = 0;
    exchange->left = false;
    if (!open_client(thread, client))
        return;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->phase = run.mode == SESSION ? OFFERING : OPEN;
    fill(thread, client);
}

static void start(struct thread *thread)
{
    for (size_t left = thread->idle_count; left > 0;) {
        struct client *client = &thread->clients[thread->idle[--left]];
        thread->idle[left] = thread->idle[--thread->idle_count];
        open_exchange(thread, client);
    }
    if (thread->schedule.pace == WHEN_FREE)
        return; /* each client fills itself when a reply has come */
    uint64_t due_ns;
    for (size_t looked = 0; looked < thread->client_count; looked++) {
        struct client *client = &thread->clients[thread->next_client];
        if (has_room(client)) {
            if (!schedule_take(&thread->schedule, now_ns(), &due_ns))
                return;
            add_request(thread, client, due_ns);
            send_out(thread, client);
            looked = 0; /* there may be more to start */
        }
        thread->next_client = (thread->next_client + 1) % thread->client_count;
    }
}

static void ready(struct thread *thread, struct client *client, uint32_t events)
{
    if ((events & ~(uint32_t)EPOLLOUT) != 0 && !receive(thread, client))
        return;
    if (client->exchange->left && client->phase == OPEN && waiting(client) == 0)
        break_off(thread, client, "receive", "the server ended the session");
    else
        fill(thread, client);
}

static void sweep(struct thread *thread, uint64_t now)
{
    for (size_t i = 0; i < thread->client_count; i++) {
        struct client *client = &thread->clients[i];
        if (client->phase == IDLE)
            continue;
        if (client->phase == LEAVING && now > client->active_ns + run.timeout_ns)
            break_off(thread, client, "leave", "the server does not close");
        else if (waiting(client) > 0 && now > client->active_ns + run.timeout_ns)
            break_off(thread, client, client->phase == OFFERING ? "no session" : "receive",
                      "timeout");
        else if (run.mode == SESSION && client->exchange->received > client->exchange->told &&
                 now > client->exchange->received_ns + SWEEP_MS * NS_PER_MS) {
            add_control(client, KIND_ACKNOWLEDGE);
            send_out(thread, client);
        }
    }
}

static void finish(struct thread *thread)
{
    for (size_t i = 0; i < thread->client_count; i++) {
        struct client *client = &thread->clients[i];
        if (client->phase == OFFERING && client->exchange->last_job == 0) {
            set_idle(thread, client); /* there was nothing to offer with */
        } else if (client->phase != OPEN || waiting(client) > 0) {
            continue;
        } else if (run.mode == SESSION) {
            client->phase = LEAVING;
            client->active_ns = now_ns();
            add_control(client, KIND_LEAVE);
            send_out(thread, client);
        } else {
            set_idle(thread, client);
        }
    }
}

const struct mover exchange_mover = {start, ready, sweep, finish};
