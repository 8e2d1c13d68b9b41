/* config.h - cota.yaml as a struct: read strictly, every mistake reported with its place.
 *
 * What:  the structs that options.def fills, and the reader.
 * Not:   putting it into force (apply.h), the files and variables it points to (struct
 * config_door). Why:   a configuration that is silently half understood costs money; so an unknown
 * key, a wrong type, a name without its owner, or a YAML trick (alias, tag, merge) is an error.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "core/money.h"
#include "core/usage.h"

/* First member of everything that stands in a list. */
struct config_item {
    struct config_item *next;
    unsigned line, column;
};
struct config_list {
    struct config_item *first, *last;
    size_t count;
};
static inline void *config_first(const struct config_list *list)
{
    return list->first;
}
static inline void *config_next(const void *item)
{
    return ((const struct config_item *)item)->next;
}

struct config_text {
    struct config_item item;
    struct str text;
};

struct config_tls {
    struct str cert, key;
};
struct config_log {
    int level; /* enum log_level */
};
struct config_disconnect {
    int64_t drain_ms;
};
struct config_claims {
    struct str customer, user, profile, groups;
};
struct config_jwt {
    struct str secret, public_key_file, jwks_file, jwks_url, jwks_ca_file;
    bool jwks_inside;
    struct str issuer, audience, customer;
    int64_t skew_seconds, age_max_seconds;
    struct config_claims claims;
};
struct config_timeouts {
    int64_t connect_ms, first_byte_ms, idle_ms, total_ms;
};
struct config_price {
    int64_t pico[POOL_COUNT]; /* PRICE_UNKNOWN: not given */
};

struct config_provider {
    struct config_item item;
    struct str name, base_url, api_key, ca_file;
    int dialect;          /* enum dialect of the gateway: openai, simulated */
    int output_cap_field; /* max_completion_tokens, max_tokens */
    struct config_timeouts timeouts;
};

struct config_model {
    struct config_item item;
    struct str name, provider, model;
    int64_t max_output_tokens, context_tokens, image_tokens_max;
    bool price_unchecked;
    struct config_price price;
};

struct config_key {
    struct config_item item;
    struct str name, secret;
    int64_t requests_per_minute, tokens_per_minute, concurrent; /* 0: no limit */
    int64_t expires_at;                                         /* wall us; 0: never */
};

struct config_customer {
    struct config_item item;
    struct str id;
    struct money credit_usd, overdraft_usd;
    bool unlimited;
    int64_t requests_per_minute, tokens_per_minute, concurrent; /* 0: no limit */
    struct config_list keys;                                    /* struct config_key */
};

enum config_durability { DURABILITY_GROUP, DURABILITY_STRICT };

struct config {
    struct str listen, data_dir, admin_token, expiry_notice_days, assistant_model;
    int64_t workers; /* 0: auto */
    int store, durability;
    struct config_list encryption_keys; /* struct config_text */
    int64_t drain_timeout_ms, body_bytes_max;
    struct config_tls tls;
    struct config_log log;
    struct config_disconnect on_disconnect;
    struct config_jwt jwt;
    struct config_list providers, models, customers;
};

/* Where ${env:…} and ${file:…} come from; tests and the fuzzer bring their own. */
struct config_door {
    void *owner;
    /* NULL: not set. */
    const char *(*variable)(void *owner, const char *name);
    /* The text of a file, into the arena. A reason in *why when it cannot be read. */
    bool (*file)(void *owner, const char *path, struct arena *arena, struct str *text,
                 const char **why);
};
/* The machine's environment and files; static. */
const struct config_door *config_door_system(void);

enum {
    CONFIG_PROBLEMS_MAX = 64,
    CONFIG_ARENA_BYTES = 128 << 20,
    CONFIG_EXPANSION_BYTES_MAX = 64 << 10
};

struct config_problem {
    unsigned line, column; /* from 1; 0: of the file as a whole */
    struct str text;       /* without the place */
};
/* Sorted by place. `more`: there were more than fit. */
struct config_report {
    size_t count;
    bool more;
    struct config_problem problems[CONFIG_PROBLEMS_MAX];
};

/* All views of *config live in the arena. ERR_CONFIG_INVALID: the report says what is wrong, all of
 * it; ERR_NO_MEMORY. */
NODISCARD enum err config_parse(struct str text, const struct config_door *door,
                                struct arena *arena, struct config **config,
                                struct config_report *report);
/* The same for a file; an unreadable one is a problem too. `path` NULL: the defaults. */
NODISCARD enum err config_load(const char *path, struct arena *arena, struct config **config,
                               struct config_report *report);
/* "file:line:column: text" per problem. */
NODISCARD enum err config_report_print(const struct config_report *report, struct str file,
                                       struct buf *out);
