/* team.c - operators: invited, changed, removed, and their one-time links.
 *
 * Rules: nobody gives or takes more than he has, but owners may give anything; the last active
 * owner stays.
 */
#include "admin/auth_int.h"
#include "base/random.h"

/* --- what may be ----------------------------------------------------------------------------- */
enum err member_may_change(struct admin_call *call, const struct member *member)
{
    permission_set const mine = permission_in(call->permissions, PERMISSION_OWNERS_WRITE)
                                    ? permissions_all()
                                    : call->permissions;
    if (permissions_within(member_permissions(member), mine))
        return ERR_OK;
    return fault_param(&call->fault, ERR_PERMISSION_DENIED, "role",
                       "nobody gives or takes more than he has: %.*s%s",
                       STR_ARG(role_text(member->role)), member->prompts ? " with prompts" : "");
}

static enum err customer_check(struct admin_call *call, const struct member *member)
{
    if (role_bound(member->role) != (member->customer.len > 0))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "customer",
                           role_bound(member->role) ? "this role belongs to a customer: say which"
                                                    : "this role belongs to no customer");
    if (member->customer.len > 0 &&
        book_customer(admin_options(call->admin)->book, member->customer) == NULL)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "customer",
                           "there is no such customer");
    return ERR_OK;
}

static enum err email_check(struct admin_call *call, const struct member *member)
{
    struct member other;
    if (!member_by_email(call, member->email, &other) || str_eq(other.id, member->id))
        return ERR_OK;
    return fault_param(&call->fault, ERR_CONFLICT, "email", "an operator has this address");
}

static enum err owner_check(struct admin_call *call, const struct member *before)
{
    if (before->role != ROLE_OWNER || !before->active || member_owners(call) > 1)
        return ERR_OK;
    return fault_set(&call->fault, ERR_CONFLICT, "the last owner stays; make another one first");
}

/* --- reading the body ------------------------------------------------------------------------ */
static enum err read_role(struct admin_call *call, struct member *member)
{
    struct str text = {0};
    enum err err = admin_body_text(call, "role", false, &text);
    if (err == ERR_OK && text.ptr != NULL && !role_parse(text, &member->role))
        err = fault_param(&call->fault, ERR_FIELD_INVALID, "role", "there is no such role");
    text = (struct str){0};
    if (err == ERR_OK)
        err = admin_body_text(call, "customer", false, &text);
    if (text.ptr != NULL)
        member->customer = text;
    else if (!role_bound(member->role) || json_get(&call->object, STR("customer")).ptr != NULL)
        member->customer = STR("");
    return err;
}

static enum err read_member(struct admin_call *call, struct member *member)
{
    struct str email = {0}, name = {0}, status = {0};
    enum err err = admin_body_text(call, "email", false, &email);
    if (err == ERR_OK)
        err = admin_body_text(call, "name", false, &name);
    if (err == ERR_OK)
        err = admin_body_text(call, "status", false, &status);
    if (err == ERR_OK)
        err = admin_body_bool(call, "prompts", &member->prompts);
    if (err == ERR_OK)
        err = read_role(call, member);
    if (email.ptr != NULL)
        member->email = email_lower(call, email);
    if (name.ptr != NULL)
        member->name = name;
    if (status.ptr != NULL)
        member->active = str_eq(status, STR("active"));
    return err;
}

enum err member_allowed(struct admin_call *call, const struct member *member)
{
    enum err err = member_may_change(call, member);
    if (err == ERR_OK)
        err = customer_check(call, member);
    return err == ERR_OK ? email_check(call, member) : err;
}

struct str member_new_id(struct admin_call *call)
{
    struct random random;
    uint64_t seed;
    char text[ULID_TEXT_BYTES];
    random_secret(&seed, sizeof seed);
    random_seed(&random, seed);
    ulid_text(ulid_make(&random, admin_now_us(call)), text);
    return arena_copy(call->arena, str_make(text, sizeof text));
}

/* --- links ----------------------------------------------------------------------------------- */
/* A fresh link in the changes; those before it end. *token is the secret. */
static void change_link(struct member_changes *changes, const struct member *member,
                        char token[TOKEN_BYTES_MAX], struct str *expires_at)
{
    struct admin_call *call = changes->call;
    char hash[TOKEN_HASH_BYTES];
    token_make("ci_", token);
    token_hash("link", str_of(token), hash);
    struct str const parts[] = {member->id, STR("."), str_make(hash, sizeof hash)};
    *expires_at = instant_text(call, admin_now_us(call) + (int64_t)LINK_S * 1000000);
    struct str const text =
        arena_printf(call->arena, "{\"operator\":\"%.*s\",\"expires_at\":\"%.*s\"}",
                     STR_ARG(member->id), STR_ARG(*expires_at));
    change_end(changes, OBJECT_LINK, member->id, 0);
    if (text.ptr == NULL)
        changes->failed = true;
    else
        change_add(changes, OBJECT_LINK, arena_concat(call->arena, parts, 3), text, OBJECT_ABSENT);
}

static void put_shown(struct admin_call *call, struct json_writer *writer,
                      const struct member *member)
{
    struct object object;
    json_pair_text(writer, "id", member->id);
    if (book_object_get(admin_options(call->admin)->book, OBJECT_OPERATOR, member->id, call->arena,
                        &object)) {
        json_pair_i64(writer, "version", object.version);
        member_put(writer, member);
        admin_put_instant(writer, "created_at", object.created_us);
        admin_put_instant(writer, "updated_at", object.updated_us);
        json_pair_text(writer, "origin", STR("runtime"));
    }
}

static enum err put_link(struct admin_call *call, struct json_writer *writer,
                         const struct member *member, char token[TOKEN_BYTES_MAX],
                         struct str expires_at)
{
    json_object_open(writer);
    json_key(writer, "operator");
    json_object_open(writer);
    put_shown(call, writer, member);
    json_object_close(writer);
    json_pair_text(writer, "token", str_of(token));
    json_pair_text(writer, "expires_at", expires_at);
    json_object_close(writer);
    secret_zero(token, TOKEN_BYTES_MAX);
    return json_write_end(writer);
}

/* --- operations ------------------------------------------------------------------------------ */
enum err team_invite(struct admin_call *call, struct json_writer *writer)
{
    struct member member = {.id = member_new_id(call), .active = true};
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    struct auth *auth = admin_auth(call->admin);
    char token[TOKEN_BYTES_MAX];
    struct str expires_at = {0};
    enum err err = changes != NULL ? read_member(call, &member) : ERR_NO_MEMORY;
    if (err != ERR_OK)
        return err;
    changes->call = call;
    pthread_mutex_lock(&auth->team);
    err = member_allowed(call, &member);
    if (err == ERR_OK &&
        book_object_count(admin_options(call->admin)->book, OBJECT_OPERATOR) >= MEMBERS_MAX)
        err = fault_set(&call->fault, ERR_TOO_LARGE, "at most %d operators", MEMBERS_MAX);
    if (err == ERR_OK) {
        change_member(changes, &member);
        change_link(changes, &member, token, &expires_at);
        err = changes_write(changes);
    }
    pthread_mutex_unlock(&auth->team);
    call->status = 201;
    return err == ERR_OK ? put_link(call, writer, &member, token, expires_at) : err;
}

enum err team_link(struct admin_call *call, struct json_writer *writer)
{
    struct member member;
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    struct auth *auth = admin_auth(call->admin);
    char token[TOKEN_BYTES_MAX];
    struct str expires_at = {0};
    enum err err = ERR_OK;
    if (changes == NULL)
        return ERR_NO_MEMORY;
    changes->call = call;
    pthread_mutex_lock(&auth->team);
    if (!member_find(call, call->params[0], &member))
        err = ERR_NOT_FOUND;
    if (err == ERR_OK)
        err = member_may_change(call, &member);
    if (err == ERR_OK) {
        change_link(changes, &member, token, &expires_at);
        err = changes_write(changes);
    }
    pthread_mutex_unlock(&auth->team);
    call->status = 201;
    return err == ERR_OK ? put_link(call, writer, &member, token, expires_at) : err;
}

static enum err version_check(struct admin_call *call, const struct member *before)
{
    struct str const now = arena_printf(call->arena, "\"%u\"", (unsigned)before->version);
    if (call->if_match.len == 0 || str_eq(call->if_match, STR("*")) || str_eq(call->if_match, now))
        return ERR_OK;
    return fault_set(&call->fault, ERR_VERSION_CONFLICT, "it is at version %u",
                     (unsigned)before->version);
}

static enum err change_locked(struct admin_call *call, struct member *member)
{
    struct member before;
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    if (changes == NULL)
        return ERR_NO_MEMORY;
    changes->call = call;
    if (!member_find(call, call->params[0], &before))
        return ERR_NOT_FOUND;
    *member = before;
    enum err err = version_check(call, &before);
    if (err == ERR_OK)
        err = member_may_change(call, &before);
    if (err == ERR_OK)
        err = read_member(call, member);
    if (err == ERR_OK)
        err = member_allowed(call, member);
    if (err == ERR_OK && (member->role != ROLE_OWNER || !member->active))
        err = owner_check(call, &before);
    if (err != ERR_OK)
        return err;
    change_member(changes, member);
    if (!member->active) {
        change_end(changes, OBJECT_SESSION, member->id, 0);
        change_end(changes, OBJECT_LINK, member->id, 0);
    }
    return changes_write(changes);
}

enum err team_change(struct admin_call *call, struct json_writer *writer)
{
    struct member member;
    struct auth *auth = admin_auth(call->admin);
    pthread_mutex_lock(&auth->team);
    enum err const err = change_locked(call, &member);
    pthread_mutex_unlock(&auth->team);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    put_shown(call, writer, &member);
    json_object_close(writer);
    return json_write_end(writer);
}

static enum err delete_locked(struct admin_call *call)
{
    struct member member;
    struct member_secret secret;
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    if (changes == NULL)
        return ERR_NO_MEMORY;
    changes->call = call;
    if (!member_find(call, call->params[0], &member))
        return ERR_NOT_FOUND;
    enum err err = member_may_change(call, &member);
    if (err == ERR_OK)
        err = owner_check(call, &member);
    if (err != ERR_OK)
        return err;
    member_secret_find(call, member.id, &secret);
    change_end(changes, OBJECT_SESSION, member.id, 0);
    change_end(changes, OBJECT_LINK, member.id, 0);
    if (secret.version > 0)
        change_add(changes, OBJECT_OPERATOR_SECRET, member.id, (struct str){0}, secret.version);
    change_add(changes, OBJECT_OPERATOR, member.id, (struct str){0}, member.version);
    return changes_write(changes);
}

enum err team_delete(struct admin_call *call, struct json_writer *writer)
{
    struct auth *auth = admin_auth(call->admin);
    pthread_mutex_lock(&auth->team);
    enum err const err = delete_locked(call);
    pthread_mutex_unlock(&auth->team);
    if (err != ERR_OK)
        return err;
    call->status = 204;
    json_put_null(writer); /* a 204 has no body */
    return json_write_end(writer);
}
