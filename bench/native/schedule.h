/* When messages start: as soon as a client is free, at fixed times, or in bursts.
 *
 * At a fixed rate message k of a run is due at begin + k / rate, whatever the
 * server does, and its latency counts from then: a server that stalls is charged
 * for every message that had to wait meanwhile, not for one per client.
 */
#ifndef EDGELAKE_BENCH_SCHEDULE_H
#define EDGELAKE_BENCH_SCHEDULE_H

#include "common.h"

#include <stdbool.h>

enum pace { WHEN_FREE, AT_RATE, IN_BURSTS };

struct schedule {
    enum pace pace;
    uint64_t budget;              /* messages that may still start */
    uint64_t begin_ns, end_ns;    /* no message is due outside */
    uint64_t patience_ns;         /* after the end, for messages that are late */
    double period_ns;             /* between two messages of the run, or two bursts */
    uint64_t index, step, taken;  /* message index + step * n is number n of this thread */
    uint64_t burst_size, burst_left, burst_ns;
    uint64_t late;                /* started more than LATE_NS after they were due */
};

#define LATE_NS NS_PER_MS

static inline uint64_t schedule_due(const struct schedule *schedule)
{
    uint64_t number = schedule->pace == AT_RATE
                          ? schedule->index + schedule->step * schedule->taken
                          : schedule->taken;
    return schedule->begin_ns + (uint64_t)((double)number * schedule->period_ns);
}

/* Will a message start, now or later? */
static inline bool schedule_open(const struct schedule *schedule, uint64_t now)
{
    if (schedule->budget == 0)
        return false;
    if (schedule->pace == AT_RATE)
        return schedule_due(schedule) < schedule->end_ns &&
               now < schedule->end_ns + schedule->patience_ns;
    return now < schedule->end_ns || schedule->burst_left > 0;
}

/* When the next message may start; not after `now` if that is at once. */
static inline uint64_t schedule_next(const struct schedule *schedule)
{
    bool waits = schedule->pace == AT_RATE ||
                 (schedule->pace == IN_BURSTS && schedule->burst_left == 0);
    return waits ? schedule_due(schedule) : 0;
}

/* A burst begins when all clients are free; one that comes too early is left out. */
static inline void schedule_burst(struct schedule *schedule, uint64_t now)
{
    if (schedule->pace != IN_BURSTS || schedule->burst_left > 0 || schedule_due(schedule) > now)
        return;
    schedule->burst_ns = now;
    schedule->burst_left = schedule->burst_size;
    while (schedule_due(schedule) <= now)
        schedule->taken++;
}

/* Takes a message that may start now, and the time that its latency counts from. */
static inline bool schedule_take(struct schedule *schedule, uint64_t now, uint64_t *due)
{
    if (!schedule_open(schedule, now))
        return false;
    *due = now;
    if (schedule->pace == AT_RATE) {
        *due = schedule_due(schedule);
        if (*due > now)
            return false;
        schedule->taken++;
        schedule->late += now - *due > LATE_NS;
    } else if (schedule->pace == IN_BURSTS) {
        if (schedule->burst_left == 0)
            return false;
        schedule->burst_left--;
        *due = schedule->burst_ns;
    }
    schedule->budget--;
    return true;
}

/* Messages that were due and never started. */
static inline uint64_t schedule_unsent(struct schedule *schedule)
{
    uint64_t count = 0;
    while (schedule->pace == AT_RATE && schedule->budget > count &&
           schedule_due(schedule) < schedule->end_ns) {
        schedule->taken++;
        count++;
    }
    return count;
}

#endif
