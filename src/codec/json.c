/* json.c - the validator: one pass, no recursion, a bit per open container.
 *
 * Why:   every request body and every provider answer passes here once; long strings, which are
 *        nearly all of a chat body, are skipped sixteen bytes a step.
 */
#include "codec/json.h"
#include "codec/json_int.h"
#include "codec/utf8_int.h"

struct scan {
    const unsigned char *at, *end, *start;
    struct json_object *object; /* NULL: members are not collected */
    const char *problem;
    enum err err;
    unsigned depth;
    uint64_t objects[JSON_DEPTH_MAX / 64]; /* bit set: the container at that depth is an object */
};

/* What comes next, after some bytes were taken. */
enum next { NEXT_VALUE, NEXT_AFTER, NEXT_DONE, NEXT_BAD };

static bool fail(struct scan *scan, const char *problem)
{
    scan->err = ERR_JSON_INVALID;
    scan->problem = problem;
    return false;
}

static enum next bad(struct scan *scan, const char *problem)
{
    fail(scan, problem);
    return NEXT_BAD;
}

static inline void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && json_is_space(*scan->at))
        scan->at++;
}

static inline bool byte_is(const struct scan *scan, unsigned char byte)
{
    return scan->at < scan->end && *scan->at == byte;
}

/* \uXXXX at `at`; a high surrogate takes its low half with it. NULL: not valid. */
static const unsigned char *escape_unicode(const unsigned char *at, const unsigned char *end)
{
    if (end - at < 6)
        return NULL;
    int const unit = json_hex4(at + 2);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return NULL;
    if (unit < 0xd800 || unit > 0xdfff)
        return at + 6;
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return NULL;
    int const low = json_hex4(at + 8);
    return low >= 0xdc00 && low <= 0xdfff ? at + 12 : NULL;
}

static const unsigned char *escape(const unsigned char *at, const unsigned char *end)
{
    if (end - at < 2)
        return NULL;
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        return escape_unicode(at, end);
    default:
        return NULL;
    }
}

/* A run of characters outside ASCII. NULL: not UTF-8; *at is left at the bad byte. */
static inline const unsigned char *foreign_run(struct scan *scan, const unsigned char *at)
{
    do {
        size_t const step = utf8_step(at, (size_t)(scan->end - at));
        if (step == 0) {
            scan->at = at;
            return NULL;
        }
        at += step;
    } while (at < scan->end && *at >= 0x80);
    return at;
}

/* From an opening quote to behind the closing one. */
static inline bool scan_string(struct scan *scan, bool *escaped)
{
    const unsigned char *at = scan->at + 1;
    for (;;) {
        at = json_plain_end(at, scan->end);
        if (at == scan->end) {
            scan->at = at;
            return fail(scan, "the text ends inside a string");
        }
        if (*at == '"') {
            scan->at = at + 1;
            return true;
        }
        scan->at = at;
        if (*at == '\\') {
            *escaped = true;
            at = escape(at, scan->end);
            if (!at)
                return fail(scan, "an escape is not valid");
        } else if (*at >= 0x80) {
            at = foreign_run(scan, at);
            if (!at)
                return fail(scan, "a string is not UTF-8");
        } else {
            return fail(scan, "a control character stands in a string");
        }
    }
}

static inline bool is_digit(const struct scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

/* One digit or more. */
static inline bool scan_digits(struct scan *scan)
{
    if (!is_digit(scan))
        return false;
    do
        scan->at++;
    while (is_digit(scan));
    return true;
}

static enum next scan_number(struct scan *scan)
{
    if (*scan->at == '-')
        scan->at++;
    if (byte_is(scan, '0'))
        scan->at++; /* nothing follows a leading zero: the next digit is a foreign byte */
    else if (!scan_digits(scan))
        return bad(scan, "a number has no digits");
    if (byte_is(scan, '.')) {
        scan->at++;
        if (!scan_digits(scan))
            return bad(scan, "a fraction has no digits");
    }
    if (byte_is(scan, 'e') || byte_is(scan, 'E')) {
        scan->at++;
        if (byte_is(scan, '+') || byte_is(scan, '-'))
            scan->at++;
        if (!scan_digits(scan))
            return bad(scan, "an exponent has no digits");
    }
    return NEXT_AFTER;
}

static enum next scan_word(struct scan *scan, struct str word)
{
    if ((size_t)(scan->end - scan->at) < word.len || memcmp(scan->at, word.ptr, word.len) != 0)
        return bad(scan, "a value is none of JSON's");
    scan->at += word.len;
    return NEXT_AFTER;
}

static inline bool in_object(const struct scan *scan)
{
    unsigned const level = scan->depth - 1;
    return scan->objects[level / 64] >> level % 64 & 1;
}

static inline bool collecting(const struct scan *scan)
{
    return scan->depth == 1 && scan->object;
}

static bool member_open(struct scan *scan, struct str key, bool escaped)
{
    struct json_object *object = scan->object;
    if (object->count == JSON_TOP_MEMBERS_MAX) {
        scan->err = ERR_TOO_LARGE;
        scan->problem = "an object has too many members";
        return false;
    }
    struct json_member *member = &object->members[object->count++];
    member->key = key;
    member->value = str_make((const char *)scan->at, 0);
    member->key_escaped = escaped;
    return true;
}

/* "key" : - and up to the first byte of the value. */
static inline enum next scan_key(struct scan *scan)
{
    bool escaped = false;
    if (!byte_is(scan, '"'))
        return bad(scan, "a member needs a name in quotes");
    const unsigned char *const name = scan->at + 1;
    if (!scan_string(scan, &escaped))
        return NEXT_BAD;
    struct str const key = str_make((const char *)name, (size_t)(scan->at - 1 - name));
    skip_space(scan);
    if (!byte_is(scan, ':'))
        return bad(scan, "a colon is missing");
    scan->at++;
    skip_space(scan);
    if (collecting(scan) && !member_open(scan, key, escaped))
        return NEXT_BAD;
    return NEXT_VALUE;
}

static enum next open_container(struct scan *scan, bool object)
{
    if (scan->depth == JSON_DEPTH_MAX)
        return bad(scan, "nested too deeply");
    uint64_t const bit = (uint64_t)1 << scan->depth % 64;
    uint64_t *const word = &scan->objects[scan->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    scan->depth++;
    scan->at++;
    skip_space(scan);
    if (byte_is(scan, object ? '}' : ']')) {
        scan->at++;
        scan->depth--;
        return NEXT_AFTER;
    }
    return object ? scan_key(scan) : NEXT_VALUE;
}

static inline enum next scan_value(struct scan *scan)
{
    bool escaped;
    if (scan->at == scan->end)
        return bad(scan, "the text ends where a value should be");
    switch (*scan->at) {
    case '"':
        return scan_string(scan, &escaped) ? NEXT_AFTER : NEXT_BAD;
    case '{':
        return open_container(scan, true);
    case '[':
        return open_container(scan, false);
    case 't':
        return scan_word(scan, STR("true"));
    case 'f':
        return scan_word(scan, STR("false"));
    case 'n':
        return scan_word(scan, STR("null"));
    default:
        if (*scan->at == '-' || is_digit(scan))
            return scan_number(scan);
        return bad(scan, "a value is none of JSON's");
    }
}

/* Behind a value: the next one of its container, or the end of one container or more. */
static inline enum next scan_after(struct scan *scan)
{
    while (scan->depth > 0) {
        if (collecting(scan)) {
            struct json_member *last = &scan->object->members[scan->object->count - 1];
            last->value.len = (size_t)((const char *)scan->at - last->value.ptr);
        }
        skip_space(scan);
        bool const object = in_object(scan);
        if (byte_is(scan, ',')) {
            scan->at++;
            skip_space(scan);
            return object ? scan_key(scan) : NEXT_VALUE;
        }
        if (!byte_is(scan, object ? '}' : ']'))
            return bad(scan, "a comma or a closing bracket is missing");
        scan->at++;
        scan->depth--;
    }
    return NEXT_DONE;
}

static enum next scan_document(struct scan *scan)
{
    enum next next = NEXT_VALUE;
    while (next == NEXT_VALUE || next == NEXT_AFTER)
        next = next == NEXT_VALUE ? scan_value(scan) : scan_after(scan);
    return next;
}

enum err json_scan(struct str text, struct json_object *object, struct fault *fault)
{
    if (object) {
        object->count = 0;
        object->text = (struct str){0};
    }
    if (text.len == 0)
        return fault_set(fault, ERR_JSON_INVALID, "byte 0: the text is empty");
    const unsigned char *const start = (const unsigned char *)text.ptr;
    struct scan scan = {.at = start, .end = start + text.len, .start = start};
    skip_space(&scan);
    const unsigned char *const first = scan.at;
    bool const collect = object && byte_is(&scan, '{');
    scan.object = collect ? object : NULL;
    enum next next = scan_document(&scan);
    const unsigned char *const last = scan.at;
    if (next == NEXT_DONE) {
        skip_space(&scan);
        if (scan.at != scan.end)
            next = bad(&scan, "something follows the value");
    }
    if (next == NEXT_BAD) {
        if (object)
            object->count = 0;
        return fault_set(fault, scan.err, "byte %zu: %s", (size_t)(scan.at - scan.start),
                         scan.problem);
    }
    if (collect)
        object->text = str_make((const char *)first, (size_t)(last - first));
    return ERR_OK;
}
