/* events_ring.h - the last events as they go out, numbered, bounded in count and bytes.
 *
 * What:  events are added with the next number, and count from the next commit on; a rollback takes
 *        back what was added since. The oldest make room.
 * Not:   locks, time, who may see what (events.c).
 */
#pragma once
#include "admin/roles.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

enum event_topic {
    TOPIC_ALERT,
    TOPIC_USAGE_TICK,
    TOPIC_LIMIT_EDGE,
    TOPIC_CONFIG_CHANGED,
    TOPIC_JOB_PROGRESS,
    TOPIC_COUNT
};
struct str event_topic_name(enum event_topic topic);

enum { EVENT_STREAM_NAME_BYTES = 16, EVENT_ID_BYTES_MAX = EVENT_STREAM_NAME_BYTES + 22 };

struct told_event {
    uint64_t number;
    enum event_topic topic;
    enum permission needs; /* of whoever is to see it */
    struct str
        customer_id;  /* whose; empty: the operator's own. Of a tick: whose listeners get it */
    struct str frame; /* as it goes out, "id:" to the empty line */
};

struct event_ring;
/* `stream`: EVENT_STREAM_NAME_BYTES letters that no other process has; begins every id. NULL: no
 * memory. */
struct event_ring *event_ring_new(const char *stream, size_t count_max, size_t bytes_max);
void event_ring_free(struct event_ring *ring);
/* `data`: one line. ERR_NO_MEMORY: all numbers up to here are gone, so that nobody believes to know
 * all; ERR_TOO_LARGE. */
NODISCARD enum err event_ring_add(struct event_ring *ring, const struct told_event *event,
                                  struct str data);
void event_ring_commit(struct event_ring *ring);
void event_ring_rollback(struct event_ring *ring);
bool event_ring_is_open(const struct event_ring *ring); /* something waits for commit or rollback */
uint64_t event_ring_first(const struct event_ring *ring); /* the oldest kept; last + 1: none */
uint64_t event_ring_last(const struct event_ring *ring);  /* the newest that counts; 0: none yet */
size_t event_ring_bytes(const struct event_ring *ring);
/* first <= number <= last. */
const struct told_event *event_ring_at(const struct event_ring *ring, uint64_t number);
/* "STREAM-NUMBER". */
struct str event_ring_id(const struct event_ring *ring, uint64_t number,
                         char text[EVENT_ID_BYTES_MAX]);
/* False: of another process, or no id. */
bool event_ring_parse(const struct event_ring *ring, struct str id, uint64_t *number);
