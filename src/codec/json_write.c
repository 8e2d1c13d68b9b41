/* json_write.c - commas, escapes and the check that calls come in an order that makes JSON. */
#include "codec/json_write.h"
#include "base/must.h"
#include "codec/json_int.h"
#include "codec/utf8_int.h"

enum { DECIMAL_SCALE_MAX = 18 };

static void put(struct json_writer *writer, struct str text)
{
    if (writer->err == ERR_OK)
        writer->err = buf_add(writer->out, text);
}

static void put_byte(struct json_writer *writer, char byte)
{
    put(writer, str_make(&byte, 1));
}

static bool in_object(const struct json_writer *writer)
{
    unsigned const level = writer->depth - 1;
    return writer->depth > 0 && (writer->objects[level / 64] >> level % 64 & 1);
}

/* What comes before a value. */
static void before_value(struct json_writer *writer)
{
    if (writer->depth == 0)
        MUST(!writer->comma); /* one value at the top */
    MUST(writer->after_key == in_object(writer));
    if (writer->comma && !writer->after_key)
        put_byte(writer, ',');
    writer->comma = true;
    writer->after_key = false;
}

static void open_container(struct json_writer *writer, bool object)
{
    before_value(writer);
    MUST(writer->depth < JSON_DEPTH_MAX);
    uint64_t const bit = (uint64_t)1 << writer->depth % 64;
    uint64_t *const word = &writer->objects[writer->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    writer->depth++;
    writer->comma = false;
    put_byte(writer, object ? '{' : '[');
}

static void close_container(struct json_writer *writer, bool object)
{
    MUST(writer->depth > 0 && in_object(writer) == object);
    MUST(!writer->after_key);
    writer->depth--;
    writer->comma = true;
    put_byte(writer, object ? '}' : ']');
}

void json_write_start(struct json_writer *writer, struct buf *out)
{
    *writer = (struct json_writer){.out = out};
}

void json_object_open(struct json_writer *writer)
{
    open_container(writer, true);
}

void json_object_close(struct json_writer *writer)
{
    close_container(writer, true);
}

void json_array_open(struct json_writer *writer)
{
    open_container(writer, false);
}

void json_array_close(struct json_writer *writer)
{
    close_container(writer, false);
}

static void put_escape(struct json_writer *writer, unsigned char byte)
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt",
                      hex[] = "0123456789abcdef";
    const char *const found = memchr(named, byte, sizeof named - 1);
    if (found) {
        char const pair[] = {'\\', letters[found - named]};
        put(writer, str_make(pair, sizeof pair));
        return;
    }
    char const unicode[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    put(writer, str_make(unicode, sizeof unicode));
}

/* Text in quotes. Runs that need no change are added in one piece. */
static void put_quoted(struct json_writer *writer, struct str text)
{
    put_byte(writer, '"');
    const unsigned char *at = (const unsigned char *)text.ptr, *run = at;
    const unsigned char *const end = text.len > 0 ? at + text.len : at;
    while (at < end) {
        at = json_plain_end(at, end);
        size_t const step = at < end && *at >= 0x80 ? utf8_step(at, (size_t)(end - at)) : 0;
        if (at == end || step > 0) {
            at += step;
            continue;
        }
        put(writer, str_make((const char *)run, (size_t)(at - run)));
        if (*at >= 0x80)
            put(writer, STR("\xef\xbf\xbd")); /* U+FFFD for each byte that is not UTF-8 */
        else
            put_escape(writer, *at);
        run = ++at;
    }
    put(writer, str_make((const char *)run, (size_t)(at - run)));
    put_byte(writer, '"');
}

void json_key(struct json_writer *writer, const char *key)
{
    MUST(in_object(writer) && !writer->after_key);
    if (writer->comma)
        put_byte(writer, ',');
    put_quoted(writer, str_of(key));
    put_byte(writer, ':');
    writer->after_key = true;
}

void json_put_text(struct json_writer *writer, struct str text)
{
    before_value(writer);
    put_quoted(writer, text);
}

void json_put_i64(struct json_writer *writer, int64_t number)
{
    before_value(writer);
    if (writer->err == ERR_OK)
        writer->err = buf_add_i64(writer->out, number);
}

void json_put_bool(struct json_writer *writer, bool value)
{
    before_value(writer);
    put(writer, value ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *writer)
{
    before_value(writer);
    put(writer, STR("null"));
}

void json_put_raw(struct json_writer *writer, struct str json)
{
    before_value(writer);
    put(writer, json.len > 0 ? json : STR("null"));
}

void json_put_decimal(struct json_writer *writer, int64_t value, unsigned scale)
{
    MUST(scale <= DECIMAL_SCALE_MAX);
    char digits[48];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    for (; scale > 0 && rest % 10 == 0; scale--)
        rest /= 10; /* trailing zeros of the fraction */
    bool const fraction = scale > 0;
    for (; scale > 0; scale--) {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    }
    if (fraction)
        digits[--at] = '.';
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        digits[--at] = '-';
    before_value(writer);
    put(writer, str_make(digits + at, sizeof digits - at));
}

void json_pair_text(struct json_writer *writer, const char *key, struct str text)
{
    json_key(writer, key);
    json_put_text(writer, text);
}

void json_pair_i64(struct json_writer *writer, const char *key, int64_t number)
{
    json_key(writer, key);
    json_put_i64(writer, number);
}

void json_pair_bool(struct json_writer *writer, const char *key, bool value)
{
    json_key(writer, key);
    json_put_bool(writer, value);
}

void json_pair_decimal(struct json_writer *writer, const char *key, int64_t value, unsigned scale)
{
    json_key(writer, key);
    json_put_decimal(writer, value, scale);
}

enum err json_write_end(struct json_writer *writer)
{
    MUST(writer->depth == 0 && writer->comma);
    return writer->err;
}
