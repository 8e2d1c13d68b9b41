/* json_write.h - writes JSON into a buf; commas and escapes are its business.
 *
 * What:  a writer that cannot produce invalid JSON: text is escaped and invalid UTF-8 replaced.
 *        Errors are sticky: look once, at json_write_end. Calls in a wrong order (a value without
 *        its key, a bracket that does not match, two values at the top) are ours: MUST.
 */
#pragma once
#include "base/buf.h"
#include "base/limits.h"

struct json_writer {
    struct buf *out;
    enum err err;
    unsigned depth;
    bool comma; /* the next value needs one before it */
    bool after_key;
    uint64_t objects[JSON_DEPTH_MAX / 64]; /* bit set: the container at that depth is an object */
};

void json_write_start(struct json_writer *writer, struct buf *out);
void json_object_open(struct json_writer *writer);
void json_object_close(struct json_writer *writer);
void json_array_open(struct json_writer *writer);
void json_array_close(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
void json_put_text(struct json_writer *writer, struct str text);
void json_put_i64(struct json_writer *writer, int64_t number);
void json_put_bool(struct json_writer *writer, bool value);
void json_put_null(struct json_writer *writer);
/* Trusted JSON as it is; an empty span (an absent member) is written as null. */
void json_put_raw(struct json_writer *writer, struct str json);
/* value / 10^scale as a decimal number without trailing zeros: (1500, 3) -> 1.5. scale <= 18 */
void json_put_decimal(struct json_writer *writer, int64_t value, unsigned scale);
/* key + value in one line */
void json_pair_text(struct json_writer *writer, const char *key, struct str text);
void json_pair_i64(struct json_writer *writer, const char *key, int64_t number);
void json_pair_bool(struct json_writer *writer, const char *key, bool value);
void json_pair_decimal(struct json_writer *writer, const char *key, int64_t value, unsigned scale);
/* ERR_OK, ERR_TOO_LARGE or ERR_NO_MEMORY: the first that happened. MUST be balanced.
 * After an error `out` holds a part that is not JSON. */
NODISCARD enum err json_write_end(struct json_writer *writer);
