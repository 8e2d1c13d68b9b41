/* object_text.c - a document as the API shows it, the id it gets, and what it may name. */
#include "admin/ai_config.h"
#include "admin/compat_int.h"
#include "admin/jobs.h"
#include "codec/json_merge.h"

/* --- showing --------------------------------------------------------------------------------- */
static bool is_wanted(struct str fields, struct str name)
{
    if (fields.ptr == NULL)
        return true;
    while (fields.len > 0) {
        size_t const end = str_find(fields, STR(","));
        if (str_eq(str_make(fields.ptr, end), name))
            return true;
        fields = str_skip(fields, end + 1);
    }
    return false;
}

static void put_text(struct json_writer *writer, struct str fields, const char *name,
                     struct str text)
{
    if (is_wanted(fields, str_of(name)))
        json_pair_text(writer, name, text);
}

static enum err put_members(struct admin_call *call, struct json_writer *writer, struct str fields,
                            struct str text)
{
    struct json_object *members = arena_alloc(call->arena, sizeof *members);
    if (members == NULL)
        return ERR_NO_MEMORY;
    enum err err = json_members(text, members, &call->fault);
    for (size_t i = 0; err == ERR_OK && i < members->count; i++) {
        struct str const key = arena_copy(call->arena, members->members[i].key);
        if (key.ptr == NULL)
            return ERR_NO_MEMORY;
        if (!is_wanted(fields, key))
            continue;
        json_key(writer, key.ptr);
        json_put_raw(writer, members->members[i].value);
    }
    return err;
}

/* What the licence gives in the end: its own limit, or the plan's. */
static void put_token_limit(struct admin_call *call, struct json_writer *writer, struct str text)
{
    int64_t const limit = license_token_limit(call, text);
    json_key(writer, "ai_token_limit_effective");
    if (limit < 0)
        json_put_null(writer);
    else
        json_put_i64(writer, limit);
}

/* What is stored is not always what is shown. */
static struct str shown(struct admin_call *call, const struct object *object)
{
    if (object->kind == OBJECT_AI_CONFIG)
        return ai_config_shown(call, object->text);
    if (object->kind == OBJECT_JOB)
        return jobs_shown(admin_jobs(call->admin), call->arena, object->id, object->text);
    return object->text;
}

enum err object_put(struct admin_call *call, struct json_writer *writer,
                    const struct object *object)
{
    struct str const fields = admin_query(call, "fields");
    struct str const origin = object->origin == ORIGIN_FILE ? STR("file") : STR("runtime");
    json_object_open(writer);
    json_pair_text(writer, "id", object->id);
    if (is_wanted(fields, STR("version")))
        json_pair_i64(writer, "version", object->version);
    enum err const err = put_members(call, writer, fields, shown(call, object));
    if (object->kind == OBJECT_LICENSE && is_wanted(fields, STR("ai_token_limit_effective")))
        put_token_limit(call, writer, object->text);
    if (is_wanted(fields, STR("created_at")))
        admin_put_instant(writer, "created_at", object->created_us);
    if (is_wanted(fields, STR("updated_at")))
        admin_put_instant(writer, "updated_at", object->updated_us);
    if (object->kind != OBJECT_MATRIX_CELL) /* whose own member of that name means another thing */
        put_text(writer, fields, "origin", origin);
    else
        put_text(writer, fields, "document_origin", origin);
    json_object_close(writer);
    if (err != ERR_OK)
        return err;
    return writer->depth == 0 ? json_write_end(writer) : writer->err;
}

/* --- ids ------------------------------------------------------------------------------------- */
/* A member's text in the arena; empty when it is absent or no text. */
static struct str member_text(struct admin_call *call, struct str document, const char *name)
{
    struct json_object *members = arena_alloc(call->arena, sizeof *members);
    struct fault ignored = {0};
    char text[256];
    size_t len;
    if (members == NULL || json_members(document, members, &ignored) != ERR_OK ||
        !json_text(json_get(members, str_of(name)), text, sizeof text, &len))
        return STR("");
    struct str const copy = arena_copy(call->arena, str_make(text, len));
    return copy.ptr != NULL ? copy : STR("");
}

enum err document_id(struct admin_call *call, enum object_kind kind, struct str body,
                     struct str *id)
{
    struct str const customer = member_text(call, body, "customer");
    *id = member_text(call, body, "id");
    if (kind == OBJECT_PROFILE)
        *id = customer;
    if (kind == OBJECT_USER || kind == OBJECT_AI_CONFIG) {
        const char *second = kind == OBJECT_USER ? "external_id" : "provider";
        struct str const parts[] = {customer, STR("/"), member_text(call, body, second)};
        *id = arena_concat(call->arena, parts, 3);
    }
    if (id->ptr == NULL)
        return ERR_NO_MEMORY;
    if (kind == OBJECT_KEY_RULES && id->len == 0)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "id", "the id of the API key");
    return ERR_OK;
}

/* --- what a document may name ---------------------------------------------------------------- */
static const struct reference {
    enum object_kind from;
    const char *member;
    enum object_kind to;
} references[] = {
#define X(from, member, to) {OBJECT_##from, member, OBJECT_##to},
#include "admin/references.def"
#undef X
};
enum { REFERENCE_COUNT = sizeof references / sizeof references[0] };

static enum err missing(struct admin_call *call, const char *member, struct str what, struct str id)
{
    return fault_param(&call->fault, ERR_FIELD_INVALID, member, "there is no %.*s \"%.*s\"",
                       STR_ARG(what), (int)(id.len < 64 ? id.len : 64), id.ptr);
}

static enum err references_check(struct admin_call *call, const struct object_change *change)
{
    struct object object;
    for (size_t i = 0; i < REFERENCE_COUNT; i++) {
        const struct reference *row = &references[i];
        if (row->from != change->kind || call->dry_run)
            continue;
        struct str const id = member_text(call, change->text, row->member);
        if (id.len > 0 &&
            !book_object_get(admin_options(call->admin)->book, row->to, id, call->arena, &object))
            return missing(call, row->member, object_kind_row(row->to)->name, id);
    }
    return ERR_OK;
}

static enum err customer_check(struct admin_call *call, struct object_change *change)
{
    struct str const id = member_text(call, change->text, "customer");
    if (object_kind_row(change->kind)->owned)
        change->customer_id = id;
    if (id.len == 0 || book_customer(admin_options(call->admin)->book, id) != NULL)
        return ERR_OK;
    return missing(call, "customer", STR("customer"), id);
}

/* The id says whose it is: a document cannot say otherwise. */
static enum err identity_check(struct admin_call *call, const struct object_change *change)
{
    struct str id = change->id;
    if (change->kind == OBJECT_PROFILE || change->kind == OBJECT_USER ||
        change->kind == OBJECT_AI_CONFIG) {
        enum err const err = document_id(call, change->kind, change->text, &id);
        if (err != ERR_OK)
            return err;
    }
    if (str_eq(id, change->id))
        return ERR_OK;
    return fault_param(&call->fault, ERR_FIELD_INVALID, "id",
                       "the document's own members make its id \"%.*s\"",
                       (int)(id.len < 128 ? id.len : 128), id.ptr);
}

/* What customers have subscribed to stays as it is: a change of terms is a new version. */
static enum err version_check(struct admin_call *call, const struct object_change *change)
{
    if (change->kind != OBJECT_PLAN_VERSION || change->before.len == 0)
        return ERR_OK;
    struct str const before = member_text(call, change->before, "status");
    struct str const after = member_text(call, change->text, "status");
    if (str_eq(before, STR("draft")))
        return ERR_OK;
    static const char *const names[] = {"status", NULL};
    struct buf old, new;
    buf_init(&old, OBJECT_TEXT_BYTES_MAX);
    buf_init(&new, OBJECT_TEXT_BYTES_MAX);
    enum err err = json_without(change->before, names, call->arena, &old);
    if (err == ERR_OK)
        err = json_without(change->text, names, call->arena, &new);
    bool const same = str_eq(buf_view(&old), buf_view(&new)) && !str_eq(after, STR("draft"));
    buf_free(&old);
    buf_free(&new);
    if (err != ERR_OK || same)
        return err;
    return fault_param(&call->fault, ERR_CONFLICT, "status",
                       "a plan version that was active can only be archived or activated; "
                       "make a new version for new terms");
}

enum err document_check(struct admin_call *call, struct object_change *change)
{
    enum err err = identity_check(call, change);
    if (err == ERR_OK)
        err = customer_check(call, change);
    if (err == ERR_OK)
        err = references_check(call, change);
    if (err == ERR_OK)
        err = version_check(call, change);
    if (err == ERR_OK) /* the rules must be able to read it */
        err = govern_check(admin_options(call->admin)->govern, object_kind_row(change->kind)->name,
                           change->id, change->text, &call->fault);
    return err;
}

/* --- what others name ------------------------------------------------------------------------ */
static bool one_row(void *owner, const struct object_row *row)
{
    (void)row;
    *(bool *)owner = true;
    return false;
}

enum err delete_check(struct admin_call *call, const struct object_change *change)
{
    const struct admin_options *options = admin_options(call->admin);
    enum err err = admin_flush(call);
    for (size_t i = 0; err == ERR_OK && i < REFERENCE_COUNT; i++) {
        bool used = false;
        if (references[i].to != change->kind)
            continue;
        struct str const kind = object_kind_row(references[i].from)->name;
        struct object_query const query = {
            .kind = kind,
            .limit = 1,
            .filter_count = 1,
            .filters = {{str_of(references[i].member), change->id}},
        };
        err =
            options->store->ops->object_list(options->store, &query, one_row, &used, &call->fault);
        if (err == ERR_OK && used)
            err = fault_set(&call->fault, ERR_CONFLICT, "a %.*s still names it", STR_ARG(kind));
    }
    return err;
}
