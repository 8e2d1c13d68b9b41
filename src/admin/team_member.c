/* team_member.c - operators and their secrets, read from documents and written together. */
#include "admin/team_int.h"
#include "base/random.h"
#include "codec/when.h"

enum { MEMBER_TEXT_BYTES_MAX = 4 << 10 };

int64_t admin_now_us(struct admin_call *call)
{
    return clock_wall_us(admin_options(call->admin)->clock);
}

struct str email_lower(struct admin_call *call, struct str email)
{
    char *out = arena_alloc(call->arena, email.len + 1);
    for (size_t i = 0; out != NULL && i < email.len; i++)
        out[i] =
            email.ptr[i] >= 'A' && email.ptr[i] <= 'Z' ? (char)(email.ptr[i] | 0x20) : email.ptr[i];
    return out != NULL ? str_make(out, email.len) : STR("");
}

struct str instant_text(struct admin_call *call, int64_t wall_us)
{
    char text[WHEN_TEXT_BYTES];
    return arena_copy(call->arena, when_text(wall_us, text));
}

/* --- reading --------------------------------------------------------------------------------- */
bool member_read(struct admin_call *call, const struct object *object, struct member *member)
{
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    if (scratch == NULL)
        return false;
    *member = (struct member){
        .id = object->id,
        .email = document_words(call, scratch, object->text, "email"),
        .name = document_words(call, scratch, object->text, "name"),
        .customer = document_words(call, scratch, object->text, "customer"),
        .prompts = json_is_true(document_raw(scratch, object->text, "prompts")),
        .totp = json_is_true(document_raw(scratch, object->text, "totp")),
        .version = object->version,
    };
    struct str const role = document_words(call, scratch, object->text, "role");
    struct str const status = document_words(call, scratch, object->text, "status");
    member->active = str_eq(status, STR("active"));
    return member->email.len > 0 && role_parse(role, &member->role) &&
           role_bound(member->role) == (member->customer.len > 0);
}

bool member_find(struct admin_call *call, struct str id, struct member *member)
{
    struct object object;
    return book_object_get(admin_options(call->admin)->book, OBJECT_OPERATOR, id, call->arena,
                           &object) &&
           member_read(call, &object, member);
}

struct search {
    struct admin_call *call;
    struct str email;
    struct member *member;
    size_t owners;
    bool found;
};

static bool visit_member(void *owner, const struct object *object)
{
    struct search *search = owner;
    struct member member;
    if (!member_read(search->call, object, &member))
        return true;
    search->owners += member.role == ROLE_OWNER && member.active;
    if (search->found || !str_eq(member.email, search->email))
        return true;
    member.id = arena_copy(search->call->arena, object->id);
    *search->member = member;
    search->found = member.id.ptr != NULL;
    return true;
}

bool member_by_email(struct admin_call *call, struct str email, struct member *member)
{
    struct search search = {.call = call, .email = email, .member = member};
    book_objects_each(admin_options(call->admin)->book, OBJECT_OPERATOR, STR(""), visit_member,
                      &search);
    return search.found;
}

size_t member_owners(struct admin_call *call)
{
    struct member ignored;
    struct search search = {.call = call, .email = STR("-"), .member = &ignored};
    book_objects_each(admin_options(call->admin)->book, OBJECT_OPERATOR, STR(""), visit_member,
                      &search);
    return search.owners;
}

permission_set member_permissions(const struct member *member)
{
    permission_set const set = role_permissions(member->role);
    return member->prompts ? set | (permission_set)1 << PERMISSION_PROMPTS_READ : set;
}

void member_secret_find(struct admin_call *call, struct str id, struct member_secret *secret)
{
    struct object object;
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    *secret = (struct member_secret){0};
    if (scratch == NULL || !book_object_get(admin_options(call->admin)->book,
                                            OBJECT_OPERATOR_SECRET, id, call->arena, &object))
        return;
    secret->version = object.version;
    secret->password = document_words(call, scratch, object.text, "password");
    secret->totp = document_words(call, scratch, object.text, "totp");
    secret->totp_pending = document_words(call, scratch, object.text, "totp_pending");
    if (!json_i64(document_raw(scratch, object.text, "totp_step"), &secret->totp_step))
        secret->totp_step = 0;
    struct str const codes = document_raw(scratch, object.text, "recovery");
    struct str element;
    for (size_t at = 0; secret->recovery_count < RECOVERY_CODES && json_next(codes, &at, &element);)
        if (json_plain_text(element, &secret->recovery[secret->recovery_count]))
            secret->recovery_count++;
}

/* --- writing --------------------------------------------------------------------------------- */
void change_add(struct member_changes *changes, enum object_kind kind, struct str id,
                struct str text, int64_t expected)
{
    if (changes->count == MEMBER_CHANGES_MAX || id.ptr == NULL) {
        changes->failed = true;
        return;
    }
    changes->list[changes->count++] = (struct object_change){
        .kind = kind, .id = id, .text = text, .expected = expected, .origin = ORIGIN_RUNTIME};
}

void member_put(struct json_writer *writer, const struct member *member)
{
    json_pair_text(writer, "email", member->email);
    json_pair_text(writer, "name", member->name);
    json_pair_text(writer, "role", role_text(member->role));
    json_key(writer, "customer");
    if (member->customer.len > 0)
        json_put_text(writer, member->customer);
    else
        json_put_null(writer);
    json_pair_bool(writer, "prompts", member->prompts);
    json_pair_text(writer, "status", member->active ? STR("active") : STR("disabled"));
    json_pair_bool(writer, "totp", member->totp);
}

/* Ends a document that was begun, as a change. */
static void add_written(struct member_changes *changes, enum object_kind kind, struct str id,
                        struct json_writer *writer, struct buf *out, uint32_t version)
{
    json_object_close(writer);
    enum err const err = json_write_end(writer);
    struct str const text =
        err == ERR_OK ? arena_copy(changes->call->arena, buf_view(out)) : (struct str){0};
    secret_zero(out->ptr, out->len);
    buf_free(out);
    if (text.ptr == NULL)
        changes->failed = true;
    else
        change_add(changes, kind, id, text, version > 0 ? (int64_t)version : OBJECT_ABSENT);
}

void change_member(struct member_changes *changes, const struct member *member)
{
    struct buf out;
    struct json_writer writer;
    buf_init(&out, MEMBER_TEXT_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    member_put(&writer, member);
    add_written(changes, OBJECT_OPERATOR, member->id, &writer, &out, member->version);
}

static void put_if(struct json_writer *writer, const char *name, struct str text)
{
    if (text.len > 0)
        json_pair_text(writer, name, text);
}

void change_secret(struct member_changes *changes, const struct member *member,
                   const struct member_secret *secret)
{
    struct buf out;
    struct json_writer writer;
    buf_init(&out, MEMBER_TEXT_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    put_if(&writer, "password", secret->password);
    put_if(&writer, "totp", secret->totp);
    put_if(&writer, "totp_pending", secret->totp_pending);
    json_pair_i64(&writer, "totp_step", secret->totp_step);
    json_key(&writer, "recovery");
    json_array_open(&writer);
    for (size_t i = 0; i < secret->recovery_count; i++)
        json_put_text(&writer, secret->recovery[i]);
    json_array_close(&writer);
    add_written(changes, OBJECT_OPERATOR_SECRET, member->id, &writer, &out, secret->version);
}

struct session_sweep {
    struct member_changes *changes;
    enum object_kind kind;
    struct str prefix;
    size_t count;
    struct {
        struct str id;
        int64_t created_us;
    } rows[2 * SESSIONS_PER_MEMBER_MAX];
};

static bool visit_ending(void *owner, const struct object *object)
{
    struct session_sweep *ending = owner;
    struct admin_call *call = ending->changes->call;
    if (!str_starts(object->id, ending->prefix) || ending->count == 2 * SESSIONS_PER_MEMBER_MAX)
        return false;
    ending->rows[ending->count].id = arena_copy(call->arena, object->id);
    ending->rows[ending->count++].created_us = object->created_us;
    return true;
}

void change_end(struct member_changes *changes, enum object_kind kind, struct str member_id,
                size_t keep)
{
    struct admin_call *call = changes->call;
    struct str const parts[] = {member_id, STR(".")};
    struct session_sweep *ending = arena_zalloc(call->arena, sizeof *ending);
    if (ending == NULL) {
        changes->failed = true;
        return;
    }
    ending->changes = changes;
    ending->kind = kind;
    ending->prefix = arena_concat(call->arena, parts, 2);
    book_objects_each(admin_options(call->admin)->book, kind, ending->prefix, visit_ending, ending);
    int64_t const oldest_us = admin_now_us(call) - (int64_t)SESSION_AGE_MAX_S * 1000000;
    for (size_t i = 0; i < ending->count; i++) {
        size_t newer = 0;
        for (size_t j = 0; j < ending->count; j++)
            newer += ending->rows[j].created_us > ending->rows[i].created_us;
        if (newer >= keep || ending->rows[i].created_us < oldest_us)
            change_add(changes, kind, ending->rows[i].id, (struct str){0}, OBJECT_ANY_VERSION);
    }
}

enum err changes_write(struct member_changes *changes)
{
    struct admin_call *call = changes->call;
    uint32_t version = 0;
    if (changes->failed)
        return ERR_NO_MEMORY;
    return book_objects_put(admin_options(call->admin)->book, changes->list, changes->count,
                            &call->actor, &version, &call->fault);
}
