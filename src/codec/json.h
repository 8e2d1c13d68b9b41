/* json.h - strict JSON without a tree: validate once, look at members in place.
 *
 * What:  json_scan validates the whole text (RFC 8259, UTF-8, no lone surrogates, no duplicates of
 *        the keys one asks for, depth <= JSON_DEPTH_MAX) and gives the members of the top-level
 *        object as spans of the text, so that unknown fields can be forwarded byte for byte.
 * Not:   a document tree, writing (json_write.h).
 */
#pragma once
#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

struct json_member {
    struct str key;   /* between the quotes, escapes as they stand */
    struct str value; /* the raw value: from its first to its last byte */
    bool key_escaped; /* key contains a backslash */
};

struct json_object {
    size_t count;
    struct str text; /* from { to } */
    struct json_member members[JSON_TOP_MEMBERS_MAX];
};

/* Validates all of `text`. A top-level object's members go to `object` (count 0 for other values;
 * object->text is empty then). `object` may be NULL. ERR_JSON_INVALID with the byte offset in
 * fault->detail; ERR_TOO_LARGE for more than JSON_TOP_MEMBERS_MAX members (with `object` only).
 * Neither leaves members behind. */
NODISCARD enum err json_scan(struct str text, struct json_object *object, struct fault *fault);

/* The same for one value that json_scan has already accepted (a member's value); no UTF-8 check. */
NODISCARD enum err json_members(struct str value, struct json_object *object, struct fault *fault);

/* The member named `key` (decoded names are compared: "\u006dodel" is "model").
 * ERR_OK with found->value.ptr NULL when absent; ERR_JSON_INVALID when it is there twice. */
NODISCARD enum err json_find(const struct json_object *object, struct str key,
                             struct json_member *found, struct fault *fault);
/* The value named `key`, or an empty span (ptr NULL); the first of duplicates. For provider
 * answers, where a duplicate is not worth failing. */
struct str json_get(const struct json_object *object, struct str key);

enum json_type {
    JSON_NONE,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};
/* By the first byte; JSON_NONE for an empty span. */
enum json_type json_type(struct str value);

/* An integer literal in range (no fraction, no exponent; "1.0" and "1e2" are refused; "-0" is 0).
 */
bool json_i64(struct str value, int64_t *number);
bool json_is_true(struct str value);
/* Text of a string value, decoded to `out` (at most out_size bytes).
 * False: not a string or it does not fit. */
bool json_text(struct str value, char *out, size_t out_size, size_t *len);
/* The text between the quotes when it has no escapes (zero copy); false otherwise. */
bool json_plain_text(struct str value, struct str *text);
/* Length in bytes of a string value's decoded text, without decoding; 0 for other types. */
size_t json_text_len(struct str value);

/* Is it an array with at least one element? Looks no further than that. */
bool json_has_element(struct str array);
/* Walks the elements of an array value: start with *at = 0; false at the end. */
bool json_next(struct str array, size_t *at, struct str *element);
/* The same, and the element's members with it, in one pass: none for another value, nor for an
 * object of more than JSON_TOP_MEMBERS_MAX (element is all of it just the same). */
bool json_next_object(struct str array, size_t *at, struct str *element,
                      struct json_object *object);
