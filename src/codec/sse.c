/* sse.c - finds the blank line that ends an event, then reads the event's lines.
 *
 * What:  every byte is looked at once to find the end, in four states. An event that lies whole in
 *        the input is handed out where it lies; the rest of an input is kept in `pending`.
 * Why:   where an event ends never depends on how the bytes were split, so `raw` does not either.
 */
#include "codec/sse.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*              line bytes          CR                          LF
 *   FRESH      IN_LINE             BLANK_CR                    event ends, FRESH
 *   IN_LINE    IN_LINE             AFTER_CR                    FRESH
 *   AFTER_CR   IN_LINE             event ends, AFTER_CR        FRESH (the line ended in CRLF)
 *   BLANK_CR   event ended before the byte, which AFTER_CR takes | event ends, FRESH
 *
 * BLANK_CR waits one byte for the LF of CRLF; a stream of bare CR lines never comes to it. */
enum { FRESH, IN_LINE, AFTER_CR, BLANK_CR };

static const char bom[] = "\xef\xbb\xbf";
enum { BOM_BYTES = sizeof bom - 1 };

void sse_init(struct sse_parser *parser, size_t event_bytes_max)
{
    *parser = (struct sse_parser){.state = FRESH};
    buf_init(&parser->pending, event_bytes_max);
    buf_init(&parser->joined, event_bytes_max);
}

/* The first CR or LF, or `end`. */
static inline const char *line_end(const char *at, const char *end)
{
#ifdef __SSE2__
    __m128i const carriage = _mm_set1_epi8('\r'), feed = _mm_set1_epi8('\n');
    while (end - at >= 16) {
        __m128i const bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned const mask = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, carriage), _mm_cmpeq_epi8(bytes, feed)));
        if (mask != 0)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && *at != '\r' && *at != '\n')
        at++;
    return at;
}

/* Runs the states from `at` on. True: an event ends at *stop (which belongs to the next one).
 * False: all bytes are taken and no event ended. */
static bool event_end(unsigned char *state, const char *at, const char *end, const char **stop)
{
    while (at < end) {
        if (*state == IN_LINE) {
            at = line_end(at, end);
            if (at == end)
                break;
        }
        bool const before = *state == BLANK_CR && *at != '\n';
        bool const blank = (*at == '\n' && (*state == FRESH || *state == BLANK_CR)) ||
                           (*at == '\r' && *state == AFTER_CR);
        if (before) {
            *state = AFTER_CR;
            *stop = at;
            return true;
        }
        if (*at == '\n')
            *state = FRESH;
        else if (*at == '\r')
            *state = *state == FRESH ? BLANK_CR : AFTER_CR;
        else
            *state = IN_LINE;
        at++;
        if (blank) {
            *stop = at;
            return true;
        }
    }
    return false;
}

/* "name: value"; one space behind the colon is not part of the value. */
static void split_field(struct str line, struct str *name, struct str *value)
{
    const char *const colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
    *name = colon ? str_make(line.ptr, (size_t)(colon - line.ptr)) : line;
    *value = colon ? str_skip(line, name->len + 1) : str_skip(line, line.len);
    if (value->len > 0 && value->ptr[0] == ' ')
        *value = str_skip(*value, 1);
}

/* One more data line; the second one and later are joined in a buffer. */
static enum err add_data(struct sse_parser *parser, struct sse_event *event, struct str value)
{
    if (!event->data.ptr) {
        event->data = value;
        return ERR_OK;
    }
    enum err err = ERR_OK;
    if (event->data.ptr != parser->joined.ptr) {
        buf_clear(&parser->joined);
        err = buf_add(&parser->joined, event->data);
    }
    if (err == ERR_OK)
        err = buf_add_byte(&parser->joined, '\n');
    if (err == ERR_OK)
        err = buf_add(&parser->joined, value);
    event->data = buf_view(&parser->joined);
    return err;
}

/* Reads the lines of event->raw. */
static enum err read_lines(struct sse_parser *parser, struct sse_event *event)
{
    const char *at = event->raw.ptr;
    const char *const end = at + event->raw.len;
    while (at < end) {
        const char *const stop = line_end(at, end);
        struct str name, value;
        split_field(str_make(at, (size_t)(stop - at)), &name, &value);
        if (str_eq(name, STR("data"))) {
            enum err const err = add_data(parser, event, value);
            if (err != ERR_OK)
                return err;
        } else if (str_eq(name, STR("event"))) {
            event->name = value;
        }
        at = stop < end ? stop + 1 : end; /* CRLF: its LF reads as an empty line, which is none */
    }
    return ERR_OK;
}

/* Hands out the event that `last` completes: pending bytes, if any, and `last`. */
static enum err give(struct sse_parser *parser, struct str last, sse_event_fn *on_event,
                     void *owner)
{
    struct sse_event event = {.raw = last};
    if (parser->pending.len > 0) {
        enum err const err = buf_add(&parser->pending, last);
        if (err != ERR_OK)
            return err;
        event.raw = buf_view(&parser->pending);
    } else if (last.len > parser->pending.len_max) {
        return ERR_TOO_LARGE;
    }
    enum err const err = read_lines(parser, &event);
    if (err != ERR_OK)
        return err;
    parser->stopped = !on_event(owner, &event);
    buf_clear(&parser->pending);
    return ERR_OK;
}

/* Settles whether the stream begins with a BOM, and steps over it. False: not known yet. */
static bool past_bom(struct sse_parser *parser, struct str *bytes, enum err *err)
{
    struct str const all = *bytes;
    while (parser->bom_bytes < BOM_BYTES && bytes->len > 0 &&
           bytes->ptr[0] == bom[parser->bom_bytes]) {
        *bytes = str_skip(*bytes, 1);
        parser->bom_bytes++;
    }
    if (parser->bom_bytes == BOM_BYTES) {
        parser->started = true;
        return true;
    }
    if (bytes->len == 0)
        return false;
    parser->started = true;
    size_t const here = all.len - bytes->len;
    *bytes = all; /* it was text after all */
    if (parser->bom_bytes > here) {
        parser->state = IN_LINE;
        *err = buf_add(&parser->pending, str_make(bom, parser->bom_bytes - here));
    }
    return true;
}

enum err sse_feed(struct sse_parser *parser, struct str bytes, sse_event_fn *on_event, void *owner)
{
    enum err err = ERR_OK;
    if (bytes.len == 0 || parser->stopped)
        return ERR_OK;
    if (!parser->started && !past_bom(parser, &bytes, &err))
        return ERR_OK;
    const char *stop;
    const char *const end = bytes.ptr + bytes.len;
    while (err == ERR_OK && !parser->stopped && event_end(&parser->state, bytes.ptr, end, &stop)) {
        size_t const count = (size_t)(stop - bytes.ptr);
        err = give(parser, str_make(bytes.ptr, count), on_event, owner);
        bytes = str_skip(bytes, count);
    }
    if (err == ERR_OK && !parser->stopped)
        err = buf_add(&parser->pending, bytes);
    return err;
}

struct str sse_rest(const struct sse_parser *parser)
{
    if (!parser->started)
        return str_make(bom, parser->bom_bytes);
    return buf_view(&parser->pending);
}

void sse_free(struct sse_parser *parser)
{
    buf_free(&parser->pending);
    buf_free(&parser->joined);
}
