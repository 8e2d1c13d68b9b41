/* objects.c - the documents of kinds.def over HTTP: list, make, show, replace, change, delete.
 *
 * Why:   one handler per verb for all kinds: what differs between them is in openapi.yaml
 * (members), in references.c (what must exist) and in govern/ (what a document means).
 */
#include "admin/ai_config.h"
#include "admin/idempotent.h"
#include "admin/profile_zones.h"
#include "codec/json_merge.h"

enum { CHANGE_TRIES = OBJECT_TRIES };

static enum object_kind kind_of(const struct admin_call *call)
{
    return (enum object_kind)call->operation->kind;
}

/* --- reading --------------------------------------------------------------------------------- */
enum err admin_flush(struct admin_call *call)
{
    if (projector_flush(admin_options(call->admin)->projector, ADMIN_FLUSH_MS))
        return ERR_OK;
    return fault_set(&call->fault, ERR_STORE_FAILED, "the database does not catch up");
}

struct found {
    struct admin_call *call;
    struct object *object;
    bool ok;
};

static bool keep_row(void *owner, const struct object_row *row)
{
    struct found *found = owner;
    struct arena *arena = found->call->arena;
    found->object->text = arena_copy(arena, row->text);
    found->ok = found->object->text.ptr != NULL && found->object->version == row->version;
    return true;
}

enum err object_load(struct admin_call *call, enum object_kind kind, struct str id,
                     struct object *object)
{
    const struct admin_options *options = admin_options(call->admin);
    const struct object_kind_row *row = object_kind_row(kind);
    for (int tries = 0; tries < CHANGE_TRIES; tries++) {
        if (!book_object_get(options->book, kind, id, call->arena, object))
            return fault_set(&call->fault, ERR_NOT_FOUND, "there is no %.*s \"%.*s\"",
                             STR_ARG(row->name), (int)(id.len < 64 ? id.len : 64), id.ptr);
        if (row->resident)
            return ERR_OK;
        struct found found = {call, object, false};
        bool there = false;
        enum err err = admin_flush(call);
        if (err == ERR_OK)
            err = options->store->ops->object_get(options->store, row->name, id, keep_row, &found,
                                                  &there, &call->fault);
        if (err != ERR_OK || found.ok)
            return err; /* else it was written again meanwhile */
    }
    return fault_set(&call->fault, ERR_OVERLOADED, "it is written all the time");
}

static struct str etag_line(struct admin_call *call, uint32_t version)
{
    struct str const line =
        arena_printf(call->arena, "cache-control: no-store\r\netag: \"%u\"\r\n", (unsigned)version);
    return line.ptr != NULL ? line : STR("");
}

enum err object_get(struct admin_call *call, struct json_writer *writer)
{
    struct object object;
    enum err const err = object_load(call, kind_of(call), call->params[0], &object);
    if (err != ERR_OK)
        return err;
    call->headers = etag_line(call, object.version);
    return object_put(call, writer, &object);
}

/* --- writing --------------------------------------------------------------------------------- */
/* What If-Match and If-None-Match ask of the present version. */
static enum err expected_version(struct admin_call *call, int64_t *expected)
{
    *expected = call->if_none_match ? OBJECT_ABSENT : OBJECT_ANY_VERSION;
    struct str text = call->if_match;
    if (text.len == 0 || str_eq(text, STR("*")))
        return ERR_OK;
    if (text.len > 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = str_make(text.ptr + 1, text.len - 2);
    if (!str_to_i64(text, expected) || *expected <= 0 || *expected > UINT32_MAX)
        return fault_param(&call->fault, ERR_HEADER_INVALID, "if-match",
                           "If-Match is the ETag of the version that you have seen");
    return ERR_OK;
}

/* What a file manages is changed in the file, or on the Unix socket by whoever may open it. */
static enum err origin_check(struct admin_call *call, const struct object *before)
{
    if (call->local || before == NULL || before->origin != ORIGIN_FILE)
        return ERR_OK;
    return fault_set(&call->fault, ERR_CONFLICT,
                     "it is managed by a file: change it there, then run cota apply");
}

/* A dry run ends here, as the write would: the version is the one expected, nothing is written. */
static enum err answer_dry(struct admin_call *call, struct json_writer *writer,
                           const struct object_change *change, const struct object *before)
{
    if (change->expected == OBJECT_ABSENT && before != NULL)
        return fault_set(&call->fault, ERR_CONFLICT, "it is there already");
    if (change->expected > 0 && (before == NULL || before->version != change->expected))
        return fault_set(&call->fault, ERR_VERSION_CONFLICT, "it is not at the version expected");
    call->status = 204;
    json_put_null(writer); /* a 204 has no body */
    return json_write_end(writer);
}

/* Puts it into book and journal, and answers with it. */
static enum err store_document(struct admin_call *call, struct json_writer *writer,
                               struct object_change *change, const struct object *before)
{
    const struct admin_options *options = admin_options(call->admin);
    uint32_t version = 0;
    change->before = before != NULL ? before->text : (struct str){0};
    change->origin = call->from_file ? ORIGIN_FILE : ORIGIN_RUNTIME;
    enum err err = origin_check(call, before);
    if (err == ERR_OK && change->kind == OBJECT_AI_CONFIG)
        err = ai_config_seal(call, change, before);
    if (err == ERR_OK && change->kind == OBJECT_PROFILE)
        err = profile_zones(call, change, before);
    if (err == ERR_OK)
        err = document_check(call, change);
    if (err == ERR_OK && call->dry_run)
        return answer_dry(call, writer, change, before);
    if (err == ERR_OK)
        err = book_objects_put(options->book, change, 1, &call->actor, &version, &call->fault);
    if (err != ERR_OK)
        return err;
    options->changed(options->owner, change->kind);
    struct object object;
    if (!book_object_get(options->book, change->kind, change->id, call->arena, &object))
        return ERR_NO_MEMORY;
    object.text = change->text;
    call->status = version == 1 ? 201 : 200;
    call->headers = etag_line(call, version);
    return object_put(call, writer, &object);
}

/* Its own id, or that of the customer, the user …; else a ULID. */
static enum err new_id(struct admin_call *call, enum object_kind kind, struct str body,
                       struct str *id)
{
    enum err const err = document_id(call, kind, body, id);
    if (err != ERR_OK || id->len > 0)
        return err;
    return idempotent_id(call, id) ? ERR_OK : ERR_NO_MEMORY;
}

/* The body without `id`, as it is stored. */
static enum err document_text(struct admin_call *call, struct str body, struct str *text)
{
    static const char *const names[] = {"id", NULL};
    struct buf out;
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    enum err err = json_without(body, names, call->arena, &out);
    if (err == ERR_OK)
        *text = arena_copy(call->arena, buf_view(&out));
    buf_free(&out);
    return err != ERR_OK ? err : text->ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

/* The first try of this very request wrote it, and died before it could say so. */
static bool was_made(struct admin_call *call, const struct object_change *change,
                     struct object *made)
{
    struct fault const before = call->fault;
    if (object_load(call, change->kind, change->id, made) == ERR_OK && made->version == 1 &&
        str_eq(made->text, change->text))
        return true;
    call->fault = before;
    return false;
}

enum err object_new(struct admin_call *call, struct json_writer *writer, enum object_kind kind,
                    struct str body)
{
    struct object_change change = {.kind = kind, .expected = OBJECT_ABSENT};
    struct object made;
    enum err err = new_id(call, kind, body, &change.id);
    if (err == ERR_OK)
        err = document_text(call, body, &change.text);
    if (err == ERR_OK && idempotent_again(call) && was_made(call, &change, &made)) {
        call->status = 201;
        call->headers = etag_line(call, made.version);
        return object_put(call, writer, &made);
    }
    return err == ERR_OK ? store_document(call, writer, &change, NULL) : err;
}

enum err object_create(struct admin_call *call, struct json_writer *writer)
{
    return object_new(call, writer, kind_of(call), call->body);
}

/* The document as it is now, if there is one. */
static enum err load_before(struct admin_call *call, enum object_kind kind, struct str id,
                            struct object *object, const struct object **before)
{
    *before = NULL;
    if (book_object_get(admin_options(call->admin)->book, kind, id, call->arena, object)) {
        enum err const err = object_load(call, kind, id, object);
        if (err != ERR_OK)
            return err;
        *before = object;
    }
    return ERR_OK;
}

/* S1's clients send the members that they know and not whose licence it is: the others stay, so
 * that no licence loses its end. */
static enum err license_replace(struct admin_call *call, struct json_writer *writer)
{
    enum err const err = object_change(call, writer);
    if (err != ERR_NOT_FOUND)
        return err;
    call->fault = (struct fault){0};
    return fault_param(&call->fault, ERR_FIELD_INVALID, "customer",
                       "a licence that is not there yet must say whose it is");
}

enum err object_replace(struct admin_call *call, struct json_writer *writer)
{
    struct object_change change = {.kind = kind_of(call), .id = call->params[0]};
    struct object object;
    const struct object *before;
    enum err err = expected_version(call, &change.expected);
    if (err == ERR_OK && change.kind == OBJECT_LICENSE &&
        json_get(&call->object, STR("customer")).ptr == NULL)
        return license_replace(call, writer);
    if (err == ERR_OK)
        err = load_before(call, change.kind, change.id, &object, &before);
    if (err == ERR_OK)
        err = document_text(call, call->body, &change.text);
    if (err == ERR_OK)
        err = store_document(call, writer, &change, before);
    if (err == ERR_CONFLICT && call->if_none_match) /* what was asked for is that there is none */
        err = fault_set(&call->fault, ERR_VERSION_CONFLICT, "it exists already");
    return err;
}

/* The stored document without what a client may not write. ptr NULL: no memory. */
static struct str patch_target(struct admin_call *call, const struct object *object)
{
    if (object->kind == OBJECT_AI_CONFIG)
        return ai_config_patched(call, object->text);
    return object->kind == OBJECT_PROFILE ? profile_patched(call, object->text) : object->text;
}

enum err object_merge(struct admin_call *call, struct json_writer *writer,
                      const struct object *object, struct str patch)
{
    struct object_change change = {.kind = object->kind, .id = object->id};
    struct buf out;
    enum err err = expected_version(call, &change.expected);
    if (err != ERR_OK)
        return err;
    if (change.expected == OBJECT_ANY_VERSION)
        change.expected = object->version;
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    struct str const target = patch_target(call, object);
    err = target.ptr != NULL ? json_merge(target, patch, call->arena, &out) : ERR_NO_MEMORY;
    if (err == ERR_OK)
        err = document_text(call, buf_view(&out), &change.text);
    buf_free(&out);
    if (err == ERR_OK)
        err = schema_check(api_documents[change.kind], change.text, true, false, &call->fault);
    return err == ERR_OK ? store_document(call, writer, &change, object) : err;
}

/* One try: ERR_VERSION_CONFLICT when somebody wrote between reading and writing. */
static enum err change_once(struct admin_call *call, struct json_writer *writer)
{
    struct object object;
    enum err const err = object_load(call, kind_of(call), call->params[0], &object);
    return err == ERR_OK ? object_merge(call, writer, &object, call->body) : err;
}

enum err object_change(struct admin_call *call, struct json_writer *writer)
{
    enum err err = ERR_OK;
    for (int tries = 0; tries < CHANGE_TRIES; tries++) {
        call->fault = (struct fault){0};
        err = change_once(call, writer);
        if (err != ERR_VERSION_CONFLICT || call->if_match.len > 0)
            break;
    }
    return err;
}

enum err object_delete(struct admin_call *call, struct json_writer *writer)
{
    struct object_change change = {.kind = kind_of(call), .id = call->params[0]};
    struct object object;
    uint32_t version;
    enum err err = expected_version(call, &change.expected);
    if (err == ERR_OK)
        err = object_load(call, change.kind, change.id, &object);
    if (err != ERR_OK)
        return err;
    change.customer_id = object.customer_id;
    change.before = object.text;
    change.origin = call->from_file ? ORIGIN_FILE : ORIGIN_RUNTIME;
    err = origin_check(call, &object);
    if (err == ERR_OK && call->dry_run)
        return answer_dry(call, writer, &change, &object);
    if (err == ERR_OK)
        err = delete_check(call, &change);
    const struct admin_options *options = admin_options(call->admin);
    if (err == ERR_OK)
        err = book_objects_put(options->book, &change, 1, &call->actor, &version, &call->fault);
    if (err != ERR_OK)
        return err;
    options->changed(options->owner, change.kind);
    call->status = 204;
    json_put_null(writer); /* a 204 has no body */
    return json_write_end(writer);
}
