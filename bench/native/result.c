/* What a run of the load generator found, as one JSON line. */
#define _GNU_SOURCE
#include "load.h"

#include <string.h>

static const char *const mode_names[] = {[CONNECTION] = "connection", [NO_WAIT] = "no-wait",
                                         [KEPT] = "kept", [EXCHANGE] = "exchange",
                                         [SESSION] = "session"};
static const double percentiles[] = {0,    10,    25,    50,    75,     90,     95,
                                     99,   99.5,  99.9,  99.95, 99.99,  99.995, 99.999,
                                     100};

static void print_latency(const char *name, const struct histogram *latency, double part)
{
    if (latency->count == 0)
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %.1f", name, (double)histogram_at(latency, part) / 1e3);
}

/* Only as far as there are values: a percentile beyond them is the longest again. */
static void print_percentiles(const struct histogram *latency)
{
    const char *separator = "";
    printf(", \"percentiles\": [");
    for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++) {
        double above = (100 - percentiles[i]) / 100 * (double)latency->count;
        if (latency->count == 0 || (above < 1 && percentiles[i] < 100))
            continue;
        printf("%s[%g, %.1f]", separator, percentiles[i],
               (double)histogram_at(latency, percentiles[i] / 100) / 1e3);
        separator = ", ";
    }
    printf("]");
}

static uint64_t add_up(struct thread *threads, struct thread *total)
{
    uint64_t unsent = 0;
    *total = (struct thread){.last_ns = run.begin_ns};
    for (size_t i = 0; i < run.threads; i++) {
        struct thread *thread = &threads[i];
        if (total->errors == 0)
            memcpy(total->first_error, thread->first_error, sizeof total->first_error);
        total->messages += thread->messages;
        total->errors += thread->errors;
        total->schedule.late += thread->schedule.late;
        unsent += schedule_unsent(&thread->schedule);
        if (thread->last_ns > total->last_ns)
            total->last_ns = thread->last_ns;
        histogram_merge(&total->latency, &thread->latency);
    }
    return unsent;
}

void print_result(struct thread *threads)
{
    static struct thread total;
    uint64_t unsent = add_up(threads, &total);
    /* To the last message that was done: a client that hangs is an error, and
     * its timeout does not count as time that the others needed. */
    double seconds = (double)(total.last_ns - run.begin_ns) / 1e9;
    printf("{\"mode\": \"%s\", \"clients\": %zu, \"threads\": %zu, \"blocks\": %zu",
           mode_names[run.mode], run.clients, run.threads, run.blocks);
    printf(", \"depth\": %zu, \"wanted_rate\": %.1f", run.depth, run.rate);
    printf(", \"messages\": %llu, \"seconds\": %.6f, \"rate\": %.1f",
           (unsigned long long)total.messages, seconds,
           seconds > 0 ? (double)total.messages / seconds : 0.0);
    printf(", \"late\": %llu, \"unsent\": %llu", (unsigned long long)total.schedule.late,
           (unsigned long long)unsent);
    /* Texts of ours and of strerror(): no quote or backslash is in them. */
    printf(", \"errors\": %llu, \"first_error\": ", (unsigned long long)total.errors);
    if (total.errors > 0)
        printf("\"%s\"", total.first_error);
    else
        printf("null");
    print_latency("p50_us", &total.latency, 0.50);
    print_latency("p99_us", &total.latency, 0.99);
    print_latency("p999_us", &total.latency, 0.999);
    print_latency("max_us", &total.latency, 1.0);
    print_percentiles(&total.latency);
    printf("}\n");
}
