/* auth_caller.c - the credential of a call: admin token, machine token, session, or a customer's
 * key.
 *
 * Why:   all of it is memory: look-ups and a SHA-256, on the loop, with no disk and no waiting.
 */
#include "admin/auth_int.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "codec/when.h"

/* --- where a browser's call comes from ------------------------------------------------------- */
/* A browser says where a call was made; other clients say nothing. */
static bool is_same_origin(const struct admin_call *call)
{
    struct http_exchange *exchange = call->exchange;
    struct str const site = http_header(exchange, STR("sec-fetch-site"));
    struct str const origin = http_header(exchange, STR("origin"));
    struct str const host = http_header(exchange, STR("host"));
    if (site.ptr != NULL && !str_eq(site, STR("same-origin")) && !str_eq(site, STR("none")))
        return false;
    if (origin.ptr == NULL)
        return true;
    size_t const scheme = str_find(origin, STR("://"));
    return scheme < origin.len && host.len > 0 && str_eq_nocase(str_skip(origin, scheme + 3), host);
}

static bool is_write(const struct admin_call *call)
{
    enum http_method const method = http_head(call->exchange)->method;
    return method != HTTP_GET && method != HTTP_HEAD && method != HTTP_OPTIONS;
}

/* --- sessions -------------------------------------------------------------------------------- */
struct str session_cookie(const struct admin_call *call)
{
    struct str rest = http_header(call->exchange, STR("cookie"));
    struct str const name = STR(SESSION_COOKIE "=");
    struct str found = {0};
    if (http_header_count(call->exchange, STR("cookie")) > 1)
        return found;
    while (rest.len > 0) {
        size_t const end = str_find(rest, STR(";"));
        struct str const pair = str_trim(str_make(rest.ptr, end));
        if (str_starts(pair, name)) {
            if (found.ptr != NULL)
                return (struct str){0};
            found = str_skip(pair, name.len);
        }
        rest = str_skip(rest, end + 1);
    }
    return found;
}

struct str session_id(struct admin_call *call, struct str cookie)
{
    char hash[TOKEN_HASH_BYTES];
    size_t const dot = str_find(cookie, STR("."));
    if (dot != ULID_TEXT_BYTES || cookie.len > dot + TOKEN_BYTES_MAX)
        return (struct str){0};
    token_hash("session", str_skip(cookie, dot + 1), hash);
    struct str const parts[] = {str_make(cookie.ptr, dot + 1), str_make(hash, sizeof hash)};
    return arena_concat(call->arena, parts, 2);
}

void session_csrf(struct str cookie, char csrf[TOKEN_HASH_BYTES])
{
    token_hash("csrf", cookie, csrf);
}

static bool is_alive(struct admin_call *call, const struct object *session)
{
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    int64_t const now_us = admin_now_us(call);
    int64_t until_us = 0;
    return scratch != NULL &&
           when_parse(document_words(call, scratch, session->text, "expires_at"), &until_us) &&
           now_us < until_us &&
           auth_session_use(admin_auth(call->admin), str_skip(session->id, ULID_TEXT_BYTES + 1),
                            now_us);
}

static enum err by_session(struct admin_call *call, struct str cookie)
{
    struct object session;
    struct member member;
    char csrf[TOKEN_HASH_BYTES];
    struct str const id = session_id(call, cookie);
    if (id.ptr == NULL ||
        !book_object_get(admin_options(call->admin)->book, OBJECT_SESSION, id, call->arena,
                         &session) ||
        !is_alive(call, &session) ||
        !member_find(call, arena_copy(call->arena, str_make(id.ptr, ULID_TEXT_BYTES)), &member) ||
        !member.active)
        return ERR_SESSION_INVALID;
    session_csrf(cookie, csrf);
    if (is_write(call) &&
        (!is_same_origin(call) || !secret_equal(http_header(call->exchange, STR("x-cota-csrf")),
                                                str_make(csrf, sizeof csrf))))
        return ERR_CSRF_INVALID;
    call->operator_id = member.id;
    call->session_id = id;
    call->csrf = arena_copy(call->arena, str_make(csrf, sizeof csrf));
    call->permissions = member_permissions(&member);
    call->customer = member.customer;
    call->actor.actor = arena_printf(call->arena, "operator:%.*s", STR_ARG(member.id));
    return call->actor.actor.ptr != NULL && call->csrf.ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

/* --- bearer tokens --------------------------------------------------------------------------- */
static permission_set listed(struct str array)
{
    permission_set set = 0;
    struct str element, text;
    enum permission permission;
    for (size_t at = 0; json_next(array, &at, &element);)
        if (json_plain_text(element, &text) && permission_parse(text, &permission))
            set |= (permission_set)1 << permission;
    return set;
}

static enum err by_machine(struct admin_call *call, struct str secret)
{
    struct object token;
    char hash[TOKEN_HASH_BYTES];
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    token_hash("machine", secret, hash);
    if (scratch == NULL || !book_object_get(admin_options(call->admin)->book, OBJECT_MACHINE_TOKEN,
                                            str_make(hash, sizeof hash), call->arena, &token))
        return ERR_KEY_INVALID;
    struct str const end = document_words(call, scratch, token.text, "expires_at");
    int64_t until_us = 0;
    if (end.len > 0 && (!when_parse(end, &until_us) || admin_now_us(call) >= until_us))
        return ERR_KEY_EXPIRED;
    call->permissions = listed(document_raw(scratch, token.text, "permissions"));
    call->customer = document_words(call, scratch, token.text, "customer");
    call->actor.actor = arena_printf(call->arena, "machine:%.*s", STR_ARG(token.id));
    return call->actor.actor.ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

/* A customer's own key opens what openapi.yaml gives the scope `self`, and nothing else. */
static enum err by_key(struct admin_call *call, struct str secret)
{
    const struct key *key = NULL;
    struct fault ignored = {0};
    if (call->operation == NULL || call->operation->scope != API_SCOPE_SELF)
        return ERR_KEY_INVALID;
    enum err const err =
        book_authenticate(admin_options(call->admin)->book, secret, &key, &ignored);
    if (err != ERR_OK)
        return err;
    call->customer = customer_id(key_customer(key));
    call->key_id = key_id(key);
    MUST(call->customer.len > 0);
    call->actor.actor = arena_printf(call->arena, "key:%.*s", STR_ARG(call->key_id));
    return call->actor.actor.ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

enum err auth_caller(struct admin_call *call)
{
    struct http_exchange *exchange = call->exchange;
    struct str const given = http_header(exchange, STR("authorization"));
    struct str const scheme = STR("Bearer ");
    if (call->operation != NULL && call->operation->permission == PERMISSION_PUBLIC)
        return is_write(call) && !is_same_origin(call) ? ERR_CSRF_INVALID : ERR_OK;
    call->permissions = permissions_all();
    if (http_is_local(exchange))
        return ERR_OK;
    struct str const cookie = given.ptr == NULL ? session_cookie(call) : (struct str){0};
    if (cookie.ptr != NULL)
        return by_session(call, cookie);
    if (given.ptr == NULL)
        return ERR_KEY_MISSING;
    if (given.len <= scheme.len || !str_eq_nocase(str_make(given.ptr, scheme.len), scheme) ||
        http_header_count(exchange, STR("authorization")) != 1)
        return ERR_KEY_INVALID;
    struct str const secret = str_trim(str_skip(given, scheme.len));
    if (secret_equal(secret, secret_view(&admin_options(call->admin)->token)))
        return ERR_OK;
    call->permissions = 0;
    return str_starts(secret, STR("cm_")) ? by_machine(call, secret) : by_key(call, secret);
}
