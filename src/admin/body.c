/* body.c - members of a management call's JSON body, typed; every mistake names its field. */
#include "admin/admin_int.h"
#include "codec/when.h"

enum { TEXT_BYTES_MAX = 512 };

/* *value is an empty span for an absent or null member. */
static enum err member(struct admin_call *call, const char *name, struct str *value)
{
    struct json_member found = {0};
    enum err err = json_find(&call->object, str_of(name), &found, &call->fault);
    *value = json_type(found.value) == JSON_NULL ? (struct str){0} : found.value;
    return err;
}

static enum err refuse(struct admin_call *call, const char *name, const char *what)
{
    return fault_param(&call->fault, ERR_FIELD_INVALID, name, "%s must be %s", name, what);
}

enum err admin_body_text(struct admin_call *call, const char *name, bool required, struct str *text)
{
    struct str value;
    enum err err = member(call, name, &value);
    *text = (struct str){0};
    if (err != ERR_OK)
        return err;
    if (value.len == 0)
        return required ? refuse(call, name, "given") : ERR_OK;
    char decoded[TEXT_BYTES_MAX];
    size_t len;
    if (!json_text(value, decoded, sizeof decoded, &len) || memchr(decoded, '\0', len) != NULL)
        return refuse(call, name, "a short text");
    *text = arena_copy(call->arena, str_make(decoded, len));
    return text->ptr ? ERR_OK : ERR_NO_MEMORY;
}

enum err admin_body_i64(struct admin_call *call, const char *name, int64_t *number)
{
    struct str value;
    int64_t parsed;
    enum err err = member(call, name, &value);
    if (err != ERR_OK || value.len == 0)
        return err;
    if (json_type(value) != JSON_NUMBER || !json_i64(value, &parsed) || parsed < 0)
        return refuse(call, name, "a whole number that is not negative");
    *number = parsed;
    return ERR_OK;
}

enum err admin_body_bool(struct admin_call *call, const char *name, bool *yes)
{
    struct str value;
    enum err err = member(call, name, &value);
    if (err != ERR_OK || value.len == 0)
        return err;
    if (json_type(value) != JSON_TRUE && json_type(value) != JSON_FALSE)
        return refuse(call, name, "true or false");
    *yes = json_type(value) == JSON_TRUE;
    return ERR_OK;
}

enum err admin_body_instant(struct admin_call *call, const char *name, int64_t *wall_us)
{
    struct str text;
    enum err err = admin_body_text(call, name, false, &text);
    if (err != ERR_OK || text.ptr == NULL)
        return err;
    if (!when_parse(text, wall_us))
        return refuse(call, name, "an instant such as 2027-01-31T12:00:00Z");
    return ERR_OK;
}

enum err admin_body_money(struct admin_call *call, const char *name, struct money *amount)
{
    struct str value, text;
    enum err err = member(call, name, &value);
    if (err != ERR_OK)
        return err;
    text = value;
    if (json_type(value) == JSON_STRING) {
        err = admin_body_text(call, name, true, &text);
        if (err != ERR_OK)
            return err;
    }
    if (text.len == 0 || !decimal_parse(text, MONEY_SCALE, &amount->nano))
        return refuse(call, name, "a decimal amount with at most 9 digits after the point");
    return ERR_OK;
}

void admin_put_instant(struct json_writer *writer, const char *key, int64_t wall_us)
{
    char text[WHEN_TEXT_BYTES];
    json_key(writer, key);
    if (wall_us == 0)
        json_put_null(writer);
    else
        json_put_text(writer, when_text(wall_us, text));
}

enum err admin_new_customer(struct admin_call *call, struct str id)
{
    struct book *book = admin_options(call->admin)->book;
    bool wanted = false;
    enum err err = admin_body_bool(call, "new_customer", &wanted);
    if (err != ERR_OK || !wanted || book_customer(book, id) != NULL)
        return err;
    struct customer_wanted const customer = {.id = id, .origin = ORIGIN_RUNTIME};
    return book_customer_put(book, &customer, &call->fault);
}
