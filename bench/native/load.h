/* What the parts of the load generator share: the run, its threads, its clients. */
#ifndef EDGELAKE_BENCH_LOAD_H
#define EDGELAKE_BENCH_LOAD_H

#include "common.h"
#include "histogram.h"
#include "schedule.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>

enum {
    MAX_CLIENTS = 16384,
    MAX_THREADS = 16,
    MAX_BLOCKS = 4096,
    MAX_DEPTH = 256,
    MAX_SECONDS = 3600,
    MAX_SOURCES = 200,
    MAX_COMMANDS = 256,
    MAX_ERRORS = 1000, /* of one thread; then something is wrong: end */
    SWEEP_MS = 20,     /* how often clients are checked for a timeout */
};
#define MAX_MESSAGES 1000000000ull
#define MAX_BYTES (1ull << 30) /* of all messages that are prepared or under way */

enum mode { CONNECTION, NO_WAIT, KEPT, EXCHANGE, SESSION };

/* Set before the threads start, and only read by them. */
struct run {
    enum mode mode;
    struct sockaddr_in server;
    uint64_t messages, seconds_ns, timeout_ns, begin_ns;
    size_t clients, threads, blocks, sources, depth;
    uint32_t source_port;
    double rate, burst_s; /* 0: none */
    const char *commands[MAX_COMMANDS];
    size_t command_count;
    /* The messages, one for each command; of a stream: as many as fill one send(). */
    unsigned char *bytes;
    size_t bytes_count, message_bytes;
};
extern struct run run;

enum phase { IDLE, SENDING, WAITING, OFFERING, OPEN, LEAVING };

struct exchange; /* of a client that keeps its connection for requests and replies */

struct client {
    int fd;
    enum phase phase;
    bool watched;       /* is in the epoll set */
    uint32_t events;    /* and waits for these */
    uint64_t due_ns;    /* when its message should have started: latency counts from it */
    uint64_t active_ns; /* last progress: the timeout counts from it */
    size_t offset;      /* within run.bytes */
    size_t end;         /* where its message ends there */
    uint64_t messages;  /* wholly sent on this connection */
    struct exchange *exchange;
};

struct thread {
    pthread_t id;
    int epoll_fd, timer_fd;
    uint64_t armed_ns;
    struct client *clients;
    size_t client_count, idle_count, source, next_command, next_client;
    size_t *idle; /* indices of clients without a connection */
    struct schedule schedule;
    uint64_t last_ns, messages, errors;
    char first_error[96];
    struct histogram latency;
};

/* How one mode of load moves. */
struct mover {
    /* Starts what may start now; every idle client at most once. */
    void (*start)(struct thread *thread);
    void (*ready)(struct thread *thread, struct client *client, uint32_t events);
    /* Every SWEEP_MS; ends clients that made no progress for the timeout. */
    void (*sweep)(struct thread *thread, uint64_t now);
    /* Nothing will start any more: lets go of kept connections without work. */
    void (*finish)(struct thread *thread);
};

extern const struct mover connection_mover, stream_mover, exchange_mover;

/* options.c */
void parse_arguments(int argc, char **argv);

/* client.c */
bool open_client(struct thread *thread, struct client *client);
void watch_client(struct thread *thread, struct client *client, uint32_t events);
void set_idle(struct thread *thread, struct client *client);
void count_error(struct thread *thread, struct client *client, const char *what, const char *why);
void sweep_clients(struct thread *thread, uint64_t now);
void wait_for_close(struct thread *thread, struct client *client);

/* exchange.c */
void prepare_exchange(struct client *client);

/* result.c */
void print_result(struct thread *threads);

#endif
