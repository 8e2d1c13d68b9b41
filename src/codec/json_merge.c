/* json_merge.c - see json_merge.h. Depth is bounded: json_scan refuses what nests too deeply. */
#include "codec/json_merge.h"

static struct json_object *members_of(struct str value, struct arena *arena)
{
    struct fault ignored = {0};
    struct json_object *object = arena_alloc(arena, sizeof *object);
    if (object == NULL || json_members(value, object, &ignored) != ERR_OK)
        return NULL;
    return object;
}

/* The index of the member with that name; count: none. Keys are compared as they decode. */
static size_t index_of(const struct json_object *object, const struct json_member *wanted)
{
    char decoded[512];
    size_t len = 0;
    struct str key = wanted->key;
    if (wanted->key_escaped) {
        struct str const quoted = str_make(wanted->key.ptr - 1, wanted->key.len + 2);
        if (!json_text(quoted, decoded, sizeof decoded, &len))
            return object->count;
        key = str_make(decoded, len);
    }
    struct json_member found = {0};
    struct fault twice = {0};
    if (json_find(object, key, &found, &twice) != ERR_OK || found.value.ptr == NULL)
        return object->count;
    for (size_t i = 0; i < object->count; i++)
        if (object->members[i].value.ptr == found.value.ptr)
            return i;
    return object->count;
}

static enum err put_key(struct buf *out, const struct json_member *member, bool *first)
{
    enum err err = *first ? ERR_OK : buf_add_byte(out, ',');
    *first = false;
    if (err == ERR_OK)
        err = buf_add_byte(out, '"');
    if (err == ERR_OK)
        err = buf_add(out, member->key);
    return err == ERR_OK ? buf_add(out, STR("\":")) : err;
}

/* The target's members, each as the patch leaves it; `taken` marks the patch's members used. */
static enum err merge_old(const struct json_object *target, const struct json_object *patch,
                          bool *taken, struct arena *arena, struct buf *out, bool *first)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < target->count; i++) {
        const struct json_member *member = &target->members[i];
        size_t const at = index_of(patch, member);
        if (at < patch->count)
            taken[at] = true;
        if (at < patch->count && json_type(patch->members[at].value) == JSON_NULL)
            continue;
        err = put_key(out, member, first);
        if (err == ERR_OK)
            err = at < patch->count
                      ? json_merge(member->value, patch->members[at].value, arena, out)
                      : buf_add(out, member->value);
    }
    return err;
}

enum err json_merge(struct str target, struct str patch, struct arena *arena, struct buf *out)
{
    if (json_type(patch) != JSON_OBJECT)
        return buf_add(out, patch);
    struct str const base = json_type(target) == JSON_OBJECT ? target : STR("{}");
    const struct json_object *old = members_of(base, arena), *changes = members_of(patch, arena);
    bool *taken = changes != NULL ? arena_zalloc(arena, changes->count + 1) : NULL;
    if (old == NULL || taken == NULL)
        return ERR_NO_MEMORY;
    bool first = true;
    enum err err = buf_add_byte(out, '{');
    if (err == ERR_OK)
        err = merge_old(old, changes, taken, arena, out, &first);
    for (size_t i = 0; err == ERR_OK && i < changes->count; i++) {
        const struct json_member *member = &changes->members[i];
        if (taken[i] || json_type(member->value) == JSON_NULL)
            continue;
        err = put_key(out, member, &first);
        if (err == ERR_OK) /* nulls inside a new object mean nothing, too */
            err = json_merge(STR("null"), member->value, arena, out);
    }
    return err == ERR_OK ? buf_add_byte(out, '}') : err;
}

static bool is_named(struct str key, const char *const *names)
{
    for (; *names != NULL; names++)
        if (str_eq(key, str_of(*names)))
            return true;
    return false;
}

enum err json_without(struct str object, const char *const *names, struct arena *arena,
                      struct buf *out)
{
    const struct json_object *members = members_of(object, arena);
    bool first = true;
    if (members == NULL)
        return ERR_NO_MEMORY;
    enum err err = buf_add_byte(out, '{');
    for (size_t i = 0; err == ERR_OK && i < members->count; i++) {
        if (is_named(members->members[i].key, names))
            continue;
        err = put_key(out, &members->members[i], &first);
        if (err == ERR_OK)
            err = buf_add(out, members->members[i].value);
    }
    return err == ERR_OK ? buf_add_byte(out, '}') : err;
}
