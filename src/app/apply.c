/* apply.c - from the structs of config.h to catalogue and book, again and again with one result. */
#include "app/apply.h"
#include "base/log.h"
#include "base/map.h"

enum { APPLY_ARENA_BYTES = 256 << 20 };

/* --- catalogue ------------------------------------------------------------------------------ */
static struct str or_empty(struct str text)
{
    return text.ptr != NULL ? text : STR("");
}

static enum err add_provider(struct catalog *catalog, const struct config *config,
                             const struct config_provider *from, struct fault *fault)
{
    struct provider_wanted const wanted = {
        .name = from->name,
        .base_url = from->base_url.ptr ? from->base_url : STR("http://simulated.invalid/v1"),
        .api_key = or_empty(from->api_key),
        .ca_file = or_empty(from->ca_file),
        .cap_field = from->output_cap_field == 0 ? STR("max_completion_tokens") : STR("max_tokens"),
        .dialect = from->dialect == 0 ? DIALECT_OPENAI : DIALECT_SIMULATED,
        .timeouts = {from->timeouts.connect_ms, from->timeouts.first_byte_ms,
                     from->timeouts.idle_ms, from->timeouts.total_ms},
        .drain_ms = config->on_disconnect.drain_ms};
    return catalog_add_provider(catalog, &wanted, fault);
}

static enum err add_model(struct catalog *catalog, const struct config_model *from, int64_t now_us,
                          struct fault *fault)
{
    struct model model = {.name = from->name,
                          .upstream_model = from->model.ptr ? from->model : from->name,
                          .max_output_tokens = from->max_output_tokens,
                          .context_tokens = from->context_tokens,
                          .image_tokens_max = from->image_tokens_max,
                          .created_us = now_us};
    price_init(&model.price);
    memcpy(model.price.pico, from->price.pico, sizeof model.price.pico);
    return catalog_add_model(catalog, from->provider, &model, fault);
}

enum err apply_catalog(const struct config *config, struct clock *clock, struct catalog **catalog,
                       struct fault *fault)
{
    enum err err = ERR_OK;
    *catalog = catalog_new();
    if (*catalog == NULL)
        return ERR_NO_MEMORY;
    for (const struct config_provider *it = config_first(&config->providers);
         err == ERR_OK && it != NULL; it = config_next(it))
        err = add_provider(*catalog, config, it, fault);
    for (const struct config_model *it = config_first(&config->models); err == ERR_OK && it != NULL;
         it = config_next(it))
        err = add_model(*catalog, it, clock_wall_us(clock), fault);
    if (err == ERR_OK)
        err = catalog_set_assistant_model(*catalog, or_empty(config->assistant_model));
    if (err != ERR_OK) {
        catalog_unref(*catalog);
        *catalog = NULL;
    }
    return err;
}

/* --- customers that the file has ------------------------------------------------------------- */
static enum err put_customer(struct book *book, const struct config_customer *from,
                             enum customer_status status, struct fault *fault)
{
    struct customer_wanted const wanted = {
        .id = from->id,
        .origin = ORIGIN_FILE,
        .unlimited = from->unlimited,
        .status = status,
        .overdraft = from->overdraft_usd,
        .limits = {from->requests_per_minute, from->tokens_per_minute, from->concurrent}};
    return book_customer_put(book, &wanted, fault);
}

static enum err put_key(struct book *book, const struct config_customer *customer,
                        const struct config_key *from, struct arena *arena, struct fault *fault)
{
    struct key_made made;
    struct fault first = {0};
    struct key_wanted const wanted = {
        .customer_id = customer->id,
        .name = from->name,
        .secret = from->secret,
        .origin = ORIGIN_FILE,
        .expires_us = from->expires_at,
        .limits = {from->requests_per_minute, from->tokens_per_minute, from->concurrent}};
    enum err err = book_key_create(book, &wanted, arena, &made, &first);
    if (err == ERR_CONFLICT) { /* the file's key of this name has another secret now */
        struct fault unused = {0};
        if (book_key_revoke(book, customer->id, from->name, &unused) == ERR_OK)
            err = book_key_create(book, &wanted, arena, &made, &first);
    }
    if (err == ERR_KEY_REVOKED) { /* for good, whatever the file says: somebody had a reason */
        LOG(config_ignored, field_str("customer", customer->id), field_str("key", from->name),
            field_text("reason", "this secret was revoked; give the key another one"));
        return ERR_OK;
    }
    if (err != ERR_OK)
        fault_set(fault, err, "key \"%.*s\" of customer \"%.*s\": %s", STR_ARG(from->name),
                  STR_ARG(customer->id), first.detail);
    return err;
}

struct granted {
    struct str customer_id;
    struct money amount;
    bool found;
};

static bool find_grant(void *owner, const struct grant_row *row)
{
    struct granted *granted = owner;
    granted->found =
        str_eq(row->source_type, STR("config")) && str_eq(row->source_id, granted->customer_id);
    granted->amount = row->amount;
    return !granted->found;
}

static enum err put_credit(struct book *book, const struct config_customer *from,
                           struct fault *fault)
{
    struct granted granted = {.customer_id = from->id};
    bool existed = false;
    book_grants(book, from->id, find_grant, &granted);
    if (granted.found && granted.amount.nano != from->credit_usd.nano)
        LOG(config_ignored, field_str("customer", from->id),
            field_text("reason", "credit_usd was granted before with another amount; give more "
                                 "with cota credit grant"));
    if (granted.found || from->credit_usd.nano == 0)
        return ERR_OK;
    struct grant_wanted const wanted = {.customer_id = from->id,
                                        .category = STR("paid"),
                                        .amount = from->credit_usd,
                                        .priority = 100,
                                        .source_type = STR("config"),
                                        .source_id = from->id};
    return book_grant(book, &wanted, &existed, fault);
}

static enum err put_all(const struct config_customer *customer, struct book *book,
                        struct arena *arena, struct fault *fault)
{
    enum err err = put_customer(book, customer, CUSTOMER_ACTIVE, fault);
    for (const struct config_key *it = config_first(&customer->keys); err == ERR_OK && it != NULL;
         it = config_next(it))
        err = put_key(book, customer, it, arena, fault);
    if (err == ERR_OK && !customer->unlimited)
        err = put_credit(book, customer, fault);
    return err;
}

/* --- what has left the file ------------------------------------------------------------------ */
struct gone {
    const struct config_customer *customer; /* whose keys are looked at */
    struct map *customers;                  /* of the file, by id */
    struct arena *arena;
    struct list_of_text {
        struct list_of_text *next;
        struct str text;
    } * texts;
    bool no_memory;
};

static bool keep_text(struct gone *gone, struct str text)
{
    struct list_of_text *kept = arena_alloc(gone->arena, sizeof *kept);
    if (kept == NULL || (kept->text = arena_copy(gone->arena, text)).ptr == NULL) {
        gone->no_memory = true;
        return false;
    }
    kept->next = gone->texts;
    gone->texts = kept;
    return true;
}

static bool find_key(void *owner, const struct key_row *row)
{
    struct gone *gone = owner;
    if (row->origin != ORIGIN_FILE || row->status != KEY_ACTIVE)
        return true;
    const struct config_customer *customer = gone->customer;
    for (const struct config_key *it = config_first(&customer->keys); it != NULL;
         it = config_next(it))
        if (str_eq(it->name, row->name))
            return true;
    return keep_text(gone, row->id);
}

static enum err revoke_gone_keys(struct book *book, struct str customer_id,
                                 const struct config_customer *customer, struct arena *arena,
                                 struct fault *fault)
{
    struct gone gone = {.customer = customer, .arena = arena};
    enum err err = ERR_OK;
    book_keys(book, customer_id, find_key, &gone);
    for (struct list_of_text *it = gone.texts; it != NULL && err == ERR_OK; it = it->next)
        err = book_key_revoke(book, customer_id, it->text, fault);
    return gone.no_memory ? ERR_NO_MEMORY : err;
}

static bool find_customer(void *owner, const struct customer_row *row)
{
    struct gone *gone = owner;
    if (row->origin != ORIGIN_FILE || row->status != CUSTOMER_ACTIVE ||
        map_get(gone->customers, row->id) != NULL)
        return true;
    return keep_text(gone, row->id);
}

static enum err suspend_gone(struct book *book, struct map *customers, struct arena *arena,
                             struct fault *fault)
{
    struct gone gone = {.customers = customers, .arena = arena};
    enum err err = ERR_OK;
    book_customers(book, find_customer, &gone);
    for (struct list_of_text *it = gone.texts; it != NULL && err == ERR_OK; it = it->next) {
        struct config_customer const left = {.id = it->text};
        err = put_customer(book, &left, CUSTOMER_SUSPENDED, fault);
    }
    return gone.no_memory ? ERR_NO_MEMORY : err;
}

enum err apply_customers(const struct config *config, struct book *book, struct fault *fault)
{
    struct map customers;
    struct arena *arena = arena_new(APPLY_ARENA_BYTES);
    enum err err = arena ? ERR_OK : ERR_NO_MEMORY;
    map_init(&customers);
    for (struct config_customer *it = config_first(&config->customers); err == ERR_OK && it != NULL;
         it = config_next(it)) {
        err = map_put(&customers, it->id, it);
        if (err == ERR_OK && book_customer(book, it->id) != NULL)
            err = revoke_gone_keys(book, it->id, it, arena, fault);
        if (err == ERR_OK)
            err = put_all(it, book, arena, fault);
    }
    if (err == ERR_OK)
        err = suspend_gone(book, &customers, arena, fault);
    map_free(&customers);
    arena_free(arena);
    return err;
}
