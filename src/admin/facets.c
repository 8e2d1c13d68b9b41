/* facets.c - counts of values, from one walk over the documents that the filters let pass. */
#include "admin/facets.h"
#include <stdlib.h>

enum { VALUE_BYTES_MAX = 256 };

struct value {
    struct str text; /* ptr NULL: not there, or null */
    int64_t count;
};

struct facet {
    struct str member;
    struct value values[FACET_VALUES_MAX];
    size_t value_count;
    int64_t other;
};

struct facets {
    struct admin_call *call;
    struct json_object scratch;
    struct facet facets[FACETS_MAX];
    size_t count;
    bool complete;
    enum err err;
};

/* --- the question ---------------------------------------------------------------------------- */
static bool is_filter(const struct admin_call *call, struct str name)
{
    static const char *const others[] = {"limit", "cursor", "sort", "fields", "facets"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (str_eq(name, str_of(others[i])))
            return false;
    for (const struct api_parameter *it = call->operation->parameters; it->name != NULL; it++)
        if (it->place == API_IN_QUERY && str_eq(name, str_of(it->name)))
            return true;
    return false;
}

/* The next name of the list; false at its end. */
static bool next_name(struct str *rest, struct str *name)
{
    if (rest->ptr == NULL)
        return false;
    size_t const comma = str_find(*rest, STR(","));
    *name = str_make(rest->ptr, comma);
    *rest = comma < rest->len ? str_skip(*rest, comma + 1) : (struct str){0};
    return true;
}

enum err facets_check(struct admin_call *call)
{
    struct str rest = admin_query(call, "facets"), name;
    size_t count = 0;
    while (next_name(&rest, &name)) {
        if (++count > FACETS_MAX)
            return fault_param(&call->fault, ERR_FIELD_INVALID, "facets", "at most %d members",
                               FACETS_MAX);
        if (!is_filter(call, name))
            return fault_param(&call->fault, ERR_FIELD_INVALID, "facets",
                               "only members that this list can be filtered by");
    }
    return ERR_OK;
}

/* --- counting -------------------------------------------------------------------------------- */
/* As a filter would say it. False: it is too long to be one of a few. */
static bool value_text(struct str json, char out[VALUE_BYTES_MAX], struct str *text)
{
    size_t len = 0;
    *text = (struct str){0};
    if (json_type(json) == JSON_NONE || json_type(json) == JSON_NULL)
        return true;
    if (json_type(json) == JSON_STRING) {
        bool const fits = json_text(json, out, VALUE_BYTES_MAX, &len);
        *text = str_make(out, len);
        return fits;
    }
    *text = json;
    return json.len < VALUE_BYTES_MAX;
}

static void count_value(struct facets *all, struct facet *facet, struct str json)
{
    char out[VALUE_BYTES_MAX];
    struct str text;
    bool const fits = value_text(json, out, &text);
    for (size_t i = 0; fits && i < facet->value_count; i++) {
        struct value *value = &facet->values[i];
        if ((value->text.ptr == NULL) == (text.ptr == NULL) && str_eq(value->text, text)) {
            value->count++;
            return;
        }
    }
    if (!fits || facet->value_count == FACET_VALUES_MAX) {
        facet->other++;
        return;
    }
    struct str const kept = text.ptr != NULL ? arena_copy(all->call->arena, text) : text;
    if (text.ptr != NULL && kept.ptr == NULL)
        all->err = ERR_NO_MEMORY;
    facet->values[facet->value_count++] = (struct value){kept, 1};
}

static bool visit(void *owner, const struct object_row *row)
{
    struct facets *all = owner;
    if (str_empty(row->text)) { /* enough was looked at */
        all->complete = false;
        return false;
    }
    all->err = json_scan(row->text, &all->scratch, &all->call->fault);
    for (size_t i = 0; all->err == ERR_OK && i < all->count; i++) {
        struct facet *facet = &all->facets[i];
        if (str_eq(facet->member, STR("customer")) && row->customer_id.len > 0) {
            struct str const quoted =
                arena_printf(all->call->arena, "\"%.*s\"", STR_ARG(row->customer_id));
            count_value(all, facet, quoted);
        } else {
            count_value(all, facet, json_get(&all->scratch, facet->member));
        }
    }
    return all->err == ERR_OK;
}

/* --- the answer ------------------------------------------------------------------------------ */
static int most_first(const void *a, const void *b)
{
    const struct value *one = a, *other = b;
    if (one->count != other->count)
        return one->count > other->count ? -1 : 1;
    size_t const shorter = one->text.len < other->text.len ? one->text.len : other->text.len;
    int const order = shorter > 0 ? memcmp(one->text.ptr, other->text.ptr, shorter) : 0;
    return order != 0 ? order
                      : (one->text.len > other->text.len) - (one->text.len < other->text.len);
}

static void put_facet(struct json_writer *writer, struct facet *facet, bool complete)
{
    if (facet->value_count > 0)
        qsort(facet->values, facet->value_count, sizeof facet->values[0], most_first);
    json_object_open(writer);
    json_key(writer, "values");
    json_array_open(writer);
    for (size_t i = 0; i < facet->value_count; i++) {
        json_object_open(writer);
        json_key(writer, "value");
        if (facet->values[i].text.ptr != NULL)
            json_put_text(writer, facet->values[i].text);
        else
            json_put_null(writer);
        json_pair_i64(writer, "count", facet->values[i].count);
        json_object_close(writer);
    }
    json_array_close(writer);
    json_pair_i64(writer, "other", facet->other);
    json_pair_bool(writer, "complete", complete);
    json_object_close(writer);
}

enum err facets_put(struct admin_call *call, struct json_writer *writer,
                    const struct object_query *query)
{
    struct str rest = admin_query(call, "facets"), name;
    if (rest.ptr == NULL)
        return ERR_OK;
    struct facets *all = arena_zalloc(call->arena, sizeof *all);
    struct store *store = admin_options(call->admin)->store;
    struct object_query whole = *query;
    if (all == NULL)
        return ERR_NO_MEMORY;
    all->call = call;
    all->complete = true;
    while (all->count < FACETS_MAX && next_name(&rest, &name))
        all->facets[all->count++].member = name;
    whole.after = STR("");
    whole.limit = 0;
    whole.look_max = FACETS_LOOK_MAX;
    enum err const err = store->ops->object_list(store, &whole, visit, all, &call->fault);
    if (err != ERR_OK || all->err != ERR_OK)
        return err != ERR_OK ? err : all->err;
    json_key(writer, "facets");
    json_object_open(writer);
    for (size_t i = 0; i < all->count; i++) {
        struct str const key = arena_printf(call->arena, "%.*s", STR_ARG(all->facets[i].member));
        if (key.ptr == NULL)
            return ERR_NO_MEMORY;
        json_key(writer, key.ptr);
        put_facet(writer, &all->facets[i], all->complete);
    }
    json_object_close(writer);
    return writer->err;
}
