/* catalog_objects.c - providers, models and prices made over the API, added to the file's.
 *
 * Why:   the file wins: a name that it has already is not taken from a document, and that is
 * logged. A document that cannot be used is left out and logged: the others still serve.
 */
#include "app/catalog_objects.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/when.h"
#include <stdlib.h>

enum { TEXT_BYTES_MAX = 2048, ARENA_BYTES = 256 << 20 };
/* As options.def has them for the file's. */
enum {
    CONNECT_MS = 5000,
    FIRST_BYTE_MS = 60000,
    IDLE_MS = 120000,
    TOTAL_MS = 600000,
    DRAIN_MS = 1000,
    IMAGE_TOKENS = 2048,
    OUTPUT_TOKENS = 16384,
};

struct dated_price {
    struct dated_price *next;
    struct str model;
    int64_t from_us;
    struct price price;
};

struct addition {
    struct catalog *catalog;
    struct arena *arena;
    int64_t now_us, next_us; /* next_us: the next instant at which a price begins or ends */
    struct json_object *members;
    struct dated_price *prices;
    bool no_memory;
};

static void left_out(const struct object *object, const char *reason)
{
    LOG(document_unusable, field_str("kind", object_kind_row(object->kind)->name),
        field_str("id", object->id), field_text("reason", reason));
}

static bool read_members(struct addition *addition, const struct object *object)
{
    struct fault fault = {0};
    if (json_members(object->text, addition->members, &fault) == ERR_OK)
        return true;
    left_out(object, fault.detail);
    return false;
}

/* Empty when absent or null. */
static struct str text_of(struct addition *addition, const char *name)
{
    char text[TEXT_BYTES_MAX];
    size_t len;
    if (!json_text(json_get(addition->members, str_of(name)), text, sizeof text, &len))
        return STR("");
    struct str const copy = arena_copy(addition->arena, str_make(text, len));
    addition->no_memory = addition->no_memory || copy.ptr == NULL;
    return copy.ptr != NULL ? copy : STR("");
}

static int64_t number_of(const struct addition *addition, const char *name, int64_t otherwise)
{
    int64_t number;
    return json_i64(json_get(addition->members, str_of(name)), &number) ? number : otherwise;
}

/* --- providers ------------------------------------------------------------------------------- */
static struct str key_of(struct addition *addition, const struct object *object)
{
    struct str const name = text_of(addition, "api_key_env");
    const char *value = name.len > 0 ? getenv(name.ptr) : NULL; /* arena copies end with a NUL */
    if (name.len > 0 && value == NULL)
        left_out(object, "the variable of api_key_env is not set: calls go out without a key");
    return value != NULL ? str_of(value) : STR("");
}

static bool add_provider(void *owner, const struct object *object)
{
    struct addition *addition = owner;
    struct fault fault = {0};
    if (!read_members(addition, object))
        return true;
    if (str_eq(text_of(addition, "status"), STR("disabled")))
        return true;
    bool const simulated = str_eq(text_of(addition, "dialect"), STR("simulated"));
    struct str const url = text_of(addition, "base_url");
    struct provider_wanted const wanted = {
        .name = object->id,
        .base_url = url.len > 0 ? url : STR("http://simulated.invalid/v1"),
        .api_key = key_of(addition, object),
        .ca_file = STR(""),
        .cap_field = STR("max_completion_tokens"),
        .dialect = simulated ? DIALECT_SIMULATED : DIALECT_OPENAI,
        .timeouts = {CONNECT_MS, FIRST_BYTE_MS, IDLE_MS, TOTAL_MS},
        .drain_ms = DRAIN_MS,
    };
    if (url.len == 0 && !simulated)
        left_out(object, "it has no base_url");
    else if (catalog_add_provider(addition->catalog, &wanted, &fault) != ERR_OK)
        left_out(object, fault.detail);
    return !addition->no_memory;
}

/* --- prices ---------------------------------------------------------------------------------- */
/* 0: absent, null or no instant. */
static int64_t instant_of(struct addition *addition, const char *name)
{
    int64_t wall_us;
    return when_parse(text_of(addition, name), &wall_us) ? wall_us : 0;
}

static void note_edge(struct addition *addition, int64_t at_us)
{
    if (at_us > addition->now_us && (addition->next_us == 0 || at_us < addition->next_us))
        addition->next_us = at_us;
}

static bool read_pools(struct addition *addition, struct price *price)
{
    static const struct {
        struct str key;
    } pools[POOL_COUNT] = {
#define X(name, key, column, fallback) {STR_ROW(key)},
#include "core/pools.def"
#undef X
    };
    struct json_object *pools_object = arena_alloc(addition->arena, sizeof *pools_object);
    struct fault fault = {0};
    price_init(price);
    if (pools_object == NULL ||
        json_members(json_get(addition->members, STR("pools")), pools_object, &fault) != ERR_OK)
        return false;
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        char text[40];
        size_t len;
        struct str const value = json_get(pools_object, pools[pool].key);
        if (value.ptr == NULL || json_type(value) == JSON_NULL)
            continue;
        if (!json_text(value, text, sizeof text, &len) ||
            !decimal_parse(str_make(text, len), PRICE_SCALE, &price->pico[pool]) ||
            price->pico[pool] < 0)
            return false;
    }
    return true;
}

/* Kept when it is in force now. */
static bool take_price(void *owner, const struct object *object)
{
    struct addition *addition = owner;
    if (!read_members(addition, object) || !str_eq(text_of(addition, "status"), STR("active")))
        return true;
    int64_t const from_us = instant_of(addition, "effective_from");
    int64_t const to_us = instant_of(addition, "effective_to");
    note_edge(addition, from_us);
    note_edge(addition, to_us);
    if (from_us > addition->now_us || (to_us != 0 && to_us <= addition->now_us))
        return true;
    struct dated_price *dated = arena_alloc(addition->arena, sizeof *dated);
    addition->no_memory = addition->no_memory || dated == NULL;
    if (addition->no_memory)
        return false;
    *dated = (struct dated_price){addition->prices, text_of(addition, "model"), from_us, {{0}, 0}};
    if (!read_pools(addition, &dated->price)) {
        left_out(object, "its pools are not decimal prices");
        return true;
    }
    dated->price.version = object->version;
    addition->prices = dated;
    return !addition->no_memory;
}

/* The one that began last; without any, calls are refused, never free. */
static struct price price_now(const struct addition *addition, struct str model)
{
    struct price price;
    int64_t from_us = INT64_MIN;
    price_init(&price);
    for (const struct dated_price *it = addition->prices; it != NULL; it = it->next) {
        if (!str_eq(it->model, model) || it->from_us < from_us)
            continue;
        price = it->price;
        from_us = it->from_us;
    }
    return price;
}

/* --- models ---------------------------------------------------------------------------------- */
static bool add_model(void *owner, const struct object *object)
{
    struct addition *addition = owner;
    struct fault fault = {0};
    if (!read_members(addition, object))
        return true;
    bool const inactive = json_type(json_get(addition->members, STR("active"))) == JSON_FALSE;
    struct str const provider = text_of(addition, "provider");
    struct str const upstream = text_of(addition, "upstream_model");
    struct model model = {
        .name = object->id,
        .upstream_model = upstream.len > 0 ? upstream : object->id,
        .max_output_tokens = number_of(addition, "max_output_tokens", OUTPUT_TOKENS),
        .context_tokens = number_of(addition, "context_tokens", 0),
        .image_tokens_max = number_of(addition, "image_tokens_max", IMAGE_TOKENS),
        .created_us = object->created_us,
    };
    if (inactive)
        return true;
    model.price = price_now(addition, object->id);
    if (catalog_add_model(addition->catalog, provider, &model, &fault) != ERR_OK)
        left_out(object, fault.detail);
    return !addition->no_memory;
}

enum err catalog_add_objects(struct catalog *catalog, struct book *book, int64_t now_us,
                             int64_t *next_us, struct fault *fault)
{
    struct addition addition = {
        .catalog = catalog, .arena = arena_new(ARENA_BYTES), .now_us = now_us};
    addition.members =
        addition.arena != NULL ? arena_alloc(addition.arena, sizeof *addition.members) : NULL;
    addition.no_memory = addition.members == NULL;
    if (!addition.no_memory)
        book_objects_each(book, OBJECT_PROVIDER, STR(""), add_provider, &addition);
    if (!addition.no_memory)
        book_objects_each(book, OBJECT_PRICE, STR(""), take_price, &addition);
    if (!addition.no_memory)
        book_objects_each(book, OBJECT_MODEL, STR(""), add_model, &addition);
    arena_free(addition.arena);
    *next_us = addition.next_us;
    if (addition.no_memory)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the catalogue's documents");
    return ERR_OK;
}
