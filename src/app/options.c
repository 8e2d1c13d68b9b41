/* options.c - options.def and pools.def unrolled into one table. */
#include "app/options.h"
#include "app/config.h"

/* Which struct a section fills. */
typedef struct config type_FILE;
typedef struct config_tls type_TLS;
typedef struct config_log type_LOG;
typedef struct config_disconnect type_DISCONNECT;
typedef struct config_jwt type_JWT;
typedef struct config_claims type_CLAIMS;
typedef struct config_provider type_PROVIDER;
typedef struct config_timeouts type_TIMEOUTS;
typedef struct config_model type_MODEL;
typedef struct config_price type_PRICE;
typedef struct config_customer type_CUSTOMER;
typedef struct config_key type_KEY;

enum { NEED_OPTIONAL = false, NEED_REQUIRED = true };
/* One dollar per token: beyond any price, checked or not. */
#define PRICE_PICO_MAX INT64_C(1000000000000)

static const struct option options[] = {
#define OPTION(section, key, kind, need, fallback, least, most, choices, help)                     \
    {SECTION_##section,                                                                            \
     #key,                                                                                         \
     OPTION_##kind,                                                                                \
     NEED_##need,                                                                                  \
     fallback,                                                                                     \
     least,                                                                                        \
     most,                                                                                         \
     choices,                                                                                      \
     SECTION_##section,                                                                            \
     help,                                                                                         \
     offsetof(type_##section, key)},
#define SUB(section, key, kind, below, help)                                                       \
    {SECTION_##section,                                                                            \
     #key,                                                                                         \
     OPTION_##kind,                                                                                \
     false,                                                                                        \
     NULL,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     SECTION_##below,                                                                              \
     help,                                                                                         \
     offsetof(type_##section, key)},
#include "app/options.def"
#undef OPTION
#undef SUB
#define X(name, key, column, fallback)                                                             \
    {SECTION_PRICE,                                                                                \
     key,                                                                                          \
     OPTION_PRICE,                                                                                 \
     false,                                                                                        \
     NULL,                                                                                         \
     0,                                                                                            \
     PRICE_PICO_MAX,                                                                               \
     NULL,                                                                                         \
     SECTION_PRICE,                                                                                \
     "USD per 1M tokens; without it: " #fallback,                                                  \
     offsetof(type_PRICE, pico[POOL_##name])},
#include "core/pools.def"
#undef X
};

static const size_t bytes_of[SECTION_COUNT] = {
    [SECTION_FILE] = sizeof(type_FILE),         [SECTION_TLS] = sizeof(type_TLS),
    [SECTION_LOG] = sizeof(type_LOG),           [SECTION_DISCONNECT] = sizeof(type_DISCONNECT),
    [SECTION_JWT] = sizeof(type_JWT),           [SECTION_CLAIMS] = sizeof(type_CLAIMS),
    [SECTION_PROVIDER] = sizeof(type_PROVIDER), [SECTION_TIMEOUTS] = sizeof(type_TIMEOUTS),
    [SECTION_MODEL] = sizeof(type_MODEL),       [SECTION_PRICE] = sizeof(type_PRICE),
    [SECTION_CUSTOMER] = sizeof(type_CUSTOMER), [SECTION_KEY] = sizeof(type_KEY),
};

size_t option_count(void)
{
    return sizeof options / sizeof options[0];
}

const struct option *option_at(size_t index)
{
    return &options[index];
}

const struct option *option_find(enum section section, struct str key)
{
    for (size_t i = 0; i < option_count(); i++)
        if (options[i].section == section && str_eq(str_of(options[i].key), key))
            return &options[i];
    return NULL;
}

size_t section_bytes(enum section section)
{
    return bytes_of[section];
}

struct str choice_at(const char *choices, size_t index)
{
    struct str rest = str_of(choices);
    for (; index > 0 && rest.len > 0; index--)
        rest = str_skip(rest, str_find(rest, STR("|")) + 1);
    return str_make(rest.ptr, str_find(rest, STR("|")));
}
