/* chunked.c - see chunked.h.
 *
 *   SIZE -> (EXTENSION ->) SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE …
 *                             | size 0
 *                             v
 *                          TRAILER -> (NAME -> VALUE -> VALUE_LF -> TRAILER …) -> END_LF -> DONE
 */
#include "http/chunked.h"
#include "base/limits.h"
#include "base/must.h"
#include "http/head_check.h"

enum state {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    DONE,
    BAD,
};

enum { SIZE_DIGITS_MAX = 15 }; /* leading zeros included; far below 2^63 */

void chunked_init(struct chunked *chunked)
{
    *chunked = (struct chunked){.state = SIZE};
}

static enum state refuse(struct chunked *chunked, const char *reason)
{
    chunked->reason = reason;
    return BAD;
}

static int hex_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* Text of an extension or a value: no control bytes but the tab. */
static bool is_text(char byte)
{
    unsigned char const value = (unsigned char)byte;
    return value == '\t' || (value >= ' ' && value != 0x7f);
}

static enum state on_size(struct chunked *chunked, char byte)
{
    int const digit = hex_of(byte);
    if (digit >= 0) {
        if (++chunked->digits > SIZE_DIGITS_MAX)
            return refuse(chunked, "a chunk size is too long");
        chunked->left = chunked->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (chunked->digits == 0)
        return refuse(chunked, "a chunk has no size");
    if (byte == ';')
        return EXTENSION;
    return byte == '\r' ? SIZE_LF : refuse(chunked, "a chunk size is not a hexadecimal number");
}

static enum state on_extension(struct chunked *chunked, char byte)
{
    if (byte == '\r')
        return SIZE_LF;
    if (!is_text(byte))
        return refuse(chunked, "a chunk extension has a control byte");
    if (++chunked->extension_bytes > CHUNK_EXTENSION_BYTES_MAX)
        return refuse(chunked, "chunk extensions are too long");
    return EXTENSION;
}

static enum state on_size_end(struct chunked *chunked)
{
    chunked->announced += chunked->left;
    chunked->digits = 0;
    return chunked->left > 0 ? DATA : TRAILER;
}

static enum state on_trailer(struct chunked *chunked, char byte)
{
    if (byte == '\r')
        return END_LF;
    if (!is_token_byte(byte))
        return refuse(chunked, "a trailer is not a header");
    if (++chunked->trailer_count > TRAILER_COUNT_MAX)
        return refuse(chunked, "too many trailers");
    chunked->name[0] = byte;
    chunked->name_len = 1;
    return NAME;
}

static enum state on_name(struct chunked *chunked, char byte)
{
    if (byte == ':') {
        bool const fits = chunked->name_len <= sizeof chunked->name;
        if (fits && trailer_is_forbidden(str_make(chunked->name, chunked->name_len)))
            return refuse(chunked, "a trailer may not frame, route or authenticate");
        return VALUE;
    }
    if (!is_token_byte(byte))
        return refuse(chunked, "a trailer's name is not a token");
    if (chunked->name_len < sizeof chunked->name)
        chunked->name[chunked->name_len] = byte;
    chunked->name_len++;
    return NAME;
}

static enum state on_value(struct chunked *chunked, char byte)
{
    if (byte == '\r')
        return VALUE_LF;
    return is_text(byte) ? VALUE : refuse(chunked, "a trailer's value has a control byte");
}

static enum state expect(struct chunked *chunked, char byte, char wanted, enum state next)
{
    return byte == wanted ? next
                          : refuse(chunked, "a line of the chunked body is not ended by CRLF");
}

/* One byte that is not data. */
static enum state on_byte(struct chunked *chunked, char byte)
{
    if (chunked->state >= TRAILER && ++chunked->trailer_bytes > TRAILER_BYTES_MAX)
        return refuse(chunked, "trailers are too long");
    switch ((enum state)chunked->state) {
    case SIZE:
        return on_size(chunked, byte);
    case EXTENSION:
        return on_extension(chunked, byte);
    case SIZE_LF:
        return byte == '\n' ? on_size_end(chunked) : expect(chunked, byte, '\n', DATA);
    case DATA_CR:
        return expect(chunked, byte, '\r', DATA_LF);
    case DATA_LF:
        return expect(chunked, byte, '\n', SIZE);
    case TRAILER:
        return on_trailer(chunked, byte);
    case NAME:
        return on_name(chunked, byte);
    case VALUE:
        return on_value(chunked, byte);
    case VALUE_LF:
        return expect(chunked, byte, '\n', TRAILER);
    case END_LF:
        return expect(chunked, byte, '\n', DONE);
    case DATA:
    case DONE:
    case BAD:
        break;
    }
    return BAD;
}

enum chunked_step chunked_next(struct chunked *chunked, struct str bytes, size_t *used,
                               struct str *data)
{
    MUST(chunked->state < DONE);
    for (size_t at = 0; at < bytes.len;) {
        if (chunked->state == DATA) {
            size_t const rest = bytes.len - at;
            size_t const taken = chunked->left < rest ? (size_t)chunked->left : rest;
            *data = str_make(bytes.ptr + at, taken);
            chunked->left -= taken;
            if (chunked->left == 0)
                chunked->state = DATA_CR;
            *used = at + taken;
            return CHUNKED_DATA;
        }
        chunked->state = (int)on_byte(chunked, bytes.ptr[at++]);
        *used = at;
        if (chunked->state == DONE)
            return CHUNKED_DONE;
        if (chunked->state == BAD)
            return CHUNKED_BAD;
    }
    *used = bytes.len;
    return CHUNKED_MORE;
}
