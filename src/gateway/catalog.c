/* catalog.c - two arrays and a map, all in one arena, behind a reference count. */
#include "gateway/catalog.h"
#include "base/map.h"
#include "base/must.h"
#include "base/secret.h"
#include "gateway/url.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { CATALOG_BYTES_MAX = 256 << 20 };

struct catalog {
    _Atomic int64_t references;
    struct arena *arena;
    struct str assistant_model;
    struct map models_by_name, providers_by_name;
    struct provider **providers;
    struct model **models;
    size_t provider_count, provider_cap, model_count, model_cap;
};

struct catalog *catalog_new(void)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    if (!catalog)
        return NULL;
    catalog->arena = arena_new(CATALOG_BYTES_MAX);
    if (!catalog->arena) {
        free(catalog);
        return NULL;
    }
    catalog->references = 1;
    map_init(&catalog->models_by_name);
    map_init(&catalog->providers_by_name);
    return catalog;
}

/* Room for one more pointer at the end of an array. */
static bool grow(void ***items, size_t count, size_t *cap)
{
    if (count < *cap)
        return true;
    size_t const wider = *cap ? *cap * 2 : 8;
    void **grown = realloc(*items, wider * sizeof *grown);
    if (!grown)
        return false;
    *items = grown;
    *cap = wider;
    return true;
}

/* --- providers ------------------------------------------------------------------------------- */
static void wipe_credentials(void *object)
{
    struct provider *provider = object;
    secret_zero((char *)(uintptr_t)provider->credentials.ptr, provider->credentials.len);
}

/* Names are shown in response headers. */
static bool name_safe(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return text.len > 0;
}

static bool header_safe(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return true;
}

static enum err fill_provider(struct catalog *catalog, const struct provider_wanted *want,
                              const struct url *url, struct provider *provider)
{
    struct arena *arena = catalog->arena;
    struct upstream_target *target = &provider->target;
    provider->name = arena_copy(arena, want->name);
    provider->dialect = want->dialect;
    provider->drain_ms = want->drain_ms;
    provider->path_base = arena_copy(arena, url->path);
    provider->path_chat = arena_printf(arena, "%.*s/chat/completions", STR_ARG(url->path));
    provider->path_embeddings = arena_printf(arena, "%.*s/embeddings", STR_ARG(url->path));
    provider->cap_field = arena_copy(arena, want->cap_field);
    provider->credentials = STR("");
    target->name = provider->name;
    target->simulated = want->dialect == DIALECT_SIMULATED;
    target->host = arena_copy(arena, url->host);
    target->host_header = arena_copy(arena, url->host_header);
    target->port = url->port;
    target->tls = url->tls;
    target->ca_file = arena_copy(arena, want->ca_file);
    target->timeouts = want->timeouts;
    if (!provider->name.ptr || !provider->path_base.ptr || !provider->path_chat.ptr ||
        !provider->path_embeddings.ptr || !provider->cap_field.ptr || !target->host.ptr ||
        !target->host_header.ptr || !target->ca_file.ptr)
        return ERR_NO_MEMORY;
    if (want->api_key.len == 0)
        return ERR_OK;
    provider->credentials =
        arena_printf(arena, "authorization: Bearer %.*s\r\n", STR_ARG(want->api_key));
    if (!provider->credentials.ptr || !arena_on_free(arena, wipe_credentials, provider))
        return ERR_NO_MEMORY;
    return ERR_OK;
}

enum err catalog_add_provider(struct catalog *catalog, const struct provider_wanted *want,
                              struct fault *fault)
{
    struct url url;
    if (map_get(&catalog->providers_by_name, want->name))
        return fault_set(fault, ERR_CONFLICT, "there are two providers `%.*s`",
                         STR_ARG(want->name));
    if (!name_safe(want->name))
        return fault_set(fault, ERR_CONFIG_INVALID, "a provider's name has control characters");
    struct str const base_url =
        want->dialect == DIALECT_SIMULATED ? STR("http://simulated/v1") : want->base_url;
    if (!url_split(base_url, false, &url))
        return fault_set(fault, ERR_CONFIG_INVALID,
                         "provider `%.*s`: base_url must be http(s)://host[:port][/path]",
                         STR_ARG(want->name));
    while (url.path.len > 0 && url.path.ptr[url.path.len - 1] == '/')
        url.path.len--;
    if (!header_safe(want->api_key))
        return fault_set(fault, ERR_CONFIG_INVALID,
                         "provider `%.*s`: api_key has blanks or control characters",
                         STR_ARG(want->name));
    struct provider *provider = arena_zalloc(catalog->arena, sizeof *provider);
    if (!provider || fill_provider(catalog, want, &url, provider) != ERR_OK ||
        !grow((void ***)&catalog->providers, catalog->provider_count, &catalog->provider_cap) ||
        map_put(&catalog->providers_by_name, provider->name, provider) != ERR_OK)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a provider");
    catalog->providers[catalog->provider_count++] = provider;
    return ERR_OK;
}

/* --- models ---------------------------------------------------------------------------------- */
enum err catalog_add_model(struct catalog *catalog, struct str provider, const struct model *model,
                           struct fault *fault)
{
    MUST(model->max_output_tokens > 0);
    struct provider *owner = map_get(&catalog->providers_by_name, provider);
    if (!owner)
        return fault_set(fault, ERR_NOT_FOUND, "model `%.*s`: there is no provider `%.*s`",
                         STR_ARG(model->name), STR_ARG(provider));
    if (map_get(&catalog->models_by_name, model->name))
        return fault_set(fault, ERR_CONFLICT, "there are two models `%.*s`", STR_ARG(model->name));
    struct model *copy = arena_alloc(catalog->arena, sizeof *copy);
    if (!copy)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a model");
    *copy = *model;
    copy->provider = owner;
    copy->name = arena_copy(catalog->arena, model->name);
    copy->upstream_model = arena_copy(catalog->arena, model->upstream_model);
    if (!copy->name.ptr || !copy->upstream_model.ptr ||
        !grow((void ***)&catalog->models, catalog->model_count, &catalog->model_cap) ||
        map_put(&catalog->models_by_name, copy->name, copy) != ERR_OK)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a model");
    catalog->models[catalog->model_count++] = copy;
    return ERR_OK;
}

const struct model *catalog_model(const struct catalog *catalog, struct str name)
{
    return map_get(&catalog->models_by_name, name);
}

size_t catalog_model_count(const struct catalog *catalog)
{
    return catalog->model_count;
}

const struct model *catalog_model_at(const struct catalog *catalog, size_t index)
{
    MUST(index < catalog->model_count);
    return catalog->models[index];
}

enum err catalog_set_assistant_model(struct catalog *catalog, struct str name)
{
    catalog->assistant_model = arena_copy(catalog->arena, name);
    return catalog->assistant_model.ptr ? ERR_OK : ERR_NO_MEMORY;
}

struct str catalog_assistant_model(const struct catalog *catalog)
{
    return catalog->assistant_model;
}

size_t catalog_provider_count(const struct catalog *catalog)
{
    return catalog->provider_count;
}

const struct provider *catalog_provider_at(const struct catalog *catalog, size_t index)
{
    MUST(index < catalog->provider_count);
    return catalog->providers[index];
}

struct catalog *catalog_ref(struct catalog *catalog)
{
    int64_t const before = atomic_fetch_add_explicit(&catalog->references, 1, memory_order_relaxed);
    MUST(before > 0);
    return catalog;
}

void catalog_unref(struct catalog *catalog)
{
    if (!catalog || atomic_fetch_sub_explicit(&catalog->references, 1, memory_order_acq_rel) != 1)
        return;
    map_free(&catalog->models_by_name);
    map_free(&catalog->providers_by_name);
    free(catalog->providers);
    free(catalog->models);
    arena_free(catalog->arena);
    free(catalog);
}
