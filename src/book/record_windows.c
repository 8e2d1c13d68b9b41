/* record_windows.c - a call's lines: which counters, in which windows, how much.
 *
 * Why:   a call under a plan has a dozen lines, twice; they were two thirds of what the journal
 *        writes. Most share their window (a day's requests, tokens and cost), so windows stand once
 *        and lines name theirs. Lines of the older form (words of eight bytes, FLAG_PACKED not set
 *        in their record) are still read.
 */
#include "book/record_int.h"

enum {
    NUMBER_BITS = 6,
    WINDOW_BITS = 6,
    ROLE_BITS = 2,
    METRIC_BITS = 2,
    SHARED_BYTES = 1 + 2 * sizeof(int64_t), /* of a window: kind, start, end */
    LINE_BYTES_MAX = 8 + 2 + 9 + 9,         /* counter, what, amount, used */
};
_Static_assert(NUMBER_BITS + WINDOW_BITS + ROLE_BITS + METRIC_BITS == 16, "two bytes a line");
_Static_assert((int)RECORD_WINDOWS_MAX <= 1 << NUMBER_BITS, "a line's number fits");
_Static_assert((int)WINDOW_ROLE_COUNT <= 1 << ROLE_BITS && (int)METRIC_COUNT == 1 << METRIC_BITS,
               "what a line counts fits");

struct shared { /* windows of the lines, each once */
    size_t count;
    const struct record_window_line *windows[RECORD_WINDOWS_MAX];
};

static bool same_window(const struct record_window_line *a, const struct record_window_line *b)
{
    return a->start_us == b->start_us && a->end_us == b->end_us && a->kind == b->kind;
}

static unsigned share(struct shared *shared, const struct record_window_line *line)
{
    for (size_t i = shared->count; i > 0; i--) /* neighbours are often alike */
        if (same_window(shared->windows[i - 1], line))
            return (unsigned)(i - 1);
    shared->windows[shared->count] = line;
    return (unsigned)shared->count++;
}

static unsigned char *put_word(unsigned char *at, uint64_t word)
{
    memcpy(at, &word, sizeof word);
    return at + sizeof word;
}

static unsigned char *put_count(unsigned char *at, int64_t value)
{
    uint64_t rest = (uint64_t)value;
    for (; rest >= 0x80; rest >>= 7)
        *at++ = (unsigned char)(rest | 0x80);
    *at++ = (unsigned char)rest;
    return at;
}

static unsigned char *put_shared(unsigned char *at, const struct shared *shared)
{
    *at++ = (unsigned char)shared->count;
    for (size_t i = 0; i < shared->count; i++) {
        const struct record_window_line *window = shared->windows[i];
        *at++ = (unsigned char)window->kind;
        at = put_word(at, (uint64_t)window->start_us);
        at = put_word(at, (uint64_t)window->end_us);
    }
    return at;
}

static unsigned char *put_line(unsigned char *at, const struct record_window_line *line,
                               unsigned window, bool whole)
{
    uint16_t const what =
        (uint16_t)(((line->number << WINDOW_BITS | window) << ROLE_BITS | (unsigned)line->role)
                       << METRIC_BITS |
                   (unsigned)line->metric);
    at = put_word(at, line->counter);
    memcpy(at, &what, sizeof what);
    at = put_count(at + sizeof what, line->amount);
    return whole ? put_count(at, line->used) : at;
}

/* One look at the room for all: this is half of what a governed call's record takes. */
void record_put_windows(struct pack *pack, const struct record_window_line *lines, size_t count,
                        bool whole)
{
    struct shared shared;
    unsigned char of[RECORD_WINDOWS_MAX];
    int64_t signs = 0;
    shared.count = 0;
    for (size_t i = 0; i < count; i++) {
        of[i] = (unsigned char)share(&shared, &lines[i]);
        signs |= lines[i].amount | lines[i].used;
    }
    size_t const room = 2 + shared.count * SHARED_BYTES + count * LINE_BYTES_MAX;
    if (signs < 0 || room > (size_t)(pack->end - pack->at)) {
        pack->full = true; /* negative: could not be read back */
        return;
    }
    unsigned char *at = pack->at;
    *at++ = (unsigned char)count;
    if (count > 0)
        at = put_shared(at, &shared);
    for (size_t i = 0; i < count; i++)
        at = put_line(at, &lines[i], of[i], whole);
    pack->at = at;
}

/* --- reading --------------------------------------------------------------------------------- */
static bool line_is_good(const struct record_window_line *line)
{
    return line->counter != 0 && line->kind < WINDOW_KIND_COUNT && line->role < WINDOW_ROLE_COUNT &&
           line->start_us >= 0 && line->end_us > line->start_us && line->amount >= 0 &&
           line->used >= 0 && line->number < RECORD_WINDOWS_MAX;
}

static void get_shared(struct unpack *unpack, const unsigned char **windows, size_t *count)
{
    *count = unpack_byte(unpack, RECORD_WINDOWS_MAX + 1);
    *windows = unpack_raw(unpack, *count * SHARED_BYTES);
}

/* From the shared windows. */
static void get_line(struct unpack *unpack, const unsigned char *windows, size_t window_count,
                     struct record_window_line *line, bool whole)
{
    uint16_t what;
    const unsigned char *head = unpack_raw(unpack, sizeof line->counter + sizeof what);
    if (head == NULL)
        return;
    memcpy(&line->counter, head, sizeof line->counter);
    memcpy(&what, head + sizeof line->counter, sizeof what);
    line->metric = (enum metric)(what & ((1u << METRIC_BITS) - 1));
    line->role = (enum window_role)(what >> METRIC_BITS & ((1u << ROLE_BITS) - 1));
    size_t const at = what >> (METRIC_BITS + ROLE_BITS) & ((1u << WINDOW_BITS) - 1);
    line->number = (unsigned)(what >> (METRIC_BITS + ROLE_BITS + WINDOW_BITS));
    line->amount = unpack_count(unpack);
    line->used = whole ? unpack_count(unpack) : 0;
    line->carried = 0;
    if (at >= window_count) {
        unpack->bad = true;
        return;
    }
    const unsigned char *window = windows + at * SHARED_BYTES;
    line->kind = (enum window_kind)window[0];
    memcpy(&line->start_us, window + 1, sizeof line->start_us);
    memcpy(&line->end_us, window + 1 + sizeof(int64_t), sizeof line->end_us);
}

size_t record_get_windows(struct unpack *unpack, struct record_window_line *lines, bool whole)
{
    const unsigned char *windows = NULL;
    size_t window_count = 0;
    size_t const count = unpack_byte(unpack, RECORD_WINDOWS_MAX + 1);
    if (count > 0)
        get_shared(unpack, &windows, &window_count);
    for (size_t i = 0; i < count && !unpack->bad; i++) {
        get_line(unpack, windows, window_count, &lines[i], whole);
        if (!unpack->bad && !line_is_good(&lines[i]))
            unpack->bad = true;
    }
    return unpack->bad ? 0 : count;
}

/* --- the older form -------------------------------------------------------------------------- */
/* What a line counts stood in the top bits of its start. */
enum { LINE_WORDS = 4, LINE_WORDS_WHOLE = 5, LINE_START_BITS = 55 };

size_t record_get_windows_words(struct unpack *unpack, struct record_window_line *lines, bool whole)
{
    size_t const count = (size_t)unpack_count_max(unpack, RECORD_WINDOWS_MAX);
    size_t const line_bytes = (whole ? LINE_WORDS_WHOLE : LINE_WORDS) * sizeof(uint64_t);
    for (size_t i = 0; i < count && !unpack->bad; i++) {
        uint64_t words[LINE_WORDS_WHOLE] = {0};
        const unsigned char *bytes = unpack_raw(unpack, line_bytes);
        if (bytes == NULL)
            break;
        memcpy(words, bytes, line_bytes);
        uint64_t const what = words[1] >> LINE_START_BITS;
        lines[i] = (struct record_window_line){
            .counter = words[0],
            .kind = (enum window_kind)(what >> 4),
            .role = (enum window_role)(what >> 2 & 3),
            .metric = (enum metric)(what & 3),
            .start_us = (int64_t)(words[1] & (((uint64_t)1 << LINE_START_BITS) - 1)),
            .end_us = (int64_t)words[2],
            .amount = (int64_t)words[3],
            .used = (int64_t)words[4],
            .number = (unsigned)i,
        };
        if (!line_is_good(&lines[i]))
            unpack->bad = true;
    }
    return unpack->bad ? 0 : count;
}
