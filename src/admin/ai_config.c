/* ai_config.c - see ai_config.h.
 *
 * Why:   the key is sealed before the document reaches book, journal, database and audit trail, so
 *        that none of them has ever seen it.
 */
#include "admin/ai_config.h"
#include "admin/compat_int.h"
#include "base/secret.h"
#include "codec/json_merge.h"
#include "codec/when.h"
#include "govern/own_key.h"

enum { SEALED_BYTES_MAX = 4096, SHOWN_CHARACTERS = 4, SHOWN_OF_AT_LEAST = 12 };

struct sealing {
    struct admin_call *call;
    struct json_object scratch;
    struct str sealed, last_four, set_at;
};

static struct str without(struct admin_call *call, struct str text, const char *const *names)
{
    struct buf out;
    struct str copy = {0};
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    if (json_without(text, names, call->arena, &out) == ERR_OK)
        copy = arena_copy(call->arena, buf_view(&out));
    if (out.ptr != NULL)
        secret_zero(out.ptr, out.len);
    buf_free(&out);
    return copy;
}

struct str ai_config_shown(struct admin_call *call, struct str text)
{
    static const char *const names[] = {"api_key_sealed", NULL};
    return without(call, text, names);
}

struct str ai_config_patched(struct admin_call *call, struct str text)
{
    static const char *const names[] = {"key_last_four", "key_set_at", NULL};
    return without(call, text, names);
}

bool ai_config_is_active(struct admin_call *call, struct str customer, struct str provider)
{
    struct own_key *own_key = NULL;
    struct fault ignored = {0};
    enum err const err =
        own_key_take(admin_options(call->admin)->own_keys, customer, provider, &own_key, &ignored);
    own_key_release(own_key);
    return err != ERR_OK || own_key != NULL;
}

/* The end of a key that is long enough to have a secret part left. */
static struct str last_four(struct admin_call *call, struct str key)
{
    if (key.len < SHOWN_OF_AT_LEAST)
        return STR("");
    return arena_copy(call->arena, str_skip(key, key.len - SHOWN_CHARACTERS));
}

static void now(struct sealing *sealing)
{
    char text[WHEN_TEXT_BYTES];
    int64_t const now_us = clock_wall_us(admin_options(sealing->call->admin)->clock);
    sealing->set_at = arena_copy(sealing->call->arena, when_text(now_us, text));
}

static void wipe(struct buf *plain)
{
    if (plain->ptr != NULL)
        secret_zero(plain->ptr, plain->len);
    buf_free(plain);
}

static enum err seal_plain(struct sealing *sealing, struct str key)
{
    struct admin_call *call = sealing->call;
    struct buf token;
    buf_init(&token, SEALED_BYTES_MAX);
    enum err const err =
        own_keys_seal(admin_options(call->admin)->own_keys, key, &token, &call->fault);
    sealing->sealed = arena_copy(call->arena, buf_view(&token));
    sealing->last_four = last_four(call, key);
    now(sealing);
    buf_free(&token);
    return err;
}

/* A token that another product sealed with a key of our ring. */
static enum err take_sealed(struct sealing *sealing, struct str token)
{
    struct admin_call *call = sealing->call;
    struct buf plain;
    bool newest;
    buf_init(&plain, SEALED_BYTES_MAX);
    enum err const err =
        own_keys_open(admin_options(call->admin)->own_keys, token, &plain, &newest, &call->fault);
    sealing->sealed = token;
    sealing->last_four = last_four(call, buf_view(&plain));
    now(sealing);
    wipe(&plain);
    return err;
}

static enum err seal(struct sealing *sealing, struct str text, const struct object *before)
{
    struct admin_call *call = sealing->call;
    struct json_object *scratch = &sealing->scratch;
    struct str const plain = document_words(call, scratch, text, "api_key");
    struct str const sealed = document_words(call, scratch, text, "api_key_sealed");
    struct str kept = {0};
    if (before != NULL) {
        kept = document_words(call, scratch, before->text, "api_key_sealed");
        sealing->sealed = kept;
        sealing->last_four = document_words(call, scratch, before->text, "key_last_four");
        sealing->set_at = document_words(call, scratch, before->text, "key_set_at");
    }
    bool const other = sealed.len > 0 && !str_eq(sealed, kept);
    if (plain.len > 0 && other)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "api_key_sealed",
                           "either api_key or api_key_sealed");
    if (plain.len > 0) {
        enum err const err = seal_plain(sealing, plain);
        secret_zero((char *)(uintptr_t)plain.ptr, plain.len); /* our arena's */
        return err;
    }
    if (other)
        return take_sealed(sealing, sealed);
    if (sealing->sealed.len == 0)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "api_key", "it must be given");
    return ERR_OK;
}

/* --- the provider that it is for -------------------------------------------------------------- */
struct wanted {
    struct str provider;
    bool found;
};

static bool is_wanted(void *owner, const struct admin_model *model)
{
    struct wanted *wanted = owner;
    wanted->found = str_eq(model->provider, wanted->provider);
    return !wanted->found;
}

static enum err check_provider(struct sealing *sealing, struct str text)
{
    struct admin_call *call = sealing->call;
    const struct admin_options *options = admin_options(call->admin);
    struct object object;
    struct wanted wanted = {.provider = document_words(call, &sealing->scratch, text, "provider")};
    options->models(options->owner, is_wanted, &wanted);
    if (wanted.found ||
        book_object_get(options->book, OBJECT_PROVIDER, wanted.provider, call->arena, &object))
        return ERR_OK;
    return fault_param(&call->fault, ERR_FIELD_INVALID, "provider", "there is no such provider");
}

static enum err put_key(struct sealing *sealing, struct str bare, struct str *text)
{
    struct admin_call *call = sealing->call;
    struct buf patch, out;
    struct json_writer writer;
    buf_init(&patch, SEALED_BYTES_MAX + ADMIN_TEXT_BYTES_MAX);
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    json_write_start(&writer, &patch);
    json_object_open(&writer);
    json_pair_text(&writer, "api_key_sealed", sealing->sealed);
    json_pair_text(&writer, "key_last_four", sealing->last_four);
    json_pair_text(&writer, "key_set_at", sealing->set_at);
    json_object_close(&writer);
    enum err err = json_write_end(&writer);
    if (err == ERR_OK)
        err = json_merge(bare, buf_view(&patch), call->arena, &out);
    if (err == ERR_OK)
        *text = arena_copy(call->arena, buf_view(&out));
    if (err == ERR_OK && text->ptr == NULL)
        err = ERR_NO_MEMORY;
    buf_free(&patch);
    buf_free(&out);
    return err;
}

enum err ai_config_seal(struct admin_call *call, struct object_change *change,
                        const struct object *before)
{
    static const char *const names[] = {"api_key", "api_key_sealed", "key_last_four", "key_set_at",
                                        NULL};
    struct sealing *sealing = arena_zalloc(call->arena, sizeof *sealing);
    if (sealing == NULL)
        return ERR_NO_MEMORY;
    sealing->call = call;
    enum err err = check_provider(sealing, change->text);
    if (err == ERR_OK)
        err = seal(sealing, change->text, before);
    struct str const bare = err == ERR_OK ? without(call, change->text, names) : STR("");
    if (err == ERR_OK && bare.ptr == NULL)
        err = ERR_NO_MEMORY;
    if (err == ERR_OK)
        err = put_key(sealing, bare, &change->text);
    return err;
}

/* --- rotation --------------------------------------------------------------------------------- */
/* One try. The plain key is in memory for as long as it takes to seal it again. */
static enum err reseal(struct admin_call *call, const struct object *object, bool *changed)
{
    const struct admin_options *options = admin_options(call->admin);
    struct sealing *sealing = arena_zalloc(call->arena, sizeof *sealing);
    struct buf plain, token;
    uint32_t version;
    bool newest = false;
    if (sealing == NULL)
        return ERR_NO_MEMORY;
    sealing->call = call;
    struct str const old = document_words(call, &sealing->scratch, object->text, "api_key_sealed");
    sealing->last_four = document_words(call, &sealing->scratch, object->text, "key_last_four");
    sealing->set_at = document_words(call, &sealing->scratch, object->text, "key_set_at");
    buf_init(&plain, SEALED_BYTES_MAX);
    buf_init(&token, SEALED_BYTES_MAX);
    enum err err = own_keys_open(options->own_keys, old, &plain, &newest, &call->fault);
    if (err == ERR_OK && !newest)
        err = own_keys_seal(options->own_keys, buf_view(&plain), &token, &call->fault);
    sealing->sealed = arena_copy(call->arena, buf_view(&token));
    wipe(&plain);
    buf_free(&token);
    if (err != ERR_OK || newest)
        return err;
    struct object_change change = {.kind = object->kind,
                                   .id = object->id,
                                   .customer_id = object->customer_id,
                                   .before = object->text,
                                   .expected = object->version,
                                   .origin = object->origin};
    err = put_key(sealing, object->text, &change.text);
    if (err == ERR_OK)
        err = book_objects_put(options->book, &change, 1, &call->actor, &version, &call->fault);
    *changed = err == ERR_OK;
    return err;
}

enum err ai_config_reseal(struct admin_call *call, struct str id, bool *changed)
{
    struct object object;
    enum err err = ERR_OK;
    *changed = false;
    for (int tries = 0; tries < OBJECT_TRIES; tries++) {
        call->fault = (struct fault){0};
        err = object_load(call, OBJECT_AI_CONFIG, id, &object);
        if (err == ERR_OK)
            err = reseal(call, &object, changed);
        if (err != ERR_VERSION_CONFLICT)
            break;
    }
    if (err == ERR_NOT_FOUND) {
        call->fault = (struct fault){0};
        return ERR_OK; /* deleted meanwhile */
    }
    return err;
}
