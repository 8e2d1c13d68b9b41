/* events_ring.c - see events_ring.h. */
#include "admin/events_ring.h"
#include "base/must.h"
#include <stdio.h>
#include <stdlib.h>

struct slot {
    struct told_event event;
    size_t bytes;
    char text[];
};

struct event_ring {
    char stream[EVENT_STREAM_NAME_BYTES];
    uint64_t first, last, next; /* kept from; committed up to; the number of the next one */
    size_t count_max, bytes, bytes_max;
    struct slot *slots[];
};

struct str event_topic_name(enum event_topic topic)
{
    static const struct str names[] = {
        [TOPIC_ALERT] = STR_ROW("alert"),
        [TOPIC_USAGE_TICK] = STR_ROW("usage.tick"),
        [TOPIC_LIMIT_EDGE] = STR_ROW("limit.edge"),
        [TOPIC_CONFIG_CHANGED] = STR_ROW("config.changed"),
        [TOPIC_JOB_PROGRESS] = STR_ROW("job.progress"),
    };
    return names[topic];
}

struct event_ring *event_ring_new(const char *stream, size_t count_max, size_t bytes_max)
{
    struct event_ring *ring = calloc(1, sizeof *ring + count_max * sizeof(struct slot *));
    if (ring == NULL)
        return NULL;
    memcpy(ring->stream, stream, sizeof ring->stream);
    ring->first = ring->next = 1;
    ring->count_max = count_max;
    ring->bytes_max = bytes_max;
    return ring;
}

static struct slot **slot_at(struct event_ring *ring, uint64_t number)
{
    return &ring->slots[number % ring->count_max];
}

static void drop(struct event_ring *ring, uint64_t number)
{
    struct slot **slot = slot_at(ring, number);
    MUST(*slot != NULL && (*slot)->event.number == number);
    ring->bytes -= (*slot)->bytes;
    free(*slot);
    *slot = NULL;
}

static void drop_all(struct event_ring *ring)
{
    for (; ring->first < ring->next; ring->first++)
        drop(ring, ring->first);
}

void event_ring_free(struct event_ring *ring)
{
    if (ring == NULL)
        return;
    drop_all(ring);
    free(ring);
}

struct str event_ring_id(const struct event_ring *ring, uint64_t number,
                         char text[EVENT_ID_BYTES_MAX])
{
    int const len = snprintf(text, EVENT_ID_BYTES_MAX, "%.*s-%llu", EVENT_STREAM_NAME_BYTES,
                             ring->stream, (unsigned long long)number);
    return str_make(text, (size_t)len);
}

bool event_ring_parse(const struct event_ring *ring, struct str id, uint64_t *number)
{
    int64_t value = 0;
    if (id.len <= EVENT_STREAM_NAME_BYTES + 1 || id.ptr[EVENT_STREAM_NAME_BYTES] != '-' ||
        memcmp(id.ptr, ring->stream, EVENT_STREAM_NAME_BYTES) != 0 ||
        !str_to_i64(str_skip(id, EVENT_STREAM_NAME_BYTES + 1), &value))
        return false;
    *number = (uint64_t)value;
    return true;
}

static void copy(char **at, struct str text, struct str *kept)
{
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *kept = str_make(*at, text.len);
    *at += text.len;
}

static struct slot *slot_new(const struct event_ring *ring, const struct told_event *event,
                             struct str data)
{
    char id[EVENT_ID_BYTES_MAX];
    struct str const texts[] = {
        STR("id: "),      event_ring_id(ring, ring->next, id),
        STR("\nevent: "), event_topic_name(event->topic),
        STR("\ndata: "),  data,
        STR("\n\n"),
    };
    size_t bytes = sizeof(struct slot) + event->customer_id.len;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        bytes += texts[i].len;
    struct slot *slot = malloc(bytes);
    if (slot == NULL)
        return NULL;
    char *at = slot->text;
    struct str ignored;
    slot->bytes = bytes;
    slot->event = *event;
    slot->event.number = ring->next;
    copy(&at, event->customer_id, &slot->event.customer_id);
    slot->event.frame.ptr = at;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        copy(&at, texts[i], &ignored);
    slot->event.frame.len = (size_t)(at - slot->event.frame.ptr);
    return slot;
}

enum err event_ring_add(struct event_ring *ring, const struct told_event *event, struct str data)
{
    if (data.len > EVENT_BYTES_MAX)
        return ERR_TOO_LARGE;
    struct slot *slot = slot_new(ring, event, data);
    if (slot == NULL) {
        drop_all(ring);
        ring->last = ring->next; /* a number that nobody gets */
        ring->first = ++ring->next;
        return ERR_NO_MEMORY;
    }
    while (ring->first < ring->next && (ring->next - ring->first == ring->count_max ||
                                        ring->bytes + slot->bytes > ring->bytes_max))
        drop(ring, ring->first++);
    *slot_at(ring, ring->next++) = slot;
    ring->bytes += slot->bytes;
    return ERR_OK;
}

void event_ring_commit(struct event_ring *ring)
{
    ring->last = ring->next - 1;
}

void event_ring_rollback(struct event_ring *ring)
{
    while (ring->next > ring->last + 1 && ring->next > ring->first)
        drop(ring, --ring->next);
    if (ring->next > ring->last + 1) /* so many that the committed ones made room, too */
        ring->last = ring->next - 1;
}

bool event_ring_is_open(const struct event_ring *ring)
{
    return ring->next > ring->last + 1;
}

uint64_t event_ring_first(const struct event_ring *ring)
{
    return ring->first;
}

uint64_t event_ring_last(const struct event_ring *ring)
{
    return ring->last;
}

size_t event_ring_bytes(const struct event_ring *ring)
{
    return ring->bytes;
}

const struct told_event *event_ring_at(const struct event_ring *ring, uint64_t number)
{
    MUST(number >= ring->first && number <= ring->last);
    return &ring->slots[number % ring->count_max]->event;
}
