/* idempotent.c - the claim of a management write: begun, answered again, kept, sealed. */
#include "admin/idempotent.h"
#include "base/limits.h"
#include "base/must.h"
#include "base/random.h"
#include "base/secret.h"
#include "book/claim.h"
#include <sodium.h>

struct idempotent {
    unsigned char hash[32], print[32];
    int64_t begun_us; /* 0: not claimed yet */
    bool again;
};
_Static_assert(BOOK_DERIVED_BYTES >= crypto_secretbox_KEYBYTES, "a key to seal with");

static const char header_name[] = "Idempotency-Key";
static const char replayed[] = "idempotent-replayed: true\r\n";
static const char secret_prefix[] = "ck_live_";
enum { SECRET_CHARS = 52, ID_CHARS = ULID_TEXT_BYTES };

static bool has_header(const struct admin_call *call)
{
    for (const struct api_parameter *it = call->operation->parameters; it->name != NULL; it++)
        if (it->place == API_IN_HEADER && strcmp(it->name, header_name) == 0)
            return true;
    return false;
}

static void mix(crypto_generichash_state *state, struct str text)
{
    uint64_t const len = text.len; /* so that "ab","c" is not "a","bc" */
    crypto_generichash_update(state, (const unsigned char *)&len, sizeof len);
    crypto_generichash_update(state, (const unsigned char *)text.ptr, text.len);
}

/* Whose key it is, and what it was sent with. */
void idempotent_read(struct admin_call *call)
{
    struct str const key = http_header(call->exchange, str_of("idempotency-key"));
    if (key.len == 0 || !has_header(call))
        return;
    struct idempotent *mine = arena_zalloc(call->arena, sizeof *mine);
    crypto_generichash_state state;
    call->idempotent = mine;
    if (mine == NULL)
        return;
    crypto_generichash_init(&state, NULL, 0, sizeof mine->hash);
    mix(&state, STR("management"));
    mix(&state, call->actor.actor);
    mix(&state, call->customer);
    mix(&state, key);
    crypto_generichash_final(&state, mine->hash, sizeof mine->hash);
    crypto_generichash_init(&state, NULL, 0, sizeof mine->print);
    mix(&state, str_of(call->operation->path));
    for (size_t i = 0; i < API_PATH_PARAMETERS_MAX; i++)
        mix(&state, call->params[i]);
    mix(&state, call->query);
    mix(&state, call->if_match);
    mix(&state, call->body);
    crypto_generichash_final(&state, mine->print, sizeof mine->print);
}

/* --- sealing --------------------------------------------------------------------------------- */
static void seal_key(const struct admin_call *call, unsigned char key[BOOK_DERIVED_BYTES])
{
    book_derive(admin_options(call->admin)->book, "management answers",
                str_make((const char *)call->idempotent->hash, sizeof call->idempotent->hash), key);
}

static struct str sealed(struct admin_call *call, struct str body)
{
    unsigned char key[BOOK_DERIVED_BYTES];
    size_t const head = crypto_secretbox_NONCEBYTES;
    size_t const bytes = head + crypto_secretbox_MACBYTES + body.len;
    unsigned char *out = arena_alloc(call->arena, bytes);
    if (out == NULL)
        return (struct str){0};
    random_secret(out, head);
    seal_key(call, key);
    crypto_secretbox_easy(out + head, (const unsigned char *)body.ptr, body.len, out, key);
    secret_zero(key, sizeof key);
    return str_make((const char *)out, bytes);
}

static enum err unseal(struct admin_call *call, struct str body)
{
    unsigned char key[BOOK_DERIVED_BYTES];
    size_t const head = crypto_secretbox_NONCEBYTES, mac = crypto_secretbox_MACBYTES;
    if (body.len < head + mac)
        return fault_set(&call->fault, ERR_IDEMPOTENCY_LOST, "its answer was not kept");
    const unsigned char *bytes = (const unsigned char *)body.ptr;
    unsigned char *plain = arena_alloc(call->arena, body.len);
    if (plain == NULL)
        return ERR_NO_MEMORY;
    seal_key(call, key);
    int const opened = crypto_secretbox_open_easy(plain, bytes + head, body.len - head, bytes, key);
    secret_zero(key, sizeof key);
    if (opened != 0)
        return fault_set(&call->fault, ERR_IDEMPOTENCY_LOST, "its answer cannot be read any more");
    return buf_add(&call->out, str_make((const char *)plain, body.len - head - mac));
}

/* --- answering again ------------------------------------------------------------------------- */
struct stored {
    struct admin_call *call;
    struct idempotency_answer answer;
    bool whole;
};

static bool stored_visit(void *owner, const struct idempotency_row *row)
{
    struct stored *stored = owner;
    struct arena *arena = stored->call->arena;
    stored->answer =
        (struct idempotency_answer){row->status, arena_copy(arena, row->content_type),
                                    arena_copy(arena, row->headers), arena_copy(arena, row->body)};
    stored->whole = stored->answer.content_type.ptr != NULL && stored->answer.body.ptr != NULL;
    return false;
}

static enum err stored_answer(struct admin_call *call, struct idempotency_answer *answer)
{
    struct store *store = admin_options(call->admin)->store;
    struct stored stored = {.call = call};
    bool found = false;
    enum err const err = store->ops->idempotency_get(store, STR(""), call->idempotent->hash,
                                                     stored_visit, &stored, &found, &call->fault);
    if (err != ERR_OK)
        return err;
    if (!found || !stored.whole || stored.answer.status == 0)
        return fault_set(&call->fault, ERR_IDEMPOTENCY_IN_FLIGHT, "its answer is being stored");
    *answer = stored.answer;
    return ERR_OK;
}

static enum err answer_again(struct admin_call *call, const struct idempotency_answer *answer)
{
    struct str const lines[] = {answer->headers, str_of(replayed)};
    call->status = answer->status;
    call->headers = arena_concat(call->arena, lines, 2);
    struct str const type = arena_printf(call->arena, "%.*s", STR_ARG(answer->content_type));
    if (call->headers.ptr == NULL || type.ptr == NULL)
        return ERR_NO_MEMORY;
    call->content_type = type.ptr;
    return unseal(call, answer->body);
}

enum err idempotent_begin(struct admin_call *call, bool *answered)
{
    struct idempotent *mine = call->idempotent;
    struct claim claim;
    *answered = false;
    enum err err =
        book_claim(admin_options(call->admin)->book, mine->hash, mine->print, call->arena, &claim);
    if (err != ERR_OK)
        return fault_set(&call->fault, err, "the Idempotency-Key cannot be kept");
    *answered = true;
    switch (claim.state) {
    case IDEMPOTENCY_NEW:
        mine->begun_us = claim.begun_us;
        mine->again = claim.again;
        *answered = false;
        return ERR_OK;
    case IDEMPOTENCY_DONE:
        return answer_again(call, &claim.answer);
    case IDEMPOTENCY_STORED:
        err = stored_answer(call, &claim.answer);
        return err == ERR_OK ? answer_again(call, &claim.answer) : err;
    case IDEMPOTENCY_MISMATCH:
        return ERR_IDEMPOTENCY_MISMATCH;
    case IDEMPOTENCY_IN_FLIGHT:
    case IDEMPOTENCY_LOST:
        break;
    }
    return ERR_IDEMPOTENCY_IN_FLIGHT;
}

static void keep_answer(struct admin_call *call)
{
    struct idempotent *mine = call->idempotent;
    struct book *book = admin_options(call->admin)->book;
    struct idempotency_answer const answer = {
        .status = call->status,
        .content_type = str_of(call->content_type),
        .headers = call->headers.len > 0 ? call->headers : STR("cache-control: no-store\r\n"),
        .body = sealed(call, buf_view(&call->out)),
    };
    if (answer.body.ptr == NULL)
        book_claim_leave(book, mine->hash);
    else
        book_claim_finish(book, mine->hash, &answer);
}

void idempotent_end(struct admin_call *call)
{
    struct idempotent *mine = call->idempotent;
    struct book *book = admin_options(call->admin)->book;
    if (mine->begun_us == 0)
        return;
    if (call->err == ERR_OK) {
        keep_answer(call);
    } else if (mine->again && call->err == ERR_CONFLICT) {
        /* what stands in the way may well be the work of the first try */
        call->err = fault_set(&call->fault, ERR_IDEMPOTENCY_LOST,
                              "look whether it is as you want it, then use a new key");
        book_claim_leave(book, mine->hash);
    } else if (err_row(call->err)->http >= 500) {
        book_claim_leave(book, mine->hash);
    } else {
        book_claim_drop(book, mine->hash);
    }
    mine->begun_us = 0;
}

/* --- what follows from the key --------------------------------------------------------------- */
/* Five bits of each byte. */
static void spell(const unsigned char *bytes, size_t count, char *out)
{
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    for (size_t i = 0; i < count; i++)
        out[i] = alphabet[bytes[i] & 31];
}

static void derive(const struct admin_call *call, const char *label,
                   unsigned char bytes[BOOK_DERIVED_BYTES])
{
    const struct idempotent *mine = call->idempotent;
    unsigned char seed[sizeof mine->hash + sizeof mine->begun_us];
    memcpy(seed, mine->hash, sizeof mine->hash);
    memcpy(seed + sizeof mine->hash, &mine->begun_us, sizeof mine->begun_us);
    book_derive(admin_options(call->admin)->book, label, str_make((const char *)seed, sizeof seed),
                bytes);
}

static bool is_claimed(const struct admin_call *call)
{
    return call->idempotent != NULL && call->idempotent->begun_us != 0;
}

bool idempotent_id(struct admin_call *call, struct str *id)
{
    struct random random;
    uint64_t seed;
    int64_t at_us = clock_wall_us(admin_options(call->admin)->clock);
    unsigned char bytes[BOOK_DERIVED_BYTES];
    char text[ID_CHARS];
    if (is_claimed(call)) {
        derive(call, "id", bytes);
        memcpy(&seed, bytes, sizeof seed);
        at_us = call->idempotent->begun_us;
    } else {
        random_secret(&seed, sizeof seed);
    }
    random_seed(&random, seed);
    ulid_text(ulid_make(&random, at_us), text);
    *id = arena_copy(call->arena, str_make(text, sizeof text));
    return id->ptr != NULL;
}

bool idempotent_secret(struct admin_call *call, struct str *secret)
{
    unsigned char bytes[BOOK_DERIVED_BYTES];
    size_t const prefix = sizeof secret_prefix - 1;
    *secret = (struct str){0};
    if (!is_claimed(call))
        return true;
    char *text = arena_alloc(call->arena, prefix + SECRET_CHARS);
    if (text == NULL)
        return false;
    memcpy(text, secret_prefix, prefix);
    derive(call, "key secret", bytes);
    spell(bytes, SECRET_CHARS, text + prefix);
    secret_zero(bytes, sizeof bytes);
    *secret = str_make(text, prefix + SECRET_CHARS);
    return true;
}

bool idempotent_again(const struct admin_call *call)
{
    return is_claimed(call) && call->idempotent->again;
}
