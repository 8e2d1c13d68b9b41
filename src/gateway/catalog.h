/* catalog.h - what can be called and at which price: an immutable snapshot, swapped as a whole.
 *
 * What:  providers and models as the configuration (later: the database) gives them. A request
 *        holds a reference for as long as it lives, so a reload never changes a running call.
 * Not:   who may call (book/), where the rows come from (app/).
 */
#pragma once
#include "core/price.h"
#include "upstream/client.h"

enum dialect { DIALECT_OPENAI, DIALECT_SIMULATED };

struct provider {
    struct str name;
    enum dialect dialect;
    struct upstream_target target;
    struct str path_base; /* "/v1": what base_url has after the host, without a final slash */
    struct str path_chat, path_embeddings;
    struct str credentials; /* rendered "authorization: Bearer …\r\n"; wiped with the catalogue */
    struct str cap_field;   /* "max_completion_tokens" or "max_tokens" */
    int64_t drain_ms; /* how long an abandoned stream is read on for its usage; 0: not at all */
};

struct model {
    struct str name; /* as clients say it */
    const struct provider *provider;
    struct str upstream_model; /* as the provider says it */
    int64_t max_output_tokens; /* > 0 */
    int64_t context_tokens;    /* 0: unknown */
    int64_t image_tokens_max;
    int64_t created_us;
    struct price price;
};

struct catalog;

/* Copies everything. A new catalogue has one reference. NULL: no memory. */
struct catalog *catalog_new(void);
/* base_url is parsed: http(s)://host[:port][/path]. ERR_CONFIG_INVALID, ERR_CONFLICT,
 * ERR_NO_MEMORY. */
struct provider_wanted {
    struct str name, base_url, api_key, ca_file, cap_field;
    enum dialect dialect;
    struct upstream_timeouts timeouts;
    int64_t drain_ms;
};
NODISCARD enum err catalog_add_provider(struct catalog *catalog,
                                        const struct provider_wanted *provider,
                                        struct fault *fault);
/* ERR_NOT_FOUND: no such provider. ERR_CONFLICT: the name is taken. */
NODISCARD enum err catalog_add_model(struct catalog *catalog, struct str provider,
                                     const struct model *model, struct fault *fault);
/* NULL when unknown; lives as long as the catalogue. */
const struct model *catalog_model(const struct catalog *catalog, struct str name);
size_t catalog_model_count(const struct catalog *catalog);
const struct model *catalog_model_at(const struct catalog *catalog,
                                     size_t index); /* in order added */
/* The model of assistants for which nothing else is said; empty: none. */
NODISCARD enum err catalog_set_assistant_model(struct catalog *catalog, struct str name);
struct str catalog_assistant_model(const struct catalog *catalog);
size_t catalog_provider_count(const struct catalog *catalog);
const struct provider *catalog_provider_at(const struct catalog *catalog, size_t index);
struct catalog *catalog_ref(struct catalog *catalog); /* any thread */
void catalog_unref(struct catalog *catalog);          /* any thread; NULL is allowed */
