/* config_check.c - what no single value can tell: references, doubles, things that belong together.
 */
#include "app/config_int.h"
#include "app/nearest.h"
#include "base/map.h"
#include "base/secret.h"
#include "codec/fernet.h"
#include "gateway/url.h"

/* More than this, per 1M tokens, is a slip of the unit unless it is confirmed. */
#define PRICE_CHECKED_PICO_MAX INT64_C(1000000000)

/* Remembers a name; tells when it was there before. */
static bool is_double(struct config_problems *problems, struct map *names, struct str name,
                      const void *item)
{
    if (name.ptr == NULL || problems->no_memory)
        return false;
    if (map_get(names, name) != NULL)
        return true;
    if (map_put(names, name, (void *)(uintptr_t)item) != ERR_OK)
        problems->no_memory = true;
    return false;
}

static void check_provider(struct config_problems *problems, const struct config_provider *provider)
{
    bool const simulated = provider->dialect == 1;
    if (provider->base_url.ptr == NULL) {
        if (!simulated)
            config_problem_at(problems, &provider->name, &provider->item,
                              "provider \"%.*s\" needs a base_url", STR_ARG(provider->name));
        return;
    }
    if (!str_starts(provider->base_url, STR("http://")) &&
        !str_starts(provider->base_url, STR("https://")))
        config_problem_at(problems, &provider->base_url, &provider->item,
                          "base_url must begin with http:// or https://");
}

static void check_providers(struct config_problems *problems, const struct config *config,
                            struct map *names)
{
    for (const struct config_provider *it = config_first(&config->providers); it != NULL;
         it = config_next(it)) {
        if (is_double(problems, names, it->name, it))
            config_problem_at(problems, &it->name, &it->item, "provider \"%.*s\" is there twice",
                              STR_ARG(it->name));
        if (it->name.ptr != NULL)
            check_provider(problems, it);
    }
}

static void report_provider(struct config_problems *problems, const struct config *config,
                            const struct config_model *model)
{
    struct nearest nearest;
    nearest_start(&nearest, model->provider);
    for (const struct config_provider *it = config_first(&config->providers); it != NULL;
         it = config_next(it))
        nearest_offer(&nearest, it->name);
    struct str const best = nearest_get(&nearest);
    const char *const hint = best.len > 0 ? " (did you mean \"" : "";
    config_problem_at(problems, &model->provider, &model->item,
                      "model \"%.*s\" names provider \"%.*s\", which does not exist%s%.*s%s",
                      STR_ARG(model->name), STR_ARG(model->provider), hint, STR_ARG(best),
                      best.len > 0 ? "\"?)" : "");
}

static void check_prices(struct config_problems *problems, const struct config_model *model)
{
    for (int pool = 0; pool < POOL_COUNT && !model->price_unchecked; pool++)
        if (model->price.pico[pool] > PRICE_CHECKED_PICO_MAX)
            config_problem_at(problems, &model->price.pico[pool], &model->item,
                              "%s costs more than 1000 USD per 1M tokens; if that is meant, set "
                              "price_unchecked: true",
                              pool_key((enum pool)pool));
}

static void check_models(struct config_problems *problems, const struct config *config,
                         const struct map *providers)
{
    struct map names;
    map_init(&names);
    for (const struct config_model *it = config_first(&config->models); it != NULL;
         it = config_next(it)) {
        if (is_double(problems, &names, it->name, it))
            config_problem_at(problems, &it->name, &it->item, "model \"%.*s\" is there twice",
                              STR_ARG(it->name));
        if (it->provider.ptr != NULL && map_get(providers, it->provider) == NULL)
            report_provider(problems, config, it);
        check_prices(problems, it);
    }
    map_free(&names);
}

static bool is_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char const byte = id.ptr[i];
        bool const letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                            (byte >= '0' && byte <= '9');
        if (!letter && memchr("._-:@", byte, 5) == NULL)
            return false;
    }
    return id.len > 0;
}

static void check_keys(struct config_problems *problems, const struct config_customer *customer,
                       struct map *secrets)
{
    struct map names;
    map_init(&names);
    for (const struct config_key *it = config_first(&customer->keys); it != NULL;
         it = config_next(it)) {
        if (is_double(problems, &names, it->name, it))
            config_problem_at(problems, &it->name, &it->item,
                              "customer \"%.*s\" has two keys named \"%.*s\"",
                              STR_ARG(customer->id), STR_ARG(it->name));
        if (is_double(problems, secrets, it->secret, it))
            config_problem_at(problems, &it->secret, &it->item, "another key has the same secret");
        for (size_t i = 0; i < it->secret.len; i++)
            if (it->secret.ptr[i] <= ' ' || it->secret.ptr[i] > '~') {
                config_problem_at(problems, &it->secret, &it->item,
                                  "a secret must be visible ASCII, without spaces");
                break;
            }
    }
    map_free(&names);
}

static void check_customers(struct config_problems *problems, const struct config *config)
{
    struct map ids, secrets;
    map_init(&ids);
    map_init(&secrets);
    for (const struct config_customer *it = config_first(&config->customers); it != NULL;
         it = config_next(it)) {
        if (is_double(problems, &ids, it->id, it))
            config_problem_at(problems, &it->id, &it->item, "customer \"%.*s\" is there twice",
                              STR_ARG(it->id));
        if (it->id.ptr != NULL && !is_id(it->id))
            config_problem_at(problems, &it->id, &it->item,
                              "id may have letters, digits and . _ - : @");
        if (it->unlimited && it->credit_usd.nano > 0)
            config_problem_at(problems, &it->credit_usd, &it->item,
                              "an unlimited customer has no credit_usd");
        check_keys(problems, it, &secrets);
    }
    map_free(&ids);
    map_free(&secrets);
}

static void check_file(struct config_problems *problems, const struct config *config)
{
    const char *colon = memrchr(config->listen.ptr, ':', config->listen.len);
    int64_t port;
    struct str const digits =
        colon ? str_skip(config->listen, (size_t)(colon - config->listen.ptr) + 1) : STR("");
    if (!str_to_i64(digits, &port) || port > 65535)
        config_problem_at(problems, &config->listen, NULL,
                          "listen must be address:port, as 127.0.0.1:8787");
    if ((config->tls.cert.ptr == NULL) != (config->tls.key.ptr == NULL))
        config_problem_at(problems, config->tls.cert.ptr ? &config->tls.cert : &config->tls.key,
                          NULL, "tls needs both cert and key");
    if (config->encryption_keys.count > FERNET_RING_KEYS_MAX)
        config_problem_at(problems, NULL, config->encryption_keys.first,
                          "at most %d encryption_keys", FERNET_RING_KEYS_MAX);
    for (const struct config_text *it = config_first(&config->encryption_keys); it != NULL;
         it = config_next(it)) {
        struct fernet_key key;
        if (it->text.ptr != NULL && fernet_key_parse(it->text, &key) != ERR_OK)
            config_problem_at(problems, &it->text, &it->item,
                              "this is not a Fernet key; `cota keygen` makes one");
        secret_zero(&key, sizeof key);
    }
}

static void check_jwks_url(struct config_problems *problems, const struct config_jwt *jwt)
{
    struct url url;
    if (jwt->jwks_url.ptr == NULL) {
        if (jwt->jwks_ca_file.ptr != NULL)
            config_problem_at(problems, &jwt->jwks_ca_file, NULL, "jwks_ca_file needs a jwks_url");
        return;
    }
    if (!url_split(jwt->jwks_url, true, &url))
        config_problem_at(problems, &jwt->jwks_url, NULL,
                          "jwks_url must be https://host[:port]/path");
    else if (!url.tls && !jwt->jwks_inside)
        config_problem_at(problems, &jwt->jwks_url, NULL,
                          "jwks_url must begin with https://; http:// is for this machine alone, "
                          "with jwks_inside: true");
}

static void check_jwt(struct config_problems *problems, const struct config *config)
{
    const struct config_jwt *jwt = &config->jwt;
    const struct str *rules[] = {&jwt->issuer, &jwt->audience, &jwt->customer};
    bool const has_key =
        jwt->secret.ptr || jwt->public_key_file.ptr || jwt->jwks_file.ptr || jwt->jwks_url.ptr;
    for (size_t i = 0; !has_key && i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i]->ptr != NULL) {
            config_problem_at(problems, rules[i], NULL,
                              "jwt needs a secret, a public_key_file, a jwks_file or a jwks_url");
            break;
        }
    check_jwks_url(problems, jwt);
    if (jwt->customer.ptr != NULL && !is_id(jwt->customer))
        config_problem_at(problems, &jwt->customer, NULL,
                          "customer may have letters, digits and . _ - : @");
}

void config_check(struct config_problems *problems, const struct config *config)
{
    struct map providers;
    map_init(&providers);
    check_file(problems, config);
    check_jwt(problems, config);
    check_providers(problems, config, &providers);
    check_models(problems, config, &providers);
    check_customers(problems, config);
    map_free(&providers);
}
