/* object_list.c - pages of documents and of the audit trail, from the database. */
#include "admin/ai_config.h"
#include "admin/facets.h"
#include "codec/when.h"

/* A page of a filter that few documents fit ends after so many: some 10 ms, 30 on a busy core. */
enum { PAGE_DEFAULT = 50, PAGE_LOOK_MAX = 8000 };

struct page {
    struct admin_call *call;
    struct json_writer *writer;
    size_t left;
    struct str last; /* the cursor after the last row; ptr NULL: there are no more rows */
    bool by_updated, more;
    enum err err;
};

size_t admin_page_rows(struct admin_call *call)
{
    int64_t limit = PAGE_DEFAULT;
    struct str const text = admin_query(call, "limit");
    if (text.ptr != NULL && !str_to_i64(text, &limit))
        limit = PAGE_DEFAULT; /* openapi.yaml lets only numbers in range pass */
    return (size_t)limit;
}

void admin_put_cursor(struct json_writer *writer, bool more, struct str last)
{
    json_key(writer, "next_cursor");
    if (more)
        json_put_text(writer, last);
    else
        json_put_null(writer);
}

static enum err object_rows(struct page *page, void *query);

/* {"items": [ … ], "next_cursor": …} around what `rows` writes. */
static enum err write_page(struct page *page, enum err (*rows)(struct page *page, void *query),
                           void *query)
{
    struct json_writer *writer = page->writer;
    json_object_open(writer);
    json_key(writer, "items");
    json_array_open(writer);
    enum err err = rows(page, query);
    json_array_close(writer);
    admin_put_cursor(writer, page->more, page->last);
    if (err == ERR_OK && rows == object_rows)
        err = facets_put(page->call, writer, query);
    json_object_close(writer);
    enum err const written = json_write_end(writer);
    return err != ERR_OK ? err : page->err != ERR_OK ? page->err : written;
}

/* --- documents ------------------------------------------------------------------------------- */
/* The next page begins after this row. */
static bool cursor_keep(struct page *page, const struct object_row *row)
{
    struct arena *arena = page->call->arena;
    page->last = page->by_updated ? arena_printf(arena, "%lld.%.*s", (long long)row->updated_us,
                                                 STR_ARG(row->id))
                                  : arena_copy(arena, row->id);
    if (page->last.ptr == NULL)
        page->err = ERR_NO_MEMORY;
    return page->last.ptr != NULL;
}

static bool put_row(void *owner, const struct object_row *row)
{
    struct page *page = owner;
    struct admin_call *call = page->call;
    bool const place = str_empty(row->text); /* enough was looked at */
    if (page->left == 0 || place) {
        page->more = true;
        return place && cursor_keep(page, row);
    }
    page->left--;
    struct object const object = {
        .kind = (enum object_kind)call->operation->kind,
        .id = row->id,
        .customer_id = row->customer_id,
        .version = row->version,
        .origin = row->origin,
        .created_us = row->created_us,
        .updated_us = row->updated_us,
        .text = row->text,
    };
    page->err = object_put(call, page->writer, &object);
    return cursor_keep(page, row) && page->err == ERR_OK;
}

static enum err object_rows(struct page *page, void *query)
{
    const struct admin_options *options = admin_options(page->call->admin);
    return options->store->ops->object_list(options->store, query, put_row, page,
                                            &page->call->fault);
}

/* "id", "-id", "updated_at", "-updated_at" */
static void sort_read(struct admin_call *call, struct object_query *query)
{
    struct str sort = admin_query(call, "sort");
    query->descending = sort.len > 0 && sort.ptr[0] == '-';
    if (query->descending)
        sort = str_skip(sort, 1);
    query->by_updated = str_eq(sort, STR("updated_at"));
}

static enum err cursor_read(struct admin_call *call, struct object_query *query)
{
    struct str const cursor = admin_query(call, "cursor");
    query->after = cursor.ptr != NULL ? cursor : STR("");
    if (!query->by_updated || cursor.len == 0)
        return ERR_OK;
    size_t const dot = str_find(cursor, STR(".")); /* as it is in a URL, however that is made */
    if (!str_to_i64(str_make(cursor.ptr, dot), &query->after_us) || dot + 1 >= cursor.len)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "cursor",
                           "this is no cursor of a list in this order");
    query->after = str_skip(cursor, dot + 1);
    return ERR_OK;
}

static bool is_page_parameter(const char *name)
{
    static const char *const names[] = {"limit", "cursor", "sort", "fields", "facets", "customer"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Every other parameter of the operation is a member's name. */
static void filters_read(struct admin_call *call, struct object_query *query)
{
    for (const struct api_parameter *it = call->operation->parameters; it->name != NULL; it++) {
        struct str const value = admin_query(call, it->name);
        if (it->place != API_IN_QUERY || value.ptr == NULL || is_page_parameter(it->name) ||
            query->filter_count == OBJECT_FILTERS_MAX)
            continue;
        query->filters[query->filter_count].member = str_of(it->name);
        query->filters[query->filter_count++].value = value;
    }
    /* An owned kind has its customer in a column; others name one as a member. */
    struct str const customer = admin_query(call, "customer");
    if (customer.ptr == NULL)
        return;
    if (object_kind_row((enum object_kind)call->operation->kind)->owned) {
        query->customer_id = customer;
    } else if (query->filter_count < OBJECT_FILTERS_MAX) {
        query->filters[query->filter_count].member = STR("customer");
        query->filters[query->filter_count++].value = customer;
    }
}

enum err object_list(struct admin_call *call, struct json_writer *writer)
{
    struct page page = {.call = call, .writer = writer, .left = admin_page_rows(call)};
    struct object_query query = {
        .kind = object_kind_row((enum object_kind)call->operation->kind)->name,
        .limit = page.left + 1, /* one more says whether there is a next page */
        .look_max = PAGE_LOOK_MAX,
    };
    sort_read(call, &query);
    page.by_updated = query.by_updated;
    filters_read(call, &query);
    enum err err = cursor_read(call, &query);
    if (err == ERR_OK)
        err = facets_check(call);
    if (err == ERR_OK)
        err = admin_flush(call);
    return err == ERR_OK ? write_page(&page, object_rows, &query) : err;
}

/* --- the audit trail ------------------------------------------------------------------------- */
static void put_hash(struct json_writer *writer, const unsigned char *hash)
{
    char text[2 * AUDIT_HASH_BYTES];
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < AUDIT_HASH_BYTES; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
    json_put_text(writer, str_make(text, sizeof text));
}

static void put_document(struct admin_call *call, struct json_writer *writer, const char *name,
                         const struct audit_row *row, struct str text)
{
    if (text.len > 0 && str_eq(row->kind, object_kind_row(OBJECT_AI_CONFIG)->name))
        text = ai_config_shown(call, text);
    json_key(writer, name);
    if (text.len > 0)
        json_put_raw(writer, text);
    else
        json_put_null(writer);
}

static bool put_entry(void *owner, const struct audit_row *row)
{
    struct page *page = owner;
    struct json_writer *writer = page->writer;
    if (page->left == 0) {
        page->more = true;
        return false;
    }
    page->left--;
    json_object_open(writer);
    json_pair_i64(writer, "seq", (int64_t)row->sequence);
    admin_put_instant(writer, "at", row->at_us);
    json_pair_text(writer, "actor", row->actor);
    json_pair_text(writer, "action", row->action);
    json_pair_text(writer, "kind", row->kind);
    json_pair_text(writer, "id", row->object_id);
    json_pair_text(writer, "customer", row->customer_id);
    json_pair_text(writer, "address", row->address);
    json_pair_text(writer, "user_agent", row->user_agent);
    json_pair_text(writer, "reason", row->reason);
    json_pair_text(writer, "request_id", row->request_id);
    put_document(page->call, writer, "before", row, row->before);
    put_document(page->call, writer, "after", row, row->after);
    json_key(writer, "hash");
    put_hash(writer, row->hash);
    json_object_close(writer);
    page->last = arena_printf(page->call->arena, "%llu", (unsigned long long)row->sequence);
    if (page->last.ptr == NULL)
        page->err = ERR_NO_MEMORY;
    return page->err == ERR_OK && writer->err == ERR_OK;
}

static enum err audit_rows(struct page *page, void *query)
{
    const struct admin_options *options = admin_options(page->call->admin);
    return options->store->ops->audit_list(options->store, query, put_entry, page,
                                           &page->call->fault);
}

static enum err instant_read(struct admin_call *call, const char *name, int64_t *wall_us)
{
    struct str const text = admin_query(call, name);
    int64_t const now_us = clock_wall_us(admin_options(call->admin)->clock);
    if (text.ptr == NULL || when_since_parse(text, now_us, wall_us))
        return ERR_OK;
    return fault_param(&call->fault, ERR_FIELD_INVALID, name,
                       "an instant like 2026-11-20T12:00:00Z, or a span like 15m or 7d");
}

enum err audit_list(struct admin_call *call, struct json_writer *writer)
{
    struct page page = {.call = call, .writer = writer, .left = admin_page_rows(call)};
    struct str const cursor = admin_query(call, "cursor");
    int64_t before = 0;
    struct audit_query query = {
        .actor = admin_query_or_empty(call, "actor"),
        .kind = admin_query_or_empty(call, "kind"),
        .object_id = admin_query_or_empty(call, "id"),
        .customer_id = admin_query_or_empty(call, "customer"),
        .limit = page.left + 1,
    };
    enum err err = instant_read(call, "since", &query.since_us);
    if (err == ERR_OK)
        err = instant_read(call, "until", &query.until_us);
    if (err == ERR_OK && cursor.ptr != NULL && (!str_to_i64(cursor, &before) || before < 1))
        err = fault_param(&call->fault, ERR_FIELD_INVALID, "cursor", "this is no cursor");
    query.before = (uint64_t)before;
    if (err == ERR_OK)
        err = admin_flush(call);
    return err == ERR_OK ? write_page(&page, audit_rows, &query) : err;
}

struct audit_head { /* the newest entry that the book has written */
    uint64_t sequence;
    unsigned char hash[AUDIT_HASH_BYTES];
    bool found; /* in the database, with this hash */
};

static bool compare_head(void *owner, const struct audit_row *row)
{
    struct audit_head *head = owner;
    head->found =
        row->sequence == head->sequence && memcmp(row->hash, head->hash, sizeof head->hash) == 0;
    return false;
}

/* A chain whose end was cut off is whole in itself: only the book knows how far it went. What was
 * written since makes it longer, so the entry is looked for, not the last one. */
static enum err head_check(struct admin_call *call, struct audit_head *head, struct fault *broken)
{
    struct store *store = admin_options(call->admin)->store;
    struct audit_query const query = {.before = head->sequence + 1, .limit = 1};
    if (head->sequence == 0)
        return ERR_OK;
    enum err const err = store->ops->audit_list(store, &query, compare_head, head, broken);
    if (err != ERR_OK || head->found)
        return err;
    return fault_set(broken, ERR_CORRUPT,
                     "the end is not what was written: entry %llu is missing or another",
                     (unsigned long long)head->sequence);
}

enum err audit_verify(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    unsigned char hash[AUDIT_HASH_BYTES] = {0};
    uint64_t last = 0;
    struct fault broken = {0};
    struct audit_head head = {0};
    book_audit_head(options->book, &head.sequence, head.hash);
    enum err err = admin_flush(call);
    if (err != ERR_OK)
        return err;
    err = options->store->ops->audit_verify(options->store, &last, hash, &broken);
    if (err == ERR_OK)
        err = head_check(call, &head, &broken);
    if (err != ERR_OK && err != ERR_CORRUPT)
        return fault_set(&call->fault, err, "%s", broken.detail);
    json_object_open(writer);
    json_pair_bool(writer, "valid", err == ERR_OK);
    json_pair_i64(writer, "entries", (int64_t)last);
    json_key(writer, "problem");
    if (err == ERR_OK)
        json_put_null(writer);
    else
        json_put_text(writer, str_of(broken.detail));
    json_key(writer, "head");
    put_hash(writer, hash);
    json_object_close(writer);
    return json_write_end(writer);
}
