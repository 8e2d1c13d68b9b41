/* export_sql_row.c - a document's members to SQL values, by a table. */
#include "app/export_sql_row.h"
#include "base/must.h"
#include "codec/json.h"
#include "codec/when.h"

enum how { ID, TEXT, WHOLE, TRUTH, INSTANT, QUANTITY, TEXTS, ITEM_FEATURES };

struct sql_column {
    const char *name;   /* of the column */
    enum how how;       /* it is read */
    const char *inside; /* the member that has the member; NULL: the document */
    const char *member;
    const char *absent; /* what stands for a member that is not there */
};

static const struct sql_column features[] = {
    {"id", ID, NULL, NULL, NULL},
    {"type", TEXT, NULL, "type", "'metered'"},
    {"category", TEXT, NULL, "category", "null"},
    {"name_pt", TEXT, "name", "pt", "null"},
    {"name_en", TEXT, "name", "en", "null"},
    {"active", TRUTH, NULL, "active", "true"},
};
static const struct sql_column providers[] = {
    {"id", ID, NULL, NULL, NULL},
    {"display_name", TEXT, NULL, "display_name", "null"},
    {"status", TEXT, NULL, "status", "'active'"},
    {"relative_cost", WHOLE, NULL, "relative_cost", "null"},
    {"default_model", TEXT, NULL, "default_model", "null"},
};
static const struct sql_column plans[] = {
    {"id", ID, NULL, NULL, NULL},
    {"name_pt", TEXT, "name", "pt", "null"},
    {"name_en", TEXT, "name", "en", "null"},
    {"active", TRUTH, NULL, "active", "true"},
};
static const struct sql_column plan_versions[] = {
    {"id", ID, NULL, NULL, NULL},
    {"plan", TEXT, NULL, "plan", "null"},
    {"number", WHOLE, NULL, "number", "0"},
    {"status", TEXT, NULL, "status", "'draft'"},
    {"providers", TEXTS, NULL, "providers", "null"},
    {"features", ITEM_FEATURES, NULL, "items", "'{}'"},
};
static const struct sql_column feature_providers[] = {
    {"id", ID, NULL, NULL, NULL},
    {"feature", TEXT, NULL, "feature", "null"},
    {"provider", TEXT, NULL, "provider", "null"},
    {"role", TEXT, NULL, "role", "'generation'"},
    {"weight", WHOLE, NULL, "weight", "100"},
    {"ordering", WHOLE, NULL, "order", "0"},
    {"model", TEXT, NULL, "model", "null"},
    {"active", TRUTH, NULL, "active", "true"},
};
static const struct sql_column matrix_cells[] = {
    {"id", ID, NULL, NULL, NULL},
    {"plan", TEXT, NULL, "plan", "null"},
    {"feature", TEXT, NULL, "feature", "null"},
    {"provider", TEXT, NULL, "provider", "null"},
    {"profile", TEXT, NULL, "profile", "'*'"},
    {"daily_limit", WHOLE, NULL, "daily_limit", "null"},
    {"monthly_limit", WHOLE, NULL, "monthly_limit", "null"},
    {"origin", TEXT, NULL, "origin", "'default'"},
    {"model", TEXT, NULL, "model", "null"},
    {"active", TRUTH, NULL, "active", "true"},
};
static const struct sql_column groups[] = {
    {"id", ID, NULL, NULL, NULL},
    {"name_pt", TEXT, "name", "pt", "null"},
    {"name_en", TEXT, "name", "en", "null"},
    {"priority", WHOLE, NULL, "priority", "0"},
};
/* No names of people. */
static const struct sql_column users[] = {
    {"id", ID, NULL, NULL, NULL},
    {"customer", TEXT, NULL, "customer", "null"},
    {"external_id", TEXT, NULL, "external_id", "null"},
    {"profile", TEXT, NULL, "profile", "null"},
    {"groups", TEXTS, NULL, "groups", "null"},
    {"active", TRUTH, NULL, "active", "true"},
};
static const struct sql_column group_members[] = {
    {"id", ID, NULL, NULL, NULL},
    {"\"group\"", TEXT, NULL, "group", "null"},
    {"customer", TEXT, NULL, "customer", "null"},
    {"\"user\"", TEXT, NULL, "user", "null"},
    {"valid_from", INSTANT, NULL, "valid_from", "null"},
    {"valid_to", INSTANT, NULL, "valid_to", "null"},
};
static const struct sql_column overrides[] = {
    {"id", ID, NULL, NULL, NULL},
    {"scope", TEXT, NULL, "scope", "null"},
    {"scope_id", TEXT, NULL, "scope_id", "null"},
    {"target", TEXT, NULL, "target", "null"},
    {"op", TEXT, NULL, "op", "null"},
    {"operand", QUANTITY, NULL, "value", "null"},
    {"metric", TEXT, "selector", "metric", "null"},
    {"\"window\"", TEXT, "selector", "window", "null"},
    {"feature", TEXT, "selector", "feature", "null"},
    {"provider", TEXT, "selector", "provider", "null"},
    {"model", TEXT, "selector", "model", "null"},
    {"profile", TEXT, "selector", "profile", "null"},
    {"priority", WHOLE, NULL, "priority", "0"},
    {"starts_at", INSTANT, NULL, "starts_at", "null"},
    {"expires_at", INSTANT, NULL, "expires_at", "null"},
};

#define TABLE(kind, name)                                                                          \
    {                                                                                              \
        OBJECT_##kind, #name, name, sizeof name / sizeof *name                                     \
    }
static const struct sql_table tables[] = {
    TABLE(FEATURE, features),
    TABLE(PROVIDER, providers),
    TABLE(PLAN, plans),
    TABLE(PLAN_VERSION, plan_versions),
    TABLE(FEATURE_PROVIDER, feature_providers),
    TABLE(MATRIX_CELL, matrix_cells),
    TABLE(GROUP, groups),
    TABLE(USER, users),
    TABLE(GROUP_MEMBER, group_members),
    TABLE(OVERRIDE, overrides),
};

const struct sql_table *sql_table_at(size_t index)
{
    return index < sizeof tables / sizeof *tables ? &tables[index] : NULL;
}

/* --- values ---------------------------------------------------------------------------------- */
struct writing {
    struct arena *arena;
    struct buf *out;
    enum err err;
};

static void put(struct writing *writing, struct str text)
{
    if (writing->err == ERR_OK)
        writing->err = buf_add(writing->out, text);
}

/* PostgreSQL's texts cannot have a NUL: it is left out. With standard_conforming_strings nothing
 * but the quote means anything. */
static void put_quoted(struct writing *writing, struct str text)
{
    put(writing, STR("'"));
    for (size_t from = 0, at = 0; at <= text.len; at++) {
        bool const special = at < text.len && (text.ptr[at] == '\'' || text.ptr[at] == 0);
        if (at < text.len && !special)
            continue;
        put(writing, str_make(text.ptr + from, at - from));
        if (special && text.ptr[at] == '\'')
            put(writing, STR("''"));
        from = at + 1;
    }
    put(writing, STR("'"));
}

static struct str decoded(struct writing *writing, struct str json)
{
    size_t len = json_text_len(json);
    char *text = arena_alloc(writing->arena, len + 1);
    if (text != NULL && json_text(json, text, len + 1, &len))
        return str_make(text, len);
    if (writing->err == ERR_OK)
        writing->err = text == NULL ? ERR_NO_MEMORY : ERR_JSON_INVALID;
    return STR("");
}

static struct str member_of(struct writing *writing, struct str object, const char *member)
{
    struct json_object *members = arena_alloc(writing->arena, sizeof *members);
    struct fault ignored = {0};
    if (members == NULL) {
        writing->err = ERR_NO_MEMORY;
        return STR("");
    }
    if (json_type(object) != JSON_OBJECT || json_members(object, members, &ignored) != ERR_OK)
        return STR("");
    return json_get(members, str_of(member));
}

/* Elements of a list; `member`: of each of them, else they are the texts. */
static void put_texts(struct writing *writing, struct str list, const char *member)
{
    struct str element;
    bool first = true;
    put(writing, STR("array["));
    for (size_t at = 0; writing->err == ERR_OK && json_next(list, &at, &element);) {
        struct str const json = member != NULL ? member_of(writing, element, member) : element;
        if (json_type(json) != JSON_STRING)
            continue;
        put(writing, first ? STR("") : STR(", "));
        put_quoted(writing, decoded(writing, json));
        first = false;
    }
    put(writing, STR("]::text[]"));
}

/* As Cota reads it; 1970 begins with "not said". What is before PostgreSQL's first year was always.
 */
static void put_instant(struct writing *writing, struct str text)
{
    static const int64_t first_year_us = -62135596800 * INT64_C(1000000);
    char shown[WHEN_TEXT_BYTES];
    int64_t at_us = 0;
    if (!when_parse(text, &at_us) || at_us == 0)
        put(writing, STR("null"));
    else if (at_us < first_year_us)
        put(writing, STR("'-infinity'"));
    else
        put_quoted(writing, when_text(at_us, shown));
}

/* False: it is absent, or not of its kind. */
static bool put_text_value(struct writing *writing, enum how how, struct str text)
{
    if (how == INSTANT)
        put_instant(writing, text);
    else if ((how == TEXT || how == QUANTITY) && text.len > 0)
        put_quoted(writing, text);
    else
        return false;
    return true;
}

static bool put_value(struct writing *writing, enum how how, struct str json)
{
    int64_t number;
    switch (json_type(json)) {
    case JSON_STRING:
        return put_text_value(writing, how, decoded(writing, json));
    case JSON_NUMBER:
        if ((how != WHOLE && how != QUANTITY) || !json_i64(json, &number))
            return false;
        put(writing, json);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        if (how == TRUTH)
            put(writing, json);
        return how == TRUTH;
    case JSON_ARRAY:
        if (how == TEXTS || how == ITEM_FEATURES)
            put_texts(writing, json, how == ITEM_FEATURES ? "feature" : NULL);
        return how == TEXTS || how == ITEM_FEATURES;
    default:
        return false;
    }
}

/* --- rows ------------------------------------------------------------------------------------ */
enum err sql_put_head(const struct sql_table *table, struct buf *out)
{
    struct writing writing = {.out = out};
    put(&writing, str_of(table->name));
    for (size_t i = 0; i < table->count; i++) {
        put(&writing, i == 0 ? STR(" (") : STR(", "));
        put(&writing, str_of(table->columns[i].name));
    }
    put(&writing, STR(")"));
    return writing.err;
}

bool sql_wants(const struct sql_table *table, struct str text)
{
    static const struct str targets[] = {STR_ROW("feature"), STR_ROW("provider"), STR_ROW("model"),
                                         STR_ROW("matrix")};
    struct json_object members;
    struct fault ignored = {0};
    struct str scope = {0}, target = {0};
    if (table->kind != OBJECT_OVERRIDE)
        return true;
    if (json_members(text, &members, &ignored) != ERR_OK ||
        !json_plain_text(json_get(&members, STR("scope")), &scope) ||
        !json_plain_text(json_get(&members, STR("target")), &target))
        return false;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (str_eq(target, targets[i]))
            return !str_eq(scope, STR("key"));
    return false;
}

enum err sql_put_row(const struct sql_table *table, struct str id, struct str text,
                     struct arena *arena, struct buf *out)
{
    struct writing writing = {.arena = arena, .out = out};
    struct json_object *members = arena_alloc(arena, sizeof *members);
    struct fault ignored = {0};
    if (members == NULL)
        return ERR_NO_MEMORY;
    enum err const err = json_members(text, members, &ignored);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < table->count && writing.err == ERR_OK; i++) {
        const struct sql_column *column = &table->columns[i];
        put(&writing, i == 0 ? STR("(") : STR(", "));
        if (column->how == ID) {
            put_quoted(&writing, id);
            continue;
        }
        MUST(column->member != NULL && column->absent != NULL);
        struct str json =
            json_get(members, str_of(column->inside != NULL ? column->inside : column->member));
        if (column->inside != NULL)
            json = member_of(&writing, json, column->member);
        if (!put_value(&writing, column->how, json))
            put(&writing, str_of(column->absent));
    }
    put(&writing, STR(")"));
    return writing.err;
}
