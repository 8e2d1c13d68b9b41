/* session.c - signing in and out, the own password.
 *
 * Why:   who does not exist costs the same work and gets the same answer as a wrong password.
 */
#include "admin/auth_int.h"
#include "base/log.h"

/* --- the second half of a login -------------------------------------------------------------- */
enum err login_take(struct admin_call *call, struct str account)
{
    int64_t const wait_s = throttle_take(admin_auth(call->admin)->throttle, account,
                                         call->actor.address, admin_now_us(call));
    if (wait_s == 0)
        return ERR_OK;
    call->headers = arena_printf(call->arena, "cache-control: no-store\r\nretry-after: %lld\r\n",
                                 (long long)wait_s);
    return fault_set(&call->fault, ERR_LOGIN_LIMITED, "try again in %lld s", (long long)wait_s);
}

static void login_good(struct admin_call *call, struct str account)
{
    throttle_clear(admin_auth(call->admin)->throttle, account, call->actor.address,
                   admin_now_us(call));
}

static enum err login_bad(struct admin_call *call)
{
    LOG(login_failed, field_str("peer", call->actor.address));
    return ERR_LOGIN_FAILED;
}

enum err member_password_check(struct admin_call *call, const struct member *member,
                               const struct member_secret *secret, struct str password)
{
    enum err const err = login_take(call, member->email);
    if (err != ERR_OK)
        return err;
    if (!password_verify(secret->password, password))
        return login_bad(call);
    login_good(call, member->email);
    return ERR_OK;
}

enum err member_self(struct admin_call *call, struct member *member)
{
    if (call->operator_id.len == 0)
        return fault_set(&call->fault, ERR_SCOPE_FORBIDDEN,
                         "only an operator with a session has this");
    return member_find(call, call->operator_id, member) ? ERR_OK : ERR_SESSION_INVALID;
}

/* --- cookies --------------------------------------------------------------------------------- */
static enum err set_cookie(struct admin_call *call, struct str value, int64_t age_s)
{
    call->headers = arena_printf(call->arena,
                                 "cache-control: no-store\r\nset-cookie: " SESSION_COOKIE
                                 "=%.*s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s\r\n",
                                 STR_ARG(value), (long long)age_s,
                                 admin_options(call->admin)->tls ? "; Secure" : "");
    return call->headers.ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err answer_nothing(struct admin_call *call, struct json_writer *writer)
{
    call->status = 204;
    json_put_null(writer); /* a 204 has no body */
    return json_write_end(writer);
}

static enum err put_session(struct admin_call *call, struct json_writer *writer,
                            const struct member *member, struct str csrf, struct str expires_at)
{
    json_object_open(writer);
    json_key(writer, "operator");
    json_object_open(writer);
    json_pair_text(writer, "id", member->id);
    member_put(writer, member);
    json_object_close(writer);
    json_key(writer, "permissions");
    json_array_open(writer);
    for (unsigned i = 0; i < PERMISSION_COUNT; i++)
        if (permission_in(call->permissions, (enum permission)i))
            json_put_text(writer, permission_text((enum permission)i));
    json_array_close(writer);
    json_pair_text(writer, "csrf", csrf);
    json_pair_text(writer, "expires_at", expires_at);
    json_object_close(writer);
    return json_write_end(writer);
}

/* --- login ----------------------------------------------------------------------------------- */
struct login {
    struct str email, password, totp, recovery;
    struct member member;
    struct member_secret secret;
    bool secret_changed;
};

static enum err read_login(struct admin_call *call, struct login *login)
{
    enum err err = admin_body_text(call, "email", true, &login->email);
    if (err == ERR_OK)
        err = admin_body_text(call, "password", true, &login->password);
    if (err == ERR_OK)
        err = admin_body_text(call, "totp", false, &login->totp);
    if (err == ERR_OK)
        err = admin_body_text(call, "recovery_code", false, &login->recovery);
    login->email = email_lower(call, login->email);
    return err;
}

/* The second factor, when there is one; it is used up by this. */
static enum err second_factor(struct admin_call *call, struct login *login)
{
    if (login->secret.totp.len == 0)
        return ERR_OK;
    login->secret_changed = true;
    if (login->totp.ptr != NULL)
        return totp_use(call, &login->secret, login->totp) ? ERR_OK : login_bad(call);
    if (login->recovery.ptr != NULL)
        return recovery_use(&login->secret, login->recovery) ? ERR_OK : login_bad(call);
    throttle_give_back(admin_auth(call->admin)->throttle, login->email, call->actor.address,
                       admin_now_us(call));
    return ERR_TOTP_REQUIRED;
}

static enum err prove_password(struct admin_call *call, struct login *login)
{
    enum err const err = login_take(call, login->email);
    if (err != ERR_OK)
        return err;
    bool const found = member_by_email(call, login->email, &login->member) && login->member.active;
    if (found)
        member_secret_find(call, login->member.id, &login->secret);
    if (!password_verify(found ? login->secret.password : STR(""), login->password))
        return login_bad(call);
    return ERR_OK;
}

/* Under the team's lock: the operator may have been disabled while the password was looked at. */
static enum err prove_again(struct admin_call *call, struct login *login)
{
    uint32_t const version = login->secret.version;
    if (!member_find(call, login->member.id, &login->member) || !login->member.active)
        return login_bad(call);
    member_secret_find(call, login->member.id, &login->secret);
    return login->secret.version == version ? second_factor(call, login) : login_bad(call);
}

/* One put: the session, the code that is used up, sessions that are over. */
static enum err begin_session(struct admin_call *call, struct login *login, struct str expires_at,
                              struct str id)
{
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    struct buf out;
    struct json_writer text;
    if (changes == NULL)
        return ERR_NO_MEMORY;
    changes->call = call;
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    json_write_start(&text, &out);
    json_object_open(&text);
    json_pair_text(&text, "operator", login->member.id);
    json_pair_text(&text, "expires_at", expires_at);
    json_pair_text(&text, "address", call->actor.address);
    json_pair_text(&text, "user_agent", call->actor.user_agent);
    json_object_close(&text);
    enum err err = json_write_end(&text);
    struct str const copy = err == ERR_OK ? arena_copy(call->arena, buf_view(&out)) : STR("");
    buf_free(&out);
    if (copy.len == 0)
        return ERR_NO_MEMORY;
    call->actor.actor = arena_printf(call->arena, "operator:%.*s", STR_ARG(login->member.id));
    if (login->secret_changed)
        change_secret(changes, &login->member, &login->secret);
    change_end(changes, OBJECT_SESSION, login->member.id, SESSIONS_PER_MEMBER_MAX - 1);
    change_add(changes, OBJECT_SESSION, id, copy, OBJECT_ABSENT);
    return changes_write(changes);
}

enum err auth_login(struct admin_call *call, struct json_writer *writer)
{
    struct login login = {0};
    char token[TOKEN_BYTES_MAX], csrf[TOKEN_HASH_BYTES];
    struct auth *auth = admin_auth(call->admin);
    enum err err = read_login(call, &login);
    if (err != ERR_OK)
        return err;
    err = prove_password(call, &login);
    if (err != ERR_OK)
        return err;
    pthread_mutex_lock(&auth->team);
    err = prove_again(call, &login);
    token_make("", token);
    struct str const parts[] = {login.member.id, STR("."), str_of(token)};
    struct str const cookie = arena_concat(call->arena, parts, 3);
    int64_t const age_s = SESSION_AGE_MAX_S;
    struct str const until = instant_text(call, admin_now_us(call) + age_s * 1000000);
    if (err == ERR_OK)
        err = cookie.ptr != NULL && until.ptr != NULL
                  ? begin_session(call, &login, until, session_id(call, cookie))
                  : ERR_NO_MEMORY;
    pthread_mutex_unlock(&auth->team);
    secret_zero(token, sizeof token);
    if (err != ERR_OK)
        return err;
    login_good(call, login.email);
    session_csrf(cookie, csrf);
    call->permissions = member_permissions(&login.member);
    err = set_cookie(call, cookie, age_s);
    return err == ERR_OK
               ? put_session(call, writer, &login.member, str_make(csrf, sizeof csrf), until)
               : err;
}

enum err auth_logout(struct admin_call *call, struct json_writer *writer)
{
    struct object_change const change = {.kind = OBJECT_SESSION, .id = call->session_id};
    struct member member;
    uint32_t version;
    enum err err = member_self(call, &member);
    if (err == ERR_OK)
        err = book_objects_put(admin_options(call->admin)->book, &change, 1, &call->actor, &version,
                               &call->fault);
    if (err == ERR_NOT_FOUND) /* it was ended from somewhere else meanwhile */
        err = ERR_OK;
    if (err == ERR_OK)
        err = set_cookie(call, STR(""), 0);
    return err == ERR_OK ? answer_nothing(call, writer) : err;
}

enum err auth_session_get(struct admin_call *call, struct json_writer *writer)
{
    struct member member;
    struct object session;
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    enum err const err = member_self(call, &member);
    if (err != ERR_OK)
        return err;
    if (scratch == NULL || !book_object_get(admin_options(call->admin)->book, OBJECT_SESSION,
                                            call->session_id, call->arena, &session))
        return ERR_SESSION_INVALID;
    return put_session(call, writer, &member, call->csrf,
                       document_words(call, scratch, session.text, "expires_at"));
}

/* --- the own password ------------------------------------------------------------------------ */
static enum err store_password(struct admin_call *call, const struct member *member,
                               struct member_secret *secret, struct str fresh)
{
    char hash[PASSWORD_HASH_BYTES];
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    enum err const err = changes != NULL ? password_hash(fresh, hash) : ERR_NO_MEMORY;
    if (err != ERR_OK)
        return err;
    changes->call = call;
    secret->password = str_of(hash);
    change_secret(changes, member, secret);
    change_end(changes, OBJECT_SESSION, member->id, 0);
    change_end(changes, OBJECT_LINK, member->id, 0);
    return changes_write(changes);
}

enum err auth_password(struct admin_call *call, struct json_writer *writer)
{
    struct member member;
    struct member_secret secret;
    struct str old = {0}, fresh = {0};
    struct auth *auth = admin_auth(call->admin);
    enum err err = member_self(call, &member);
    if (err == ERR_OK)
        err = admin_body_text(call, "password", true, &old);
    if (err == ERR_OK)
        err = admin_body_text(call, "new_password", true, &fresh);
    if (err == ERR_OK)
        err = password_check(fresh, &call->fault);
    if (err != ERR_OK)
        return err;
    pthread_mutex_lock(&auth->team);
    member_secret_find(call, member.id, &secret);
    err = member_password_check(call, &member, &secret, old);
    if (err == ERR_OK)
        err = store_password(call, &member, &secret, fresh);
    pthread_mutex_unlock(&auth->team);
    if (err == ERR_OK)
        err = set_cookie(call, STR(""), 0);
    return err == ERR_OK ? answer_nothing(call, writer) : err;
}
