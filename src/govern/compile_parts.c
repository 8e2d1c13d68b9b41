/* compile_parts.c - typed members of a document, and the block they are copied to. */
#include "base/must.h"
#include "codec/when.h"
#include "govern/compile_int.h"

void reading_wrong(struct reading *reading, const char *member, const char *why)
{
    if (reading->err == ERR_OK)
        reading->err =
            fault_param(reading->fault, ERR_FIELD_INVALID, member, "%s: %s", member, why);
}

void *reading_room(struct reading *reading, size_t bytes)
{
    size_t const rounded = (bytes + 7) & ~(size_t)7;
    if (rounded > reading->size - reading->used) {
        if (reading->err == ERR_OK)
            reading->err =
                fault_set(reading->fault, ERR_FIELD_INVALID, "the document is too large");
        return NULL;
    }
    void *room = reading->block + reading->used;
    reading->used += rounded;
    return memset(room, 0, rounded);
}

struct str reading_copy(struct reading *reading, struct str text)
{
    char *room = text.len > 0 ? reading_room(reading, text.len) : NULL;
    if (!room)
        return (struct str){0};
    memcpy(room, text.ptr, text.len);
    return (struct str){room, text.len};
}

struct str reading_join(struct reading *reading, struct str a, const char *between, struct str b)
{
    size_t const len = strlen(between);
    char *room = reading_room(reading, a.len + len + b.len);
    if (!room)
        return (struct str){0};
    if (a.len > 0)
        memcpy(room, a.ptr, a.len);
    memcpy(room + a.len, between, len);
    if (b.len > 0)
        memcpy(room + a.len + len, b.ptr, b.len);
    return (struct str){room, a.len + len + b.len};
}

bool reading_inside(struct reading *reading, struct str value, struct json_object *object,
                    struct reading *inside)
{
    if (json_type(value) != JSON_OBJECT || json_members(value, object, reading->fault) != ERR_OK)
        return false;
    *inside = *reading;
    inside->object = object;
    return true;
}

void reading_back(struct reading *reading, const struct reading *inside)
{
    reading->used = inside->used;
    reading->err = inside->err;
}

struct str member_raw(struct reading *reading, const char *name)
{
    struct json_member found;
    struct fault ignored = {0};
    if (json_find(reading->object, str_of(name), &found, &ignored) != ERR_OK) {
        reading_wrong(reading, name, "is there twice");
        return (struct str){0};
    }
    return json_type(found.value) == JSON_NULL ? (struct str){0} : found.value;
}

static struct str text_of(struct reading *reading, const char *name, struct str value)
{
    struct str plain;
    size_t len = 0;
    if (!value.ptr)
        return (struct str){0};
    if (json_type(value) != JSON_STRING) {
        reading_wrong(reading, name, "is not a text");
        return (struct str){0};
    }
    if (json_plain_text(value, &plain))
        return reading_copy(reading, plain);
    char *room = reading_room(reading, value.len);
    if (!room || !json_text(value, room, value.len, &len))
        return (struct str){0};
    return (struct str){room, len};
}

struct str member_text(struct reading *reading, const char *name)
{
    struct str const text = text_of(reading, name, member_raw(reading, name));
    if (text.len > GOVERN_ID_BYTES_MAX)
        reading_wrong(reading, name, "is too long");
    return text;
}

struct str member_name(struct reading *reading, const char *name)
{
    struct str const text = member_text(reading, name);
    if (str_empty(text))
        reading_wrong(reading, name, "is missing");
    return text;
}

int64_t member_i64(struct reading *reading, const char *name, int64_t least, int64_t most,
                   int64_t absent)
{
    int64_t number;
    struct str const value = member_raw(reading, name);
    if (!value.ptr)
        return absent;
    if (json_i64(value, &number) && number >= least && number <= most)
        return number;
    reading_wrong(reading, name, "is not a whole number in its range");
    return absent;
}

bool member_bool(struct reading *reading, const char *name, bool absent)
{
    struct str const value = member_raw(reading, name);
    enum json_type const type = json_type(value);
    if (value.ptr && type != JSON_TRUE && type != JSON_FALSE)
        reading_wrong(reading, name, "is neither true nor false");
    return value.ptr ? type == JSON_TRUE : absent;
}

int64_t member_instant(struct reading *reading, const char *name)
{
    struct str text;
    int64_t at_us = 0;
    struct str const value = member_raw(reading, name);
    if (value.ptr && (!json_plain_text(value, &text) || !when_parse(text, &at_us)))
        reading_wrong(reading, name, "is not an instant (2026-01-31T00:00:00Z)");
    return at_us;
}

struct names member_names(struct reading *reading, const char *name)
{
    struct names names = {0};
    struct str element;
    size_t at = 0, count = 0;
    struct str const value = member_raw(reading, name);
    if (!value.ptr)
        return names;
    if (json_type(value) != JSON_ARRAY) {
        reading_wrong(reading, name, "is not a list");
        return names;
    }
    while (json_next(value, &at, &element))
        count++;
    if (count > GOVERN_LIST_ITEMS_MAX) {
        reading_wrong(reading, name, "has too many elements");
        return names;
    }
    names.said = true;
    struct str *list = reading_room(reading, count * sizeof *list);
    if (!list)
        return names;
    for (at = 0; json_next(value, &at, &element);)
        list[names.count++] = text_of(reading, name, element);
    names.list = list;
    return names;
}

int member_word(struct reading *reading, const char *name, const char *const *words, int count,
                int absent)
{
    struct str text;
    struct str const value = member_raw(reading, name);
    if (!value.ptr)
        return absent;
    if (json_plain_text(value, &text))
        for (int i = 0; i < count; i++)
            if (str_eq(text, str_of(words[i])))
                return i;
    reading_wrong(reading, name, "is not one of the words it may be");
    return absent;
}

int64_t member_amount(struct reading *reading, const char *name)
{
    struct str text;
    int64_t nano;
    struct str const value = member_raw(reading, name);
    if (!value.ptr)
        return -1;
    if (json_plain_text(value, &text) && decimal_parse(text, MONEY_SCALE, &nano) && nano >= 0)
        return nano;
    reading_wrong(reading, name, "is not an amount (\"12.50\")");
    return -1;
}

struct selector member_selector(struct reading *reading, const struct json_object *object)
{
    struct reading inside = *reading;
    inside.object = object;
    struct selector const selector = {.feature = member_text(&inside, "feature"),
                                      .provider = member_text(&inside, "provider"),
                                      .model = member_text(&inside, "model"),
                                      .profile = member_text(&inside, "profile")};
    reading_back(reading, &inside);
    return selector;
}

uint64_t identity_of(struct str a, struct str b, struct str c)
{
    uint64_t hash = terms_hash(a);
    hash = b.ptr ? terms_join(hash, terms_hash(b)) : hash;
    return c.ptr ? terms_join(hash, terms_hash(c)) : hash;
}
