/* schema.h - is a JSON value what openapi.yaml says? Tables made from it by tools/api.py.
 *
 * What:  the part of JSON Schema that our API uses: type (also nullable), enum, const, bounds,
 *        lengths (in characters), required, unknown members refused, items, unique items, formats
 *        (they stand for patterns). The first mistake is reported with its path.
 * Not:   $ref at run time (tables point at tables), any other keyword.
 */
#pragma once
#include "base/err.h"
#include "codec/json.h"

enum {
    SCHEMA_DEPTH_MAX = 16,             /* values in values that a schema describes */
    SCHEMA_TEXT_BYTES_MAX = 1 << 10,   /* of a text with a format or a list of values */
    SCHEMA_UNIQUE_ITEMS_MAX = 1 << 10, /* of a list whose items must differ */
};

enum schema_type { /* bits: a value may be of several */
                   SCHEMA_NULL = 1,
                   SCHEMA_BOOLEAN = 2,
                   SCHEMA_INTEGER = 4,
                   SCHEMA_STRING = 8,
                   SCHEMA_ARRAY = 16,
                   SCHEMA_OBJECT = 32,
                   SCHEMA_NUMBER = 64, /* any JSON number; minimum and maximum are of integers */
                   SCHEMA_ANY = 127,
};
enum schema_format {
    SCHEMA_FORMAT_NONE,
    SCHEMA_FORMAT_INSTANT, /* RFC 3339 date-time */
    SCHEMA_FORMAT_DATE,    /* RFC 3339 full-date */
    SCHEMA_FORMAT_DECIMAL, /* "12.50": at most 9 digits before and after the point: fits nano */
    SCHEMA_FORMAT_NAME,    /* [a-z0-9][a-z0-9._-]{0,63} */
    SCHEMA_FORMAT_ID,      /* a ULID, or a name */
    SCHEMA_FORMAT_CIDR,    /* a network or an address */
    SCHEMA_FORMAT_EMAIL,
    SCHEMA_FORMAT_URL, /* http:// or https:// */
    SCHEMA_FORMAT_COUNT
};

struct schema;
struct schema_member {
    const char *name;
    const struct schema *schema;
    bool required, read_only, write_only;
};
struct schema {
    unsigned types; /* of enum schema_type */
    enum schema_format format;
    int64_t minimum, maximum;      /* integers; INT64_MIN, INT64_MAX: none */
    size_t length_min, length_max; /* characters, items or members; SIZE_MAX: none */
    const char *const *values;     /* enum of strings, ends with NULL; NULL: any */
    const struct schema *items;    /* of arrays */
    bool unique_items;
    const struct schema_member *members; /* ends with name NULL; NULL: any object */
    const struct schema *others;         /* schema of members that are not named; NULL: refused */
};

/* ERR_FIELD_INVALID: fault->param is the path ("limits[2].value"), detail says what is wrong.
 * Members marked read_only are refused when `writing`, write_only ones otherwise. A merge patch
 * (`partial`) need not have required members, at any level of objects, and null takes a member that
 * is not required away: check the merged document whole. A name that is there twice is refused in
 * every object that a schema describes; what a schema leaves open (SCHEMA_ANY) is not looked into.
 * Text was accepted by json_scan before. */
NODISCARD enum err schema_check(const struct schema *schema, struct str value, bool writing,
                                bool partial, struct fault *fault);
/* The same for a parameter of an address, decoded: "50" is an integer, "true" a boolean. */
NODISCARD enum err schema_check_text(const struct schema *schema, struct str text, const char *name,
                                     struct fault *fault);
const char *schema_format_name(enum schema_format format); /* as openapi.yaml says it */
