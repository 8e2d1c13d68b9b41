/* verifier.c - signature and rules by codec/jwt.h, then claims by their paths. */
#include "gateway/verifier.h"
#include "base/must.h"
#include "codec/utf8.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { VERIFIER_ARENA_BYTES = 64 << 10 };

struct verifier {
    _Atomic int references;
    struct arena *arena; /* the texts */
    struct jwt_keys *keys;
    struct jwt_rules rules;
    struct str customer;
    struct verifier_claims claims;
    bool waits;
    void (*on_missing)(void *owner);
    void *owner;
};

/* --- its life -------------------------------------------------------------------------------- */
static enum err add_keys(struct jwt_keys *keys, const struct verifier_options *options,
                         struct fault *fault)
{
    struct fault why = {0};
    const char *source = "secret";
    enum err err = ERR_OK;
    if (!str_empty(options->secret))
        err = jwt_keys_add_secret(keys, STR(""), options->secret, &why);
    if (err == ERR_OK && !str_empty(options->pem)) {
        source = "public_key_file";
        err = jwt_keys_add_pem(keys, STR(""), options->pem, &why);
    }
    if (err == ERR_OK && !str_empty(options->jwks)) {
        source = "jwks_file";
        err = jwt_keys_add_jwks(keys, options->jwks, &why);
    }
    if (err == ERR_OK && !str_empty(options->fetched)) {
        source = "jwks_url";
        err = jwt_keys_add_jwks(keys, options->fetched, &why);
    }
    if (err != ERR_OK)
        return fault_set(fault, err == ERR_NO_MEMORY ? err : ERR_CONFIG_INVALID, "jwt.%s: %s",
                         source, why.detail);
    if (jwt_keys_count(keys) == 0 && !options->waits)
        return fault_set(fault, ERR_CONFIG_INVALID, "jwt has no key");
    return ERR_OK;
}

static bool keep_text(struct verifier *verifier, struct str *to, struct str from)
{
    *to = arena_copy(verifier->arena, from.ptr ? from : STR(""));
    return to->ptr != NULL;
}

static bool keep_texts(struct verifier *verifier, const struct verifier_options *options)
{
    struct verifier_claims *claims = &verifier->claims;
    return keep_text(verifier, &verifier->rules.issuer, options->issuer) &&
           keep_text(verifier, &verifier->rules.audience, options->audience) &&
           keep_text(verifier, &verifier->customer, options->customer) &&
           keep_text(verifier, &claims->customer, options->claims.customer) &&
           keep_text(verifier, &claims->user, options->claims.user) &&
           keep_text(verifier, &claims->profile, options->claims.profile) &&
           keep_text(verifier, &claims->groups, options->claims.groups);
}

static void verifier_free(struct verifier *verifier)
{
    jwt_keys_free(verifier->keys);
    arena_free(verifier->arena);
    free(verifier);
}

enum err verifier_new(const struct verifier_options *options, struct verifier **result,
                      struct fault *fault)
{
    *result = NULL;
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (!verifier)
        return fault_set(fault, ERR_NO_MEMORY, "the keys of jwt");
    verifier->references = 1;
    verifier->rules.skew_s = options->skew_s;
    verifier->rules.age_max_s = options->age_max_s;
    verifier->rules.needs_expiry = options->age_max_s == 0; /* every token ends some day */
    verifier->waits = options->waits;
    verifier->on_missing = options->on_missing;
    verifier->owner = options->owner;
    verifier->arena = arena_new(VERIFIER_ARENA_BYTES);
    verifier->keys = jwt_keys_new();
    enum err err = ERR_OK;
    if (!verifier->arena || !verifier->keys || !keep_texts(verifier, options))
        err = fault_set(fault, ERR_NO_MEMORY, "the keys of jwt");
    if (err == ERR_OK)
        err = add_keys(verifier->keys, options, fault);
    if (err == ERR_OK)
        *result = verifier;
    else
        verifier_free(verifier);
    return err;
}

struct verifier *verifier_ref(struct verifier *verifier)
{
    int const before = atomic_fetch_add(&verifier->references, 1);
    MUST(before > 0);
    return verifier;
}

void verifier_unref(struct verifier *verifier)
{
    if (verifier && atomic_fetch_sub(&verifier->references, 1) == 1)
        verifier_free(verifier);
}

/* --- claims ---------------------------------------------------------------------------------- */
bool is_context_text(struct str value)
{
    if (value.len == 0 || value.len > CONTEXT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f)
            return false;
    return utf8_valid(value);
}

/* A claim being read. */
struct reading {
    const struct jwt_claims *claims;
    struct arena *arena;
    struct fault *fault;
};

static enum err refuse(const struct reading *reading, const char *what, const char *reason)
{
    return fault_set(reading->fault, ERR_TOKEN_INVALID, "the claim of the %s %s", what, reason);
}

/* A text, or a whole number as it stands (ids often are); empty: absent or null. */
static enum err read_text(const struct reading *reading, struct str path, const char *what,
                          struct str *text)
{
    int64_t number;
    struct str const value = jwt_claim(reading->claims, path, reading->arena);
    enum json_type const type = json_type(value);
    *text = (struct str){0};
    if (type == JSON_NONE || type == JSON_NULL)
        return ERR_OK;
    if (type == JSON_NUMBER && json_i64(value, &number)) {
        *text = value;
        return ERR_OK;
    }
    if (type != JSON_STRING)
        return refuse(reading, what, "is neither a text nor a whole number");
    if (!json_plain_text(value, text)) {
        size_t const size = json_text_len(value);
        char *const bytes = arena_alloc(reading->arena, size + 1);
        if (!bytes)
            return fault_set(reading->fault, ERR_NO_MEMORY, "a claim");
        if (!json_text(value, bytes, size, &text->len))
            return refuse(reading, what, "is not a text");
        text->ptr = bytes;
    }
    return is_context_text(*text) ? ERR_OK : refuse(reading, what, "is not one line of 128 bytes");
}

/* A name that no header could say is left out: it can never be asked for. */
static void add_group(struct str value, char *out, size_t size, size_t *len)
{
    size_t got = 0;
    if (!json_text(value, out + *len, size - *len - 1, &got) ||
        !is_context_text(str_make(out + *len, got)))
        return;
    *len += got;
    out[(*len)++] = '\n';
}

/* One text, or a list of them. A decoded text with its line feed is shorter than the quoted one. */
static enum err read_groups(const struct reading *reading, struct str path, struct str *groups)
{
    struct str const value = jwt_claim(reading->claims, path, reading->arena);
    enum json_type const type = json_type(value);
    size_t at = 0;
    struct str element;
    *groups = (struct str){0};
    if (type == JSON_NONE || type == JSON_NULL)
        return ERR_OK;
    if (type != JSON_STRING && type != JSON_ARRAY)
        return refuse(reading, "groups", "is neither a text nor a list of texts");
    char *const bytes = arena_alloc(reading->arena, value.len + 1);
    if (!bytes)
        return fault_set(reading->fault, ERR_NO_MEMORY, "a claim");
    groups->ptr = bytes;
    if (type == JSON_STRING)
        add_group(value, bytes, value.len + 1, &groups->len);
    while (type == JSON_ARRAY && json_next(value, &at, &element)) {
        if (json_type(element) != JSON_STRING)
            return refuse(reading, "groups", "has something else than texts");
        add_group(element, bytes, value.len + 1, &groups->len);
    }
    return ERR_OK;
}

static enum err read_bearer(const struct verifier *verifier, const struct reading *reading,
                            struct bearer *bearer)
{
    const struct verifier_claims *paths = &verifier->claims;
    enum err err = ERR_OK;
    bearer->expires_s = reading->claims->expires_s;
    if (str_empty(verifier->customer))
        err = read_text(reading, paths->customer, "customer", &bearer->customer);
    else if (!(bearer->customer = arena_copy(reading->arena, verifier->customer)).ptr)
        err = fault_set(reading->fault, ERR_NO_MEMORY, "a claim");
    if (err == ERR_OK && str_empty(bearer->customer))
        err = refuse(reading, "customer", "is missing");
    if (err == ERR_OK)
        err = read_text(reading, paths->user, "user", &bearer->user);
    if (err == ERR_OK && str_empty(bearer->user)) /* limits per user would not see it */
        err = refuse(reading, "user", "is missing");
    if (err == ERR_OK)
        err = read_text(reading, paths->profile, "profile", &bearer->profile);
    if (err == ERR_OK)
        err = read_groups(reading, paths->groups, &bearer->groups);
    return err;
}

/* Another set may have the key; until there is one, nobody can say that the token is not good. */
static enum err look_for_key(const struct verifier *verifier, struct fault *fault)
{
    verifier->on_missing(verifier->owner);
    if (!verifier->waits)
        return ERR_TOKEN_INVALID;
    *fault = (struct fault){0}; /* the first cause is this one */
    return fault_set(fault, ERR_KEYS_UNAVAILABLE, "the keys of jwks_url have not been fetched yet");
}

enum err verifier_read(const struct verifier *verifier, struct str token, int64_t now_s,
                       struct arena *arena, struct bearer *bearer, struct fault *fault)
{
    struct jwt_claims claims;
    struct reading const reading = {&claims, arena, fault};
    *bearer = (struct bearer){0};
    enum err err =
        jwt_verify(verifier->keys, &verifier->rules, token, now_s, arena, &claims, fault);
    if (err == ERR_TOKEN_INVALID && verifier->on_missing != NULL &&
        jwt_key_missing(verifier->keys, token, arena))
        err = look_for_key(verifier, fault);
    if (err == ERR_OK)
        err = read_bearer(verifier, &reading, bearer);
    if (err != ERR_OK)
        *bearer = (struct bearer){0};
    return err;
}

bool bearer_in_group(const struct bearer *bearer, struct str group)
{
    for (struct str rest = bearer->groups; rest.len > 0;) {
        size_t const end = str_find(rest, STR("\n"));
        if (str_eq(str_make(rest.ptr, end), group))
            return true;
        rest = str_skip(rest, end + 1);
    }
    return false;
}

bool is_jwt(struct str credential)
{
    if (!str_starts(credential, STR("ey")))
        return false;
    size_t dots = 0;
    for (size_t i = 0; i < credential.len; i++)
        dots += credential.ptr[i] == '.';
    return dots == 2;
}
