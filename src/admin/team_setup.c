/* team_setup.c - the first owner, and what one-time links open.
 *
 * Why:   there is no password to begin with: whoever starts the daemon gets a link that makes one
 *        owner, within 30 minutes, once. Links of invitations and lost passwords go the same way.
 */
#include "admin/auth_int.h"
#include "base/log.h"
#include "codec/when.h"

enum { OWNER_ARENA_BYTES = 16 << 20 };

static bool is_empty(const struct admin *admin)
{
    return book_object_count(admin_options(admin)->book, OBJECT_OPERATOR) == 0;
}

static enum err link_invalid(struct admin_call *call)
{
    return fault_set(&call->fault, ERR_LINK_INVALID,
                     "ask for another one; links work once and not for long");
}

/* The operator and its password's hash in one put. */
static enum err write_owner(struct admin_call *call, const struct member *member, const char *hash)
{
    struct member_secret const secret = {.password = str_of(hash)};
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    if (changes == NULL || member->id.ptr == NULL)
        return ERR_NO_MEMORY;
    changes->call = call;
    change_member(changes, member);
    change_secret(changes, member, &secret);
    enum err const err = changes_write(changes);
    if (err == ERR_OK)
        LOG(owner_made, field_str("operator", member->id));
    return err;
}

/* --- the first owner ------------------------------------------------------------------------- */
static enum err setup_owner(struct admin_call *call, struct str token, const char *hash,
                            struct member *member)
{
    struct auth *auth = admin_auth(call->admin);
    struct str email = {0}, name = {0};
    enum err err = admin_body_text(call, "email", true, &email);
    if (err == ERR_OK)
        err = admin_body_text(call, "name", false, &name);
    if (err != ERR_OK)
        return err;
    *member = (struct member){.id = member_new_id(call),
                              .email = email_lower(call, email),
                              .name = name.ptr != NULL ? name : STR(""),
                              .role = ROLE_OWNER,
                              .active = true};
    pthread_mutex_lock(&auth->team);
    if (!auth_setup_is(auth, token, admin_now_us(call)) || !is_empty(call->admin))
        err = link_invalid(call);
    if (err == ERR_OK)
        err = write_owner(call, member, hash);
    if (err == ERR_OK)
        auth_setup_end(auth);
    pthread_mutex_unlock(&auth->team);
    return err;
}

bool admin_setup_token(struct admin *admin, char *token, size_t room)
{
    if (!is_empty(admin) || room < TOKEN_BYTES_MAX)
        return false;
    auth_setup_make(admin_auth(admin), clock_wall_us(admin_options(admin)->clock), token);
    return true;
}

enum err admin_owner_make(struct admin *admin, struct str email, struct str password,
                          struct fault *fault)
{
    char hash[PASSWORD_HASH_BYTES];
    if (!is_empty(admin))
        return ERR_OK;
    struct arena *arena = arena_new(OWNER_ARENA_BYTES);
    struct admin_call *call = arena ? arena_zalloc(arena, sizeof *call) : NULL;
    enum err err = call != NULL ? password_check(password, fault) : ERR_NO_MEMORY;
    if (err == ERR_OK && (str_find(email, STR("@")) == email.len || email.len > 128))
        err = fault_set(fault, ERR_FIELD_INVALID, "the owner's e-mail address is none");
    if (err == ERR_OK)
        err = password_hash(password, hash);
    if (err == ERR_OK) {
        call->admin = admin;
        call->arena = arena;
        call->actor.actor = STR("environment");
        struct member const member = {.id = member_new_id(call),
                                      .email = email_lower(call, email),
                                      .name = email,
                                      .role = ROLE_OWNER,
                                      .active = true};
        err = write_owner(call, &member, hash);
        if (err != ERR_OK)
            *fault = call->fault;
    }
    arena_free(arena);
    return err;
}

/* --- other links ----------------------------------------------------------------------------- */
struct find_link {
    struct arena *arena;
    struct str hash, text, id;
};

static bool visit_link(void *owner, const struct object *object)
{
    struct find_link *find = owner;
    if (!secret_equal(str_skip(object->id, ULID_TEXT_BYTES + 1), find->hash))
        return true;
    find->id = arena_copy(find->arena, object->id);
    find->text = arena_copy(find->arena, object->text);
    return false;
}

/* The operator that a link is for, when it still works. */
static bool link_open(struct admin_call *call, struct str token, struct member *member)
{
    char hash[TOKEN_HASH_BYTES];
    int64_t until_us = 0;
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    token_hash("link", token, hash);
    struct find_link find = {.arena = call->arena, .hash = str_make(hash, sizeof hash)};
    book_objects_each(admin_options(call->admin)->book, OBJECT_LINK, STR(""), visit_link, &find);
    if (scratch == NULL || find.id.ptr == NULL || find.text.ptr == NULL ||
        !when_parse(document_words(call, scratch, find.text, "expires_at"), &until_us) ||
        admin_now_us(call) >= until_us)
        return false;
    return member_find(call, arena_copy(call->arena, str_make(find.id.ptr, ULID_TEXT_BYTES)),
                       member) &&
           member->active;
}

/* A new password; a second factor stays. Sessions and links end. */
static enum err setup_link(struct admin_call *call, struct str token, const char *hash,
                           struct member *member)
{
    struct member_secret secret;
    struct str name = {0};
    struct auth *auth = admin_auth(call->admin);
    struct member_changes *changes = arena_zalloc(call->arena, sizeof *changes);
    enum err err = changes != NULL ? admin_body_text(call, "name", false, &name) : ERR_NO_MEMORY;
    if (err != ERR_OK)
        return err;
    changes->call = call;
    pthread_mutex_lock(&auth->team);
    if (link_open(call, token, member)) {
        call->actor.actor = arena_printf(call->arena, "operator:%.*s", STR_ARG(member->id));
        member_secret_find(call, member->id, &secret);
        secret.password = str_of(hash);
        if (name.len > 0) {
            member->name = name;
            change_member(changes, member);
        }
        change_secret(changes, member, &secret);
        change_end(changes, OBJECT_SESSION, member->id, 0);
        change_end(changes, OBJECT_LINK, member->id, 0);
        err = changes_write(changes);
    } else {
        err = link_invalid(call);
    }
    pthread_mutex_unlock(&auth->team);
    return err;
}

/* --- operations ------------------------------------------------------------------------------ */
enum err setup_get(struct admin_call *call, struct json_writer *writer)
{
    json_object_open(writer);
    json_pair_bool(writer, "needs_owner", is_empty(call->admin));
    json_object_close(writer);
    return json_write_end(writer);
}

/* A hash costs 0.1 s: only for a link that is good. It is looked at again under the lock. */
static bool is_good(struct admin_call *call, struct str token)
{
    struct member ignored;
    if (str_starts(token, STR("cs_")))
        return auth_setup_is(admin_auth(call->admin), token, admin_now_us(call)) &&
               is_empty(call->admin);
    return link_open(call, token, &ignored);
}

enum err setup_run(struct admin_call *call, struct json_writer *writer)
{
    struct member member = {0};
    struct str token = {0}, password = {0};
    char hash[PASSWORD_HASH_BYTES];
    enum err err = admin_body_text(call, "token", true, &token);
    if (err == ERR_OK)
        err = admin_body_text(call, "password", true, &password);
    if (err == ERR_OK)
        err = password_check(password, &call->fault);
    if (err == ERR_OK && !is_good(call, token))
        err = link_invalid(call);
    if (err == ERR_OK)
        err = password_hash(password, hash);
    if (err != ERR_OK)
        return err;
    call->actor.actor = STR("link");
    err = str_starts(token, STR("cs_")) ? setup_owner(call, token, hash, &member)
                                        : setup_link(call, token, hash, &member);
    secret_zero(hash, sizeof hash);
    if (err != ERR_OK)
        return err;
    call->status = 201;
    json_object_open(writer);
    json_pair_text(writer, "id", member.id);
    member_put(writer, &member);
    json_object_close(writer);
    return json_write_end(writer);
}

enum err setup_link_make(struct admin_call *call, struct json_writer *writer)
{
    char token[TOKEN_BYTES_MAX];
    if (!admin_setup_token(call->admin, token, sizeof token))
        return fault_set(&call->fault, ERR_CONFLICT,
                         "there are operators already: invite more, or "
                         "make a link for one who lost the password");
    call->status = 201;
    json_object_open(writer);
    json_pair_text(writer, "token", str_of(token));
    admin_put_instant(writer, "expires_at", admin_now_us(call) + (int64_t)SETUP_LINK_S * 1000000);
    json_object_close(writer);
    secret_zero(token, sizeof token);
    return json_write_end(writer);
}
