/* document_diff.c - sorted members; leaves by path. */
#include "app/document_diff.h"
#include "base/map.h"
#include "codec/json.h"
#include "codec/json_write.h"
#include <stdlib.h>

/* --- sorted members -------------------------------------------------------------------------- */
struct members {
    struct member {
        struct str key, value; /* key decoded */
    } * rows;
    size_t count;
};

static int by_key(const void *a, const void *b)
{
    const struct member *one = a, *other = b;
    size_t const shorter = one->key.len < other->key.len ? one->key.len : other->key.len;
    int const order = memcmp(one->key.ptr, other->key.ptr, shorter);
    if (order != 0)
        return order;
    return one->key.len < other->key.len ? -1 : one->key.len > other->key.len;
}

static struct str decoded(struct arena *arena, struct str json)
{
    size_t len = json_text_len(json);
    char *text = arena_zalloc(arena, len + 1);
    if (text == NULL || !json_text(json, text, len + 1, &len))
        return (struct str){0};
    text[len] = '\0';
    return str_make(text, len);
}

static enum err sorted_members(struct str json, struct arena *arena, struct members *members)
{
    struct json_object *object = malloc(sizeof *object);
    struct fault ignored = {0};
    enum err err = object != NULL ? json_members(json, object, &ignored) : ERR_NO_MEMORY;
    members->count = err == ERR_OK ? object->count : 0;
    members->rows = arena_alloc(arena, (members->count + 1) * sizeof members->rows[0]);
    if (err == ERR_OK && members->rows == NULL)
        err = ERR_NO_MEMORY;
    for (size_t i = 0; err == ERR_OK && i < members->count; i++) {
        struct str const raw = object->members[i].key;
        members->rows[i].key = decoded(arena, str_make(raw.ptr - 1, raw.len + 2));
        members->rows[i].value = object->members[i].value;
        if (members->rows[i].key.ptr == NULL)
            err = ERR_NO_MEMORY;
    }
    free(object);
    if (err == ERR_OK && members->count > 1)
        qsort(members->rows, members->count, sizeof members->rows[0], by_key);
    return err;
}

/* --- one way of writing ---------------------------------------------------------------------- */
static enum err write_value(struct json_writer *writer, struct arena *arena, struct str json)
{
    enum err err = ERR_OK;
    struct members members;
    if (json_type(json) == JSON_OBJECT) {
        err = sorted_members(json, arena, &members);
        json_object_open(writer);
        for (size_t i = 0; err == ERR_OK && i < members.count; i++) {
            json_key(writer, members.rows[i].key.ptr);
            err = write_value(writer, arena, members.rows[i].value);
        }
        json_object_close(writer);
    } else if (json_type(json) == JSON_ARRAY) {
        size_t at = 0;
        struct str element;
        json_array_open(writer);
        while (err == ERR_OK && json_next(json, &at, &element))
            err = write_value(writer, arena, element);
        json_array_close(writer);
    } else if (json_type(json) == JSON_STRING) {
        struct str const text = decoded(arena, json);
        json_put_text(writer, text);
        err = text.ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
    } else {
        json_put_raw(writer, json);
    }
    return err;
}

enum err document_canonical(struct str json, struct arena *arena, struct buf *out)
{
    struct json_writer writer;
    json_write_start(&writer, out);
    enum err const err = write_value(&writer, arena, json);
    enum err const written = json_write_end(&writer);
    return err != ERR_OK ? err : written;
}

/* --- differences ----------------------------------------------------------------------------- */
struct leaf {
    struct leaf *next;
    struct str member, value;
};
struct leaves {
    struct arena *arena;
    struct leaf *first, **end;
    struct map by_member;
    enum err err;
};

static bool has_nested(struct str array)
{
    size_t at = 0;
    struct str element;
    while (json_next(array, &at, &element))
        if (json_type(element) == JSON_OBJECT || json_type(element) == JSON_ARRAY)
            return true;
    return false;
}

static void add_leaf(struct leaves *leaves, struct str member, struct str value)
{
    struct leaf *leaf = arena_alloc(leaves->arena, sizeof *leaf);
    if (leaf == NULL) {
        leaves->err = ERR_NO_MEMORY;
        return;
    }
    *leaf = (struct leaf){NULL, member, value};
    *leaves->end = leaf;
    leaves->end = &leaf->next;
    leaves->err = map_put(&leaves->by_member, member, leaf);
}

static void add_value(struct leaves *leaves, struct str path, struct str json);

static void add_below(struct leaves *leaves, struct str path, struct str json)
{
    if (path.ptr == NULL)
        leaves->err = ERR_NO_MEMORY;
    add_value(leaves, path, json);
}

static void add_items(struct leaves *leaves, struct str path, struct str array)
{
    size_t at = 0, index = 0;
    struct str element;
    for (; leaves->err == ERR_OK && json_next(array, &at, &element); index++)
        add_below(leaves, arena_printf(leaves->arena, "%.*s[%zu]", STR_ARG(path), index), element);
}

/* `json` is canonical: members are sorted already and keep that order. */
static void add_value(struct leaves *leaves, struct str path, struct str json)
{
    struct members members = {0};
    if (leaves->err == ERR_OK && json_type(json) == JSON_OBJECT)
        leaves->err = sorted_members(json, leaves->arena, &members);
    if (leaves->err != ERR_OK)
        return;
    for (size_t i = 0; i < members.count && leaves->err == ERR_OK; i++) {
        struct str const parts[] = {path, path.len > 0 ? STR(".") : STR(""), members.rows[i].key};
        add_below(leaves, arena_concat(leaves->arena, parts, 3), members.rows[i].value);
    }
    if (json_type(json) == JSON_ARRAY && has_nested(json))
        add_items(leaves, path, json);
    else if (members.count == 0)
        add_leaf(leaves, path, json);
}

static enum err leaves_of(struct str json, struct arena *arena, struct leaves *leaves)
{
    struct buf out;
    *leaves = (struct leaves){.arena = arena, .end = &leaves->first};
    map_init(&leaves->by_member);
    if (json.len == 0)
        return ERR_OK;
    buf_init(&out, OBJECT_TEXT_BYTES_MAX * (size_t)8);
    leaves->err = document_canonical(json, arena, &out);
    struct str const copy = leaves->err == ERR_OK ? arena_copy(arena, buf_view(&out)) : STR("");
    buf_free(&out);
    if (copy.ptr == NULL)
        leaves->err = ERR_NO_MEMORY;
    if (leaves->err == ERR_OK)
        add_value(leaves, STR(""), copy);
    return leaves->err;
}

static void visit_both(const struct leaves *old, const struct leaves *new, diff_visit *visit,
                       void *owner)
{
    for (const struct leaf *it = old->first; it != NULL; it = it->next) {
        const struct leaf *now = map_get(&new->by_member, it->member);
        bool const same = now != NULL && str_eq(now->value, it->value);
        if (!same && !visit(owner, it->member, &it->value, now != NULL ? &now->value : NULL))
            return;
    }
    for (const struct leaf *it = new->first; it != NULL; it = it->next)
        if (map_get(&old->by_member, it->member) == NULL &&
            !visit(owner, it->member, NULL, &it->value))
            return;
}

enum err document_diff(struct str before, struct str after, struct arena *arena, diff_visit *visit,
                       void *owner)
{
    struct leaves old, new;
    enum err err = leaves_of(before, arena, &old);
    enum err const other = leaves_of(after, arena, &new);
    err = err != ERR_OK ? err : other;
    if (err == ERR_OK)
        visit_both(&old, &new, visit, owner);
    map_free(&old.by_member);
    map_free(&new.by_member);
    return err;
}
