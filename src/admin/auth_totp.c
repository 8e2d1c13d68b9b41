/* auth_totp.c - the second factor: enrolling, confirming, recovery codes, taking it away, rotation.
 *
 * What:  the secret is sealed with the keys of `encryption_keys`; a code is good once: the step of
 *        the last good one is stored in the same put as what it opened.
 */
#include "admin/auth_int.h"
#include "base/random.h"
#include "codec/totp.h"

enum { SEALED_BYTES_MAX = 512, TOTP_URI_BYTES_MAX = 1024 };

static struct own_keys *keys_of(const struct admin_call *call)
{
    return admin_options(call->admin)->own_keys;
}

static enum err ring_missing(struct admin_call *call)
{
    return fault_set(&call->fault, ERR_CONFLICT,
                     "the second factor needs encryption_keys in cota.yaml; cota keygen makes one");
}

static bool unseal(struct admin_call *call, struct str sealed,
                   unsigned char secret[TOTP_SECRET_BYTES])
{
    struct buf plain;
    struct fault ignored = {0};
    bool newest;
    buf_init(&plain, SEALED_BYTES_MAX);
    bool const good = own_keys_open(keys_of(call), sealed, &plain, &newest, &ignored) == ERR_OK &&
                      totp_secret_parse(buf_view(&plain), secret);
    if (plain.ptr != NULL)
        secret_zero(plain.ptr, plain.len);
    buf_free(&plain);
    return good;
}

static bool code_is(struct admin_call *call, struct str sealed, struct str code, int64_t *step)
{
    unsigned char secret[TOTP_SECRET_BYTES];
    bool const good = unseal(call, sealed, secret) &&
                      totp_check(secret, code, admin_now_us(call) / 1000000, step);
    secret_zero(secret, sizeof secret);
    return good;
}

bool totp_use(struct admin_call *call, struct member_secret *secret, struct str code)
{
    return code_is(call, secret->totp, code, &secret->totp_step);
}

bool recovery_use(struct member_secret *secret, struct str code)
{
    char hash[TOKEN_HASH_BYTES];
    size_t found = secret->recovery_count;
    token_hash("recovery", code, hash);
    for (size_t i = 0; i < secret->recovery_count; i++)
        if (secret_equal(secret->recovery[i], str_make(hash, sizeof hash)))
            found = i;
    if (found == secret->recovery_count)
        return false;
    secret->recovery[found] = secret->recovery[--secret->recovery_count];
    return true;
}

/* The caller, whose password is right. Under the team's lock. */
static enum err open_self(struct admin_call *call, struct member *member,
                          struct member_secret *secret)
{
    struct str password = {0};
    enum err err = member_self(call, member);
    if (err == ERR_OK)
        err = admin_body_text(call, "password", true, &password);
    if (err != ERR_OK)
        return err;
    member_secret_find(call, member->id, secret);
    return member_password_check(call, member, secret, password);
}

static enum err store(struct admin_call *call, const struct member *member,
                      const struct member_secret *secret)
{
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    struct member before;
    if (changes == NULL)
        return ERR_NO_MEMORY;
    changes->call = call;
    change_secret(changes, member, secret);
    if (member_find(call, member->id, &before) && before.totp != member->totp)
        change_member(changes, member);
    return changes_write(changes);
}

/* --- enrolling ------------------------------------------------------------------------------- */
static enum err put_enrolment(struct json_writer *writer, const struct member *member,
                              const unsigned char bytes[TOTP_SECRET_BYTES])
{
    char text[TOTP_SECRET_TEXT_BYTES], uri[TOTP_URI_BYTES_MAX];
    totp_secret_text(bytes, text);
    size_t const len = totp_uri(STR("Cota"), member->email, bytes, uri, sizeof uri);
    json_object_open(writer);
    json_pair_text(writer, "secret", str_make(text, sizeof text));
    json_pair_text(writer, "uri", str_make(uri, len));
    json_object_close(writer);
    secret_zero(text, sizeof text);
    secret_zero(uri, sizeof uri);
    return json_write_end(writer);
}

static enum err seal_new(struct admin_call *call, const unsigned char bytes[TOTP_SECRET_BYTES],
                         struct str *sealed)
{
    char text[TOTP_SECRET_TEXT_BYTES];
    struct buf token;
    buf_init(&token, SEALED_BYTES_MAX);
    totp_secret_text(bytes, text);
    enum err err = own_keys_seal(keys_of(call), str_make(text, sizeof text), &token, &call->fault);
    secret_zero(text, sizeof text);
    if (err == ERR_OK)
        *sealed = arena_copy(call->arena, buf_view(&token));
    buf_free(&token);
    return err != ERR_OK ? err : sealed->ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err enrol(struct admin_call *call, struct json_writer *writer)
{
    struct member member;
    struct member_secret secret;
    unsigned char bytes[TOTP_SECRET_BYTES];
    enum err err = open_self(call, &member, &secret);
    if (err == ERR_OK && secret.totp.len > 0)
        err = fault_set(&call->fault, ERR_CONFLICT, "the second factor is on; disable it first");
    if (err != ERR_OK)
        return err;
    random_secret(bytes, sizeof bytes);
    err = seal_new(call, bytes, &secret.totp_pending);
    if (err == ERR_OK)
        err = store(call, &member, &secret);
    if (err == ERR_OK)
        err = put_enrolment(writer, &member, bytes);
    secret_zero(bytes, sizeof bytes);
    return err;
}

enum err auth_totp_enrol(struct admin_call *call, struct json_writer *writer)
{
    struct auth *auth = admin_auth(call->admin);
    if (!own_keys_has_ring(keys_of(call)))
        return ring_missing(call);
    pthread_mutex_lock(&auth->team);
    enum err const err = enrol(call, writer);
    pthread_mutex_unlock(&auth->team);
    return err;
}

/* --- confirming ------------------------------------------------------------------------------ */
static enum err put_codes(struct admin_call *call, struct json_writer *writer,
                          struct member_secret *secret)
{
    json_object_open(writer);
    json_key(writer, "recovery_codes");
    json_array_open(writer);
    for (size_t i = 0; i < RECOVERY_CODES; i++) {
        char code[RECOVERY_CODE_BYTES], hash[TOKEN_HASH_BYTES];
        recovery_code_make(code);
        token_hash("recovery", str_make(code, sizeof code), hash);
        secret->recovery[i] = arena_copy(call->arena, str_make(hash, sizeof hash));
        if (secret->recovery[i].ptr == NULL)
            return ERR_NO_MEMORY;
        json_put_text(writer, str_make(code, sizeof code));
    }
    secret->recovery_count = RECOVERY_CODES;
    json_array_close(writer);
    json_object_close(writer);
    return json_write_end(writer);
}

static enum err confirm(struct admin_call *call, struct json_writer *writer, struct str code)
{
    struct member member;
    struct member_secret secret;
    enum err err = member_self(call, &member);
    if (err != ERR_OK)
        return err;
    member_secret_find(call, member.id, &secret);
    if (secret.totp_pending.len == 0)
        return fault_set(&call->fault, ERR_CONFLICT, "nothing waits to be confirmed");
    err = login_take(call, member.email);
    if (err != ERR_OK)
        return err;
    if (!code_is(call, secret.totp_pending, code, &secret.totp_step))
        return ERR_LOGIN_FAILED;
    throttle_clear(admin_auth(call->admin)->throttle, member.email, call->actor.address,
                   admin_now_us(call));
    secret.totp = secret.totp_pending;
    secret.totp_pending = STR("");
    member.totp = true;
    err = put_codes(call, writer, &secret);
    return err == ERR_OK ? store(call, &member, &secret) : err;
}

enum err auth_totp_confirm(struct admin_call *call, struct json_writer *writer)
{
    struct str code = {0};
    struct auth *auth = admin_auth(call->admin);
    enum err err = admin_body_text(call, "code", true, &code);
    if (err != ERR_OK)
        return err;
    pthread_mutex_lock(&auth->team);
    err = confirm(call, writer, code);
    pthread_mutex_unlock(&auth->team);
    return err;
}

static void factor_clear(struct member *member, struct member_secret *secret)
{
    secret->totp = secret->totp_pending = STR("");
    secret->recovery_count = 0;
    secret->totp_step = 0; /* of the secret that is gone */
    member->totp = false;
}

enum err auth_totp_disable(struct admin_call *call, struct json_writer *writer)
{
    struct member member;
    struct member_secret secret;
    struct auth *auth = admin_auth(call->admin);
    pthread_mutex_lock(&auth->team);
    enum err err = open_self(call, &member, &secret);
    factor_clear(&member, &secret);
    if (err == ERR_OK)
        err = store(call, &member, &secret);
    pthread_mutex_unlock(&auth->team);
    if (err != ERR_OK)
        return err;
    call->status = 204;
    json_put_null(writer); /* a 204 has no body */
    return json_write_end(writer);
}

/* --- taken away by somebody else ------------------------------------------------------------- */
static enum err remove_locked(struct admin_call *call)
{
    struct member member;
    struct member_secret secret;
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    if (changes == NULL)
        return ERR_NO_MEMORY;
    changes->call = call;
    if (!member_find(call, call->params[0], &member))
        return ERR_NOT_FOUND;
    enum err const err = member_may_change(call, &member);
    if (err != ERR_OK)
        return err;
    if (str_eq(call->operator_id, member.id)) /* a session alone shall not get rid of it */
        return fault_set(&call->fault, ERR_CONFLICT, "your own goes with your password");
    member_secret_find(call, member.id, &secret);
    if (secret.totp.len + secret.totp_pending.len == 0)
        return fault_set(&call->fault, ERR_CONFLICT, "there is no second factor");
    factor_clear(&member, &secret);
    change_member(changes, &member);
    change_secret(changes, &member, &secret);
    change_end(changes, OBJECT_SESSION, member.id, 0); /* what was lost may be signed in */
    return changes_write(changes);
}

enum err team_totp_remove(struct admin_call *call, struct json_writer *writer)
{
    struct auth *auth = admin_auth(call->admin);
    pthread_mutex_lock(&auth->team);
    enum err const err = remove_locked(call);
    pthread_mutex_unlock(&auth->team);
    if (err != ERR_OK)
        return err;
    call->status = 204;
    json_put_null(writer); /* a 204 has no body */
    return json_write_end(writer);
}

/* --- rotation of encryption_keys -------------------------------------------------------------- */
static enum err reseal_one(struct admin_call *call, struct str *sealed, bool *changed)
{
    struct buf plain, token;
    bool newest = true;
    if (sealed->len == 0)
        return ERR_OK;
    buf_init(&plain, SEALED_BYTES_MAX);
    buf_init(&token, SEALED_BYTES_MAX);
    enum err err = own_keys_open(keys_of(call), *sealed, &plain, &newest, &call->fault);
    if (err == ERR_OK && !newest)
        err = own_keys_seal(keys_of(call), buf_view(&plain), &token, &call->fault);
    if (err == ERR_OK && !newest) {
        *sealed = arena_copy(call->arena, buf_view(&token));
        *changed = true;
        err = sealed->ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
    }
    if (plain.ptr != NULL)
        secret_zero(plain.ptr, plain.len);
    buf_free(&plain);
    buf_free(&token);
    return err;
}

static enum err reseal_locked(struct admin_call *call, struct str id, bool *changed)
{
    struct member const member = {.id = id};
    struct member_secret secret;
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    if (changes == NULL)
        return ERR_NO_MEMORY;
    changes->call = call;
    member_secret_find(call, id, &secret);
    enum err err = reseal_one(call, &secret.totp, changed);
    if (err == ERR_OK)
        err = reseal_one(call, &secret.totp_pending, changed);
    if (err != ERR_OK || !*changed)
        return err;
    change_secret(changes, &member, &secret);
    return changes_write(changes);
}

enum err auth_totp_reseal(struct admin_call *call, struct str id, bool *changed)
{
    struct auth *auth = admin_auth(call->admin);
    *changed = false;
    pthread_mutex_lock(&auth->team);
    enum err const err = reseal_locked(call, id, changed);
    pthread_mutex_unlock(&auth->team);
    *changed = *changed && err == ERR_OK;
    return err;
}
