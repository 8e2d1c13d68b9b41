/* price_import.c - prices from a table: what is plausible is published, the rest waits for a
 * person.
 *
 * Why:   lists of prices are wrong in ways that ruin: units slip by a thousand, prices fall to a
 *        fifth in a week. A row is held as `proposed` when it is absurd or moved too far, unless
 *        another source says the same within one percent. Nothing is changed in place: each price
 *        is a document of its own, dated; the one that began last is in force.
 */
#include "admin/objects_int.h"
#include "admin/price_csv.h"
#include "base/limits.h"
#include "codec/when.h"

enum {
    ABSURD_PICO = 1000 * 1000000, /* more than 1,000 USD per million tokens */
    MOVED_TIMES = 3,              /* against the price in force */
    AGREE_PERCENT = 1,            /* two sources that say the same */
    CSV_BYTES_MAX = 4 << 20,
};

struct known_price { /* a document */
    struct known_price *next;
    struct str id, model, status, source;
    int64_t from_us, to_us;
    struct price price;
};
struct known_model {
    struct known_model *next;
    struct str id, provider, upstream;
};

enum result { NEW, CHANGED, HELD, UNCHANGED, REJECTED, UNKNOWN, UNPRICED, INVALID, RESULT_COUNT };
static const char *const result_names[RESULT_COUNT] = {
    "new", "changed", "held", "unchanged", "rejected", "unknown_model", "unpriced", "invalid"};

struct import {
    struct admin_call *call;
    struct json_writer *writer;
    struct json_object scratch, pools;
    struct known_price *prices;
    struct known_model *models;
    struct str source;
    int64_t now_us, from_us;
    bool dry_run, no_memory;
    size_t counts[RESULT_COUNT];
};

/* --- what is there --------------------------------------------------------------------------- */
static struct str member(struct import *import, const char *name)
{
    struct str text;
    struct str const value = json_get(&import->scratch, str_of(name));
    if (!json_plain_text(value, &text))
        return STR("");
    struct str const copy = arena_copy(import->call->arena, text);
    import->no_memory = import->no_memory || copy.ptr == NULL;
    return copy;
}

static int64_t instant(struct import *import, const char *name)
{
    int64_t wall_us = 0;
    return when_parse(member(import, name), &wall_us) ? wall_us : 0;
}

static void read_pools(struct import *import, struct price *price)
{
    struct fault ignored = {0};
    price_init(price);
    if (json_members(json_get(&import->scratch, STR("pools")), &import->pools, &ignored) != ERR_OK)
        return;
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        struct str text;
        struct str const value = json_get(&import->pools, str_of(pool_key((enum pool)pool)));
        if (!json_plain_text(value, &text) || !price_csv_amount(text, &price->pico[pool]))
            price->pico[pool] = PRICE_UNKNOWN;
    }
}

static bool take_price(void *owner, const struct object *object)
{
    struct import *import = owner;
    struct fault ignored = {0};
    struct known_price *known = arena_zalloc(import->call->arena, sizeof *known);
    if (known == NULL || json_scan(object->text, &import->scratch, &ignored) != ERR_OK) {
        import->no_memory = import->no_memory || known == NULL;
        return known != NULL;
    }
    known->id = arena_copy(import->call->arena, object->id);
    known->model = member(import, "model");
    known->status = member(import, "status");
    known->source = member(import, "source");
    known->from_us = instant(import, "effective_from");
    known->to_us = instant(import, "effective_to");
    read_pools(import, &known->price);
    known->next = import->prices;
    import->prices = known;
    import->no_memory = import->no_memory || known->id.ptr == NULL;
    return !import->no_memory;
}

static bool take_model(void *owner, const struct object *object)
{
    struct import *import = owner;
    struct fault ignored = {0};
    struct known_model *known = arena_zalloc(import->call->arena, sizeof *known);
    if (known == NULL || json_scan(object->text, &import->scratch, &ignored) != ERR_OK) {
        import->no_memory = import->no_memory || known == NULL;
        return known != NULL;
    }
    known->id = arena_copy(import->call->arena, object->id);
    known->provider = member(import, "provider");
    known->upstream = member(import, "upstream_model");
    if (known->upstream.len == 0)
        known->upstream = known->id;
    known->next = import->models;
    import->models = known;
    import->no_memory = import->no_memory || known->id.ptr == NULL;
    return !import->no_memory;
}

/* --- judging --------------------------------------------------------------------------------- */
static bool same(const struct price *one, const struct price *other)
{
    return memcmp(one->pico, other->pico, sizeof one->pico) == 0;
}

/* Does each pool stay within `times` of the other's (times > 1), or within the percents? */
static bool near(const struct price *one, const struct price *other, int64_t times, int64_t percent)
{
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        __int128 const a = one->pico[pool], b = other->pico[pool];
        if (a == PRICE_UNKNOWN && b == PRICE_UNKNOWN)
            continue;
        if (percent > 0 && (a < 0 || b < 0))
            return false;
        if (a < 0 || b < 0)
            continue;
        __int128 const low = a < b ? a : b, high = a < b ? b : a;
        if (percent > 0 ? (high - low) * 100 > low * percent : high > low * times)
            return false;
    }
    return true;
}

/* The one in force now: it began last. */
static const struct known_price *in_force(const struct import *import, struct str model)
{
    const struct known_price *best = NULL;
    for (const struct known_price *it = import->prices; it != NULL; it = it->next)
        if (str_eq(it->model, model) && str_eq(it->status, STR("active")) &&
            it->from_us <= import->now_us && (it->to_us == 0 || it->to_us > import->now_us) &&
            (best == NULL || it->from_us > best->from_us))
            best = it;
    return best;
}

/* A document of this model that says just this. */
static const struct known_price *said_before(const struct import *import, struct str model,
                                             const char *status, const struct price *price)
{
    for (const struct known_price *it = import->prices; it != NULL; it = it->next)
        if (str_eq(it->model, model) && str_eq(it->status, str_of(status)) &&
            same(&it->price, price))
            return it;
    return NULL;
}

static bool another_agrees(const struct import *import, struct str model, const struct price *price)
{
    for (const struct known_price *it = import->prices; it != NULL; it = it->next)
        if (str_eq(it->model, model) && str_eq(it->status, STR("proposed")) &&
            !str_eq(it->source, import->source) && near(&it->price, price, 0, AGREE_PERCENT))
            return true;
    return false;
}

/* Why a person must look at it; NULL: nobody must. */
static const char *doubt(const struct price_row *row, const struct known_price *now)
{
    int64_t const input = row->price.pico[POOL_INPUT], output = row->price.pico[POOL_OUTPUT];
    size_t const end = sizeof "embedding" - 1;
    bool const embeds = row->modality.len >= end &&
                        str_eq(str_skip(row->modality, row->modality.len - end), STR("embedding"));
    for (int pool = 0; pool < POOL_COUNT; pool++)
        if (row->price.pico[pool] > ABSURD_PICO)
            return "more than 1000 USD per million tokens";
    if (output != PRICE_UNKNOWN && output < input / 2 && !(embeds && output == 0))
        return "output costs less than half of input";
    if (now != NULL && !near(&row->price, &now->price, MOVED_TIMES, 0))
        return "more than three times away from the price in force";
    return NULL;
}

/* --- writing --------------------------------------------------------------------------------- */
static enum err render(struct import *import, const struct price_row *row, struct str model,
                       bool active, struct buf *body)
{
    struct json_writer writer;
    struct str text = row->text;
    if (text.len > PRICE_TEXT_BYTES_MAX)
        text.len = PRICE_TEXT_BYTES_MAX;
    json_write_start(&writer, body);
    json_object_open(&writer);
    json_pair_text(&writer, "model", model);
    json_pair_text(&writer, "source", import->source);
    json_pair_text(&writer, "source_text", text);
    json_pair_text(&writer, "status", active ? STR("active") : STR("proposed"));
    admin_put_instant(&writer, "effective_from", import->from_us);
    json_key(&writer, "pools");
    json_object_open(&writer);
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        char out[32];
        if (row->price.pico[pool] != PRICE_UNKNOWN)
            json_pair_text(&writer, pool_key((enum pool)pool),
                           price_csv_text(row->price.pico[pool], out));
    }
    json_object_close(&writer);
    json_object_close(&writer);
    return json_write_end(&writer);
}

static enum err write_price(struct import *import, const struct price_row *row, struct str model,
                            bool active)
{
    struct admin_call *call = import->call;
    struct buf body;
    buf_init(&body, OBJECT_TEXT_BYTES_MAX);
    enum err err = render(import, row, model, active, &body);
    struct admin_write const write = {.handler = "object_create",
                                      .kind = OBJECT_PRICE,
                                      .body = buf_view(&body),
                                      .actor = call->actor,
                                      .local = call->local};
    if (err == ERR_OK)
        err = admin_write(call->admin, &write, &call->fault);
    buf_free(&body);
    return err;
}

/* --- the report ------------------------------------------------------------------------------ */
static void tell(struct import *import, const struct price_row *row, struct str model,
                 enum result result, const char *reason)
{
    struct json_writer *writer = import->writer;
    import->counts[result]++;
    if (result == UNCHANGED)
        return;
    json_object_open(writer);
    json_pair_i64(writer, "line", (int64_t)row->line);
    json_pair_text(writer, "provider", row->provider);
    json_pair_text(writer, "model", model.len > 0 ? model : row->model);
    json_pair_text(writer, "result", str_of(result_names[result]));
    if (reason != NULL)
        json_pair_text(writer, "reason", str_of(reason));
    json_object_close(writer);
}

static enum err take_row(struct import *import, const struct price_row *row, struct str model)
{
    const struct known_price *now = in_force(import, model);
    const char *why = doubt(row, now);
    if (now != NULL && same(&now->price, &row->price)) {
        tell(import, row, model, UNCHANGED, NULL);
        return ERR_OK;
    }
    if (said_before(import, model, "rejected", &row->price) != NULL) {
        tell(import, row, model, REJECTED, "a person has rejected just this");
        return ERR_OK;
    }
    if (why != NULL && another_agrees(import, model, &row->price))
        why = NULL;
    bool const waits = why != NULL && said_before(import, model, "proposed", &row->price) != NULL;
    enum err const err =
        import->dry_run || waits ? ERR_OK : write_price(import, row, model, why == NULL);
    if (err == ERR_OK)
        tell(import, row, model, why != NULL ? HELD : now != NULL ? CHANGED : NEW, why);
    return err;
}

/* Every model of the catalogue that this row prices. */
static enum err take_models(struct import *import, const struct price_row *row)
{
    bool found = false;
    enum err err = ERR_OK;
    if (row->wrong != NULL || !row->priced) {
        tell(import, row, STR(""), row->wrong != NULL ? INVALID : UNPRICED, row->wrong);
        return ERR_OK;
    }
    for (const struct known_model *it = import->models; it != NULL && err == ERR_OK;
         it = it->next) {
        if (!str_eq(it->provider, row->provider) || !str_eq(it->upstream, row->model))
            continue;
        found = true;
        err = take_row(import, row, it->id);
    }
    if (err == ERR_OK && !found)
        tell(import, row, STR(""), UNKNOWN, NULL);
    return err;
}

static enum err take_rows(struct import *import, struct str csv_text)
{
    struct price_csv csv;
    struct price_row row;
    size_t rows = 0;
    enum err err = price_csv_start(&csv, csv_text, import->call->arena, &import->call->fault);
    if (err != ERR_OK)
        return err;
    json_object_open(import->writer);
    json_pair_bool(import->writer, "dry_run", import->dry_run);
    json_key(import->writer, "rows");
    json_array_open(import->writer);
    while (err == ERR_OK && price_csv_next(&csv, &row)) {
        if (++rows > PRICE_CSV_ROWS_MAX)
            return fault_param(&import->call->fault, ERR_TOO_LARGE, "csv", "at most %d rows",
                               PRICE_CSV_ROWS_MAX);
        err = take_models(import, &row);
    }
    json_array_close(import->writer);
    for (int i = 0; i < RESULT_COUNT; i++)
        json_pair_i64(import->writer, result_names[i], (int64_t)import->counts[i]);
    json_object_close(import->writer);
    return err;
}

static enum err read_csv(struct admin_call *call, struct str *text)
{
    struct json_member found = {0};
    enum err const err = json_find(&call->object, STR("csv"), &found, &call->fault);
    if (err != ERR_OK)
        return err;
    size_t const room = found.value.len + 1;
    char *out = arena_alloc(call->arena, room);
    size_t len = 0;
    if (out == NULL)
        return ERR_NO_MEMORY;
    if (room > CSV_BYTES_MAX || !json_text(found.value, out, room, &len))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "csv", "it must be a text");
    *text = str_make(out, len);
    return ERR_OK;
}

enum err price_import(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    struct import *import = arena_zalloc(call->arena, sizeof *import);
    struct str csv = {0};
    if (import == NULL)
        return ERR_NO_MEMORY;
    import->call = call;
    import->writer = writer;
    import->now_us = import->from_us = clock_wall_us(options->clock);
    enum err err = read_csv(call, &csv);
    if (err == ERR_OK)
        err = admin_body_text(call, "source", true, &import->source);
    if (err == ERR_OK)
        err = admin_body_instant(call, "effective_from", &import->from_us);
    if (err == ERR_OK)
        err = admin_body_bool(call, "dry_run", &import->dry_run);
    if (err != ERR_OK)
        return err;
    book_objects_each(options->book, OBJECT_PRICE, STR(""), take_price, import);
    book_objects_each(options->book, OBJECT_MODEL, STR(""), take_model, import);
    if (import->no_memory)
        return ERR_NO_MEMORY;
    err = take_rows(import, csv);
    return err == ERR_OK ? json_write_end(writer) : err;
}

/* --- a person decides ------------------------------------------------------------------------ */
static enum err decide_once(struct admin_call *call, struct json_writer *writer, const char *status)
{
    struct object object;
    struct json_object *members = arena_alloc(call->arena, sizeof *members);
    struct str was = {0};
    enum err err =
        members == NULL ? ERR_NO_MEMORY : object_load(call, OBJECT_PRICE, call->params[0], &object);
    if (err == ERR_OK)
        err = json_scan(object.text, members, &call->fault);
    if (err != ERR_OK)
        return err;
    (void)json_plain_text(json_get(members, STR("status")), &was);
    if (was.len > 0 && !str_eq(was, STR("proposed")))
        return fault_set(&call->fault, ERR_CONFLICT, "it is %.*s, not proposed", STR_ARG(was));
    struct str const patch = arena_printf(call->arena, "{\"status\":\"%s\"}", status);
    return patch.ptr != NULL ? object_merge(call, writer, &object, patch) : ERR_NO_MEMORY;
}

static enum err decide(struct admin_call *call, struct json_writer *writer, const char *status)
{
    enum err err = admin_body_text(call, "reason", false, &call->actor.reason);
    for (int tries = 0; err == ERR_OK && tries < OBJECT_TRIES; tries++) {
        call->fault = (struct fault){0};
        err = decide_once(call, writer, status);
        if (err != ERR_VERSION_CONFLICT || call->if_match.len > 0)
            return err;
        err = tries + 1 < OBJECT_TRIES ? ERR_OK : err;
    }
    return err;
}

enum err price_approve(struct admin_call *call, struct json_writer *writer)
{
    return decide(call, writer, "active");
}

enum err price_reject(struct admin_call *call, struct json_writer *writer)
{
    return decide(call, writer, "rejected");
}
