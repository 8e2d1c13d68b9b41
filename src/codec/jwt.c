/* jwt.c - a token taken apart, its signature, its claims: in that order.
 *
 * Why:   nothing of the claims is looked at before a key has vouched for them. Of the head, which
 *        nobody has vouched for yet, only the choice among our own keys is taken.
 */
#include "base/secret.h"
#include "codec/base64.h"
#include "codec/jwt_int.h"
#include <openssl/err.h>

enum { DER_BYTES_MAX = 2 + 2 * (2 + 1 + JWT_COORDINATE_BYTES) };

/* A token as it stands: three parts in base64url, and what the signature is made over. */
struct parts {
    struct str head, claims, signature, signed_part;
};

struct head {
    enum jwt_algorithm algorithm;
    struct str key_id; /* empty: none */
};

/* Who asks, where text goes, where reasons go. */
struct reader {
    struct arena *arena;
    struct fault *fault;
};

static enum err refuse(const struct reader *reader, const char *what, const char *reason)
{
    return fault_set(reader->fault, ERR_TOKEN_INVALID, "%s %s", what, reason);
}

static enum err no_memory(const struct reader *reader)
{
    ERR_clear_error();
    return fault_set(reader->fault, ERR_NO_MEMORY, "a token");
}

/* Exactly three parts, none of them empty. */
static bool split(struct str token, struct parts *parts)
{
    size_t const first = str_find(token, STR("."));
    struct str const rest = str_skip(token, first + 1);
    size_t const second = str_find(rest, STR("."));
    parts->head = str_make(token.ptr, first);
    parts->claims = str_make(rest.ptr, second);
    parts->signature = str_skip(rest, second + 1);
    parts->signed_part = str_make(token.ptr, first + 1 + second);
    return first > 0 && second > 0 && second < rest.len && parts->signature.len > 0 &&
           !memchr(parts->signature.ptr, '.', parts->signature.len);
}

/* Decodes a part and looks at it as a JSON object; the text is in the arena. */
static enum err read_object(const struct reader *reader, struct str part, const char *what,
                            struct json_object *object)
{
    size_t const size = part.len / 4 * 3 + 2;
    struct fault why = {0};
    struct str text = {0};
    char *const bytes = arena_alloc(reader->arena, size);
    if (!bytes)
        return no_memory(reader);
    if (!base64_decode(part, BASE64_URL, false, bytes, size, &text.len))
        return refuse(reader, what, "is not base64url without padding");
    text.ptr = bytes;
    if (json_scan(text, object, &why) != ERR_OK)
        return fault_set(reader->fault, ERR_TOKEN_INVALID, "%s: %s", what, why.detail);
    if (!object->text.ptr)
        return refuse(reader, what, "is not an object");
    return ERR_OK;
}

/* A string's text, decoded to the arena when it has escapes. */
static enum err text_of(const struct reader *reader, struct str value, const char *name,
                        struct str *text)
{
    if (json_type(value) != JSON_STRING)
        return refuse(reader, name, "is not a text");
    if (json_plain_text(value, text))
        return ERR_OK;
    size_t const size = json_text_len(value);
    char *const bytes = arena_alloc(reader->arena, size);
    if (!bytes)
        return no_memory(reader);
    if (!json_text(value, bytes, size, &text->len))
        return refuse(reader, name, "is not a text");
    text->ptr = bytes;
    return ERR_OK;
}

/* The value of a member; ptr NULL: absent. There twice is refused. */
static enum err value_of(const struct reader *reader, const struct json_object *object,
                         const char *name, struct str *value)
{
    struct json_member found;
    struct fault ignored = {0};
    if (json_find(object, str_of(name), &found, &ignored) != ERR_OK)
        return refuse(reader, name, "is there twice");
    *value = found.value;
    return ERR_OK;
}

static bool algorithm_of(struct str name, enum jwt_algorithm *algorithm)
{
    for (size_t i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        *algorithm = (enum jwt_algorithm)i;
        if (str_eq(name, str_of(jwt_algorithm_name(*algorithm))))
            return true;
    }
    return false;
}

/* RFC 7515 4.1.11 and RFC 7797: extensions that must be understood; we know none. */
static enum err check_extensions(const struct reader *reader, const struct json_object *object)
{
    struct str critical = {0}, encoded = {0};
    enum err err = value_of(reader, object, "crit", &critical);
    if (err == ERR_OK)
        err = value_of(reader, object, "b64", &encoded);
    if (err == ERR_OK && (critical.ptr || (encoded.ptr && !json_is_true(encoded))))
        err = refuse(reader, "the head", "asks for extensions");
    return err;
}

static enum err read_head(const struct reader *reader, const struct json_object *object,
                          struct head *head)
{
    struct str algorithm = {0}, name = {0}, id = {0};
    enum err err = check_extensions(reader, object);
    if (err == ERR_OK)
        err = value_of(reader, object, "alg", &algorithm);
    if (err == ERR_OK)
        err = text_of(reader, algorithm, "alg", &name);
    if (err == ERR_OK && !algorithm_of(name, &head->algorithm))
        err = refuse(reader, "alg", "is none of HS256, RS256, ES256 and EdDSA");
    if (err == ERR_OK)
        err = value_of(reader, object, "kid", &id);
    if (err == ERR_OK && id.ptr)
        err = text_of(reader, id, "kid", &head->key_id);
    return err;
}

/* A coordinate as an ASN.1 INTEGER: no leading zeros but the one that keeps it positive. */
static size_t der_integer(const unsigned char *number, unsigned char *out)
{
    size_t at = 0;
    while (at < JWT_COORDINATE_BYTES - 1 && number[at] == 0)
        at++;
    size_t const pad = number[at] >> 7, len = JWT_COORDINATE_BYTES - at;
    out[0] = 0x02;
    out[1] = (unsigned char)(len + pad);
    out[2] = 0;
    memcpy(out + 2 + pad, number + at, len);
    return 2 + pad + len;
}

/* r and s, one behind the other, as the SEQUENCE that OpenSSL reads. */
static size_t der_signature(const unsigned char *raw, unsigned char out[DER_BYTES_MAX])
{
    size_t const r_len = der_integer(raw, out + 2);
    size_t const s_len = der_integer(raw + JWT_COORDINATE_BYTES, out + 2 + r_len);
    out[0] = 0x30;
    out[1] = (unsigned char)(r_len + s_len);
    return 2 + r_len + s_len;
}

/* ERR_TOKEN_INVALID: not by this secret. */
static enum err verify_secret(const struct jwt_key *key, struct str text, struct str signature)
{
    unsigned char mac[32];
    size_t len = 0;
    EVP_MAC_CTX *const context = EVP_MAC_CTX_dup(key->mac);
    bool const made = context &&
                      EVP_MAC_update(context, (const unsigned char *)text.ptr, text.len) == 1 &&
                      EVP_MAC_final(context, mac, &len, sizeof mac) == 1;
    EVP_MAC_CTX_free(context);
    if (!made)
        return ERR_NO_MEMORY;
    bool const same = secret_equal(str_make((const char *)mac, len), signature);
    secret_zero(mac, sizeof mac); /* the right signature of a text that somebody else chose */
    return same ? ERR_OK : ERR_TOKEN_INVALID;
}

/* ERR_TOKEN_INVALID: not by the owner of this key. */
static enum err verify_public(const struct jwt_key *key, struct str text, struct str signature)
{
    unsigned char der[DER_BYTES_MAX];
    const unsigned char *bytes = (const unsigned char *)signature.ptr;
    size_t len = signature.len;
    if (key->algorithm == JWT_ES256) {
        len = der_signature(bytes, der);
        bytes = der;
    }
    EVP_MD_CTX *const context = EVP_MD_CTX_new();
    if (!context || EVP_MD_CTX_copy_ex(context, key->verifier) != 1) {
        EVP_MD_CTX_free(context);
        return ERR_NO_MEMORY;
    }
    int const verdict =
        EVP_DigestVerify(context, bytes, len, (const unsigned char *)text.ptr, text.len);
    EVP_MD_CTX_free(context);
    if (verdict != 1)
        ERR_clear_error(); /* the queue belongs to the thread: TLS must not find this in it */
    return verdict == 1 ? ERR_OK : ERR_TOKEN_INVALID;
}

static bool key_fits(const struct jwt_key *key, const struct head *head)
{
    return key->algorithm == head->algorithm &&
           (str_empty(key->id) || str_empty(head->key_id) || str_eq(key->id, head->key_id));
}

static enum err check_signature(const struct reader *reader, const struct jwt_keys *keys,
                                const struct head *head, const struct parts *parts)
{
    char bytes[JWT_SIGNATURE_BYTES_MAX];
    struct str signature = {bytes, 0};
    bool known = false;
    enum err err = ERR_TOKEN_INVALID;
    if (!base64_decode(parts->signature, BASE64_URL, false, bytes, sizeof bytes, &signature.len))
        return refuse(reader, "the signature", "is not base64url without padding, or too long");
    for (size_t i = 0; i < keys->count && err == ERR_TOKEN_INVALID; i++) {
        const struct jwt_key *const key = &keys->keys[i];
        if (!key_fits(key, head))
            continue;
        known = true;
        if (signature.len == key->signature_bytes)
            err = key->mac ? verify_secret(key, parts->signed_part, signature)
                           : verify_public(key, parts->signed_part, signature);
    }
    if (err == ERR_OK)
        return ERR_OK;
    if (err == ERR_NO_MEMORY)
        return no_memory(reader);
    return known ? refuse(reader, "the signature", "is not by one of our keys")
                 : refuse(reader, "the head", "names a key or an algorithm that we have no key of");
}

bool jwt_key_missing(const struct jwt_keys *keys, struct str token, struct arena *arena)
{
    struct parts parts;
    struct json_object object;
    struct head head = {0};
    struct fault ignored = {0};
    struct reader const reader = {arena, &ignored};
    if (token.len > JWT_BYTES_MAX || !split(token, &parts) ||
        read_object(&reader, parts.head, "the head", &object) != ERR_OK ||
        read_head(&reader, &object, &head) != ERR_OK || head.algorithm == JWT_HS256)
        return false;
    for (size_t i = 0; i < keys->count; i++)
        if (keys->keys[i].algorithm == head.algorithm && str_eq(keys->keys[i].id, head.key_id))
            return false;
    for (size_t i = 0; i < keys->count && str_empty(head.key_id); i++)
        if (keys->keys[i].algorithm == head.algorithm)
            return false;
    return true;
}

/* RFC 7519 4: names are unique. Every name counts: who uses a claim later need not ask again. */
static enum err check_names(const struct reader *reader, const struct json_object *object)
{
    for (size_t i = 0; i < object->count; i++) {
        struct str const key = object->members[i].key;
        struct str const quoted = str_make(key.ptr - 1, key.len + 2);
        struct json_member found;
        struct fault ignored = {0};
        struct str name = key;
        enum err const err =
            object->members[i].key_escaped ? text_of(reader, quoted, "a name", &name) : ERR_OK;
        if (err != ERR_OK)
            return err;
        if (json_find(object, name, &found, &ignored) != ERR_OK)
            return refuse(reader, "a claim", "is there twice");
    }
    return ERR_OK;
}

/* What stands behind "e" of a number, no further from zero than a token has digits. */
static int64_t exponent_of(struct str text)
{
    bool const negative = text.len > 0 && text.ptr[0] == '-';
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= '0' && text.ptr[i] <= '9')
            value = value * 10 + (text.ptr[i] - '0');
        if (value > JWT_BYTES_MAX)
            value = JWT_BYTES_MAX;
    }
    return negative ? -value : value;
}

/* "1760000100.5" and "1.7600001005e9" without a float: digits before the point, wherever it moves
 * to, are the value; a digit behind it only says whether there was one. */
static bool floor_digits(struct str digits, int64_t whole, int64_t *value, bool *fraction)
{
    int64_t place = 0;
    *value = 0;
    *fraction = false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] == '.')
            continue;
        int64_t const digit = digits.ptr[i] - '0';
        if (place++ >= whole)
            *fraction = *fraction || digit != 0;
        else if (__builtin_mul_overflow(*value, (int64_t)10, value) ||
                 __builtin_add_overflow(*value, digit, value))
            return false;
    }
    for (; place < whole && *value != 0; place++)
        if (__builtin_mul_overflow(*value, (int64_t)10, value))
            return false;
    return true;
}

/* A JSON number, rounded down. False: another type, or out of range. */
static bool floor_of(struct str value, int64_t *number)
{
    bool fraction;
    if (json_i64(value, number))
        return true;
    if (json_type(value) != JSON_NUMBER)
        return false;
    bool const negative = value.ptr[0] == '-';
    struct str digits = str_skip(value, negative ? 1 : 0);
    size_t e = str_find(digits, STR("e"));
    if (e == digits.len)
        e = str_find(digits, STR("E"));
    int64_t const exponent = exponent_of(str_skip(digits, e + 1));
    digits.len = e;
    int64_t const point = (int64_t)str_find(digits, STR("."));
    if (!floor_digits(digits, point + exponent, number, &fraction))
        return false;
    if (negative)
        *number = -*number - (fraction ? 1 : 0);
    return true;
}

/* A + b, or the end of time. */
static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t minus(int64_t a, int64_t b)
{
    int64_t difference;
    if (!__builtin_sub_overflow(a, b, &difference))
        return difference;
    return b < 0 ? INT64_MAX : INT64_MIN;
}

/* A NumericDate; `there` says whether it is. */
static enum err time_of(const struct reader *reader, const struct json_object *object,
                        const char *name, int64_t *time_s, bool *there)
{
    struct str value = {0};
    enum err const err = value_of(reader, object, name, &value);
    if (err != ERR_OK)
        return err;
    *there = value.ptr != NULL;
    if (*there && !floor_of(value, time_s))
        return refuse(reader, name, "is not a time");
    return ERR_OK;
}

static enum err expired(const struct reader *reader, const char *why)
{
    return fault_set(reader->fault, ERR_KEY_EXPIRED, "%s", why);
}

static enum err check_expiry(const struct reader *reader, const struct jwt_rules *rules,
                             int64_t now_s, struct jwt_claims *claims)
{
    bool there = false;
    int64_t time_s = 0;
    enum err const err = time_of(reader, claims->object, "exp", &time_s, &there);
    if (err != ERR_OK)
        return err;
    if (!there)
        return rules->needs_expiry ? refuse(reader, "exp", "is missing") : ERR_OK;
    if (time_s <= minus(now_s, rules->skew_s))
        return expired(reader, "the token has expired");
    claims->expires_s = time_s;
    return ERR_OK;
}

static enum err check_age(const struct reader *reader, const struct jwt_rules *rules, int64_t now_s,
                          struct jwt_claims *claims)
{
    bool there = false;
    int64_t time_s = 0;
    enum err const err = time_of(reader, claims->object, "iat", &time_s, &there);
    if (err != ERR_OK)
        return err;
    if (there && time_s > plus(now_s, rules->skew_s))
        return refuse(reader, "iat", "is in the future");
    if (rules->age_max_s <= 0)
        return ERR_OK;
    if (!there)
        return refuse(reader, "iat", "is missing");
    int64_t const last_s = plus(time_s, rules->age_max_s);
    if (last_s < minus(now_s, rules->skew_s))
        return expired(reader, "the token is too old");
    if (claims->expires_s == 0 || last_s < claims->expires_s)
        claims->expires_s = last_s;
    return ERR_OK;
}

static enum err check_start(const struct reader *reader, const struct jwt_rules *rules,
                            int64_t now_s, const struct jwt_claims *claims)
{
    bool there = false;
    int64_t time_s = 0;
    enum err const err = time_of(reader, claims->object, "nbf", &time_s, &there);
    if (err == ERR_OK && there && time_s > plus(now_s, rules->skew_s))
        return refuse(reader, "nbf", "is in the future");
    return err;
}

static enum err check_issuer(const struct reader *reader, const struct jwt_rules *rules,
                             const struct jwt_claims *claims)
{
    struct str value = {0}, issuer = {0};
    if (str_empty(rules->issuer))
        return ERR_OK;
    enum err err = value_of(reader, claims->object, "iss", &value);
    if (err == ERR_OK)
        err = text_of(reader, value, "iss", &issuer);
    if (err == ERR_OK && !str_eq(issuer, rules->issuer))
        err = refuse(reader, "iss", "is another one");
    return err;
}

static enum err check_audience(const struct reader *reader, const struct jwt_rules *rules,
                               const struct jwt_claims *claims)
{
    struct str value = {0}, audience = {0}, element;
    size_t at = 0;
    if (str_empty(rules->audience))
        return ERR_OK;
    enum err err = value_of(reader, claims->object, "aud", &value);
    if (err == ERR_OK && json_type(value) != JSON_ARRAY) {
        err = text_of(reader, value, "aud", &audience);
        if (err == ERR_OK && str_eq(audience, rules->audience))
            return ERR_OK;
    }
    while (err == ERR_OK && json_next(value, &at, &element)) {
        err = text_of(reader, element, "aud", &audience);
        if (err == ERR_OK && str_eq(audience, rules->audience))
            return ERR_OK;
    }
    return err == ERR_OK ? refuse(reader, "aud", "is another one") : err;
}

/* A name: there is something in it, and nothing that a terminal or a log line would obey. */
static enum err read_subject(const struct reader *reader, const struct jwt_rules *rules,
                             struct jwt_claims *claims)
{
    struct str value = {0};
    enum err err = value_of(reader, claims->object, "sub", &value);
    if (err == ERR_OK && !value.ptr)
        return rules->needs_subject ? refuse(reader, "sub", "is missing") : ERR_OK;
    if (err == ERR_OK)
        err = text_of(reader, value, "sub", &claims->subject);
    if (err == ERR_OK && str_empty(claims->subject))
        err = refuse(reader, "sub", "is empty");
    for (size_t i = 0; err == ERR_OK && i < claims->subject.len; i++) {
        unsigned char const byte = (unsigned char)claims->subject.ptr[i];
        if (byte < 0x20 || byte == 0x7f)
            err = refuse(reader, "sub", "has a control character");
    }
    return err;
}

static enum err check_claims(const struct reader *reader, const struct jwt_rules *rules,
                             int64_t now_s, struct jwt_claims *claims)
{
    enum err err = check_names(reader, claims->object);
    if (err == ERR_OK)
        err = check_issuer(reader, rules, claims);
    if (err == ERR_OK)
        err = check_audience(reader, rules, claims);
    if (err == ERR_OK)
        err = check_start(reader, rules, now_s, claims);
    if (err == ERR_OK)
        err = read_subject(reader, rules, claims);
    if (err == ERR_OK)
        err = check_expiry(reader, rules, now_s, claims);
    if (err == ERR_OK)
        err = check_age(reader, rules, now_s, claims);
    return err;
}

enum err jwt_verify(const struct jwt_keys *keys, const struct jwt_rules *rules, struct str token,
                    int64_t now_s, struct arena *arena, struct jwt_claims *claims,
                    struct fault *fault)
{
    struct reader const reader = {arena, fault};
    struct head head = {0};
    struct parts parts;
    *claims = (struct jwt_claims){0};
    if (token.len > JWT_BYTES_MAX)
        return refuse(&reader, "the token", "is too long");
    if (!split(token, &parts))
        return refuse(&reader, "the token", "has not three parts");
    struct json_object *const object = arena_alloc(arena, sizeof *object);
    if (!object)
        return no_memory(&reader);
    enum err err = read_object(&reader, parts.head, "the head", object);
    if (err == ERR_OK)
        err = read_head(&reader, object, &head);
    if (err == ERR_OK)
        err = check_signature(&reader, keys, &head, &parts);
    if (err == ERR_OK) /* the head has been used: its place is free */
        err = read_object(&reader, parts.claims, "the claims", object);
    claims->object = object;
    if (err == ERR_OK)
        err = check_claims(&reader, rules, now_s, claims);
    if (err != ERR_OK)
        *claims = (struct jwt_claims){0};
    return err;
}

/* The member with the longest name that `path` begins with; steps over it and its dot. A name may
 * have dots itself: claims of one's own are often called by an address. */
static struct str step(const struct json_object *object, struct str *path)
{
    struct json_member found;
    for (size_t len = path->len;; len--) {
        struct fault ignored = {0};
        bool const whole = len == path->len || (path->ptr[len] == '.' && len + 1 < path->len);
        if (whole && (json_find(object, str_make(path->ptr, len), &found, &ignored) != ERR_OK))
            return (struct str){0};
        if (whole && found.value.ptr) {
            *path = str_skip(*path, len + 1);
            return found.value;
        }
        if (len == 0)
            return (struct str){0};
    }
}

struct str jwt_claim(const struct jwt_claims *claims, struct str path, struct arena *arena)
{
    struct str const absent = {0};
    struct json_object *inner = NULL;
    if (!claims->object || str_empty(path))
        return absent;
    struct str value = step(claims->object, &path);
    while (value.ptr && !str_empty(path)) {
        struct fault ignored = {0};
        if (!inner)
            inner = arena_alloc(arena, sizeof *inner);
        if (!inner || json_members(value, inner, &ignored) != ERR_OK)
            return absent;
        value = step(inner, &path);
    }
    return value;
}
