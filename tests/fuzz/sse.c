/* sse.c - fuzz: a stream gives the same events whole and in pieces, and no byte is lost.
 *
 * What:  the first byte of the input is the size of a piece, the second one the limit of an event.
 */
#include "codec/sse.h"
#include "base/must.h"

enum { RECORD_BYTES_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct record {
    struct buf raw, fields;
};

static void add(struct buf *buf, struct str text)
{
    MUST(buf_add(buf, text) == ERR_OK);
}

static bool on_event(void *owner, const struct sse_event *event)
{
    struct record *record = owner;
    MUST(event->raw.len > 0);
    MUST(event->data.len < event->raw.len && event->name.len < event->raw.len);
    MUST(event->data.ptr || event->data.len == 0);
    add(&record->raw, event->raw);
    /* lengths first, so that no content can look like another split of fields */
    MUST(buf_printf(&record->fields, "%zu %zu %d %zu ", event->raw.len, event->name.len,
                    event->data.ptr != NULL, event->data.len) == ERR_OK);
    add(&record->fields, event->name);
    add(&record->fields, event->data);
    return true;
}

static enum err feed(struct record *record, struct str stream, size_t step, size_t limit)
{
    struct sse_parser parser;
    enum err err = ERR_OK;
    sse_init(&parser, limit);
    buf_init(&record->raw, RECORD_BYTES_MAX);
    buf_init(&record->fields, RECORD_BYTES_MAX);
    while (stream.len > 0 && err == ERR_OK) {
        size_t const count = step < stream.len ? step : stream.len;
        err = sse_feed(&parser, str_make(stream.ptr, count), on_event, record);
        MUST(parser.pending.len <= limit && parser.pending.cap <= limit);
        stream = str_skip(stream, count);
    }
    if (err == ERR_OK)
        add(&record->raw, sse_rest(&parser));
    sse_free(&parser);
    return err;
}

static void record_free(struct record *record)
{
    buf_free(&record->raw);
    buf_free(&record->fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t const step = data[0] % 64u + 1, limit = data[1] < 200 ? data[1] + 3u : 1u << 20;
    struct str const stream = str_make((const char *)data + 2, size - 2);
    struct str text = stream;
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_skip(text, 3);
    struct record whole, pieces;
    enum err const err = feed(&whole, stream, SIZE_MAX, limit);
    MUST(err == ERR_OK || err == ERR_TOO_LARGE);
    MUST(feed(&pieces, stream, step, limit) == err);
    MUST(str_eq(buf_view(&whole.fields), buf_view(&pieces.fields)));
    MUST(str_eq(buf_view(&whole.raw), buf_view(&pieces.raw)));
    if (err == ERR_OK)
        MUST(str_eq(buf_view(&whole.raw), text));
    else
        MUST(str_starts(text, buf_view(&whole.raw)));
    record_free(&whole);
    record_free(&pieces);
    return 0;
}
