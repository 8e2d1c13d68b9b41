/* profile_zones.c - see profile_zones.h. */
#include "admin/profile_zones.h"
#include "admin/compat_int.h"
#include "codec/json_merge.h"
#include "codec/when.h"
#include "core/moved.h"

#define ZONES_MEMBER "time_zone_before"
static const char *const server_members[] = {ZONES_MEMBER, NULL};
/* Two windows of the calendar, the longest: no window depends on an older change. */
enum { ZONES_KEEP_DAYS = 70 };
#define ZONES_KEEP_US ((int64_t)ZONES_KEEP_DAYS * 86400 * 1000000)
enum { ZONES_BYTES_MAX = 256 * (ZONES_PAST_MAX + 1) };

/* As the openapi document says. */
static struct str zone_of(struct admin_call *call, struct json_object *scratch, struct str text)
{
    struct str const zone = document_words(call, scratch, text, "time_zone");
    return zone.len > 0 ? zone : STR("America/Sao_Paulo");
}

static struct str list_of(struct json_object *scratch, struct str text)
{
    struct fault ignored = {0};
    struct str list = {0};
    if (json_members(text, scratch, &ignored) == ERR_OK)
        list = json_get(scratch, STR(ZONES_MEMBER));
    return json_type(list) == JSON_ARRAY ? list : STR("[]");
}

/* {"time_zone_before": […]}: the newest of the list, and `zone` unless that is empty. */
static enum err put_list(struct admin_call *call, struct str list, struct str zone, struct buf *out)
{
    struct json_writer writer;
    struct str element;
    size_t at = 0, count = zone.len > 0;
    while (json_next(list, &at, &element))
        count++;
    json_write_start(&writer, out);
    json_object_open(&writer);
    json_key(&writer, ZONES_MEMBER);
    json_array_open(&writer);
    for (at = 0; json_next(list, &at, &element); count--)
        if (count <= ZONES_PAST_MAX)
            json_put_raw(&writer, element);
    if (zone.len > 0) {
        char text[WHEN_TEXT_BYTES];
        int64_t const now_us = clock_wall_us(admin_options(call->admin)->clock);
        json_object_open(&writer);
        json_pair_text(&writer, "time_zone", zone);
        json_pair_text(&writer, "until", when_text(now_us, text));
        json_object_close(&writer);
    }
    json_array_close(&writer);
    json_object_close(&writer);
    return json_write_end(&writer);
}

struct str profile_patched(struct admin_call *call, struct str text)
{
    struct buf out;
    struct str copy = {0};
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    if (json_without(text, server_members, call->arena, &out) == ERR_OK)
        copy = arena_copy(call->arena, buf_view(&out));
    buf_free(&out);
    return copy;
}

static enum err put_zones(struct admin_call *call, struct str list, struct str zone,
                          struct str *text)
{
    struct buf patch, out;
    buf_init(&patch, ZONES_BYTES_MAX);
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    bool const some = zone.len > 0 || list.len > STR("[]").len;
    struct str const bare = profile_patched(call, *text);
    enum err err = bare.ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
    if (err == ERR_OK && some)
        err = put_list(call, list, zone, &patch);
    if (err == ERR_OK && some)
        err = json_merge(bare, buf_view(&patch), call->arena, &out);
    if (err == ERR_OK)
        *text = some ? arena_copy(call->arena, buf_view(&out)) : bare;
    if (err == ERR_OK && text->ptr == NULL)
        err = ERR_NO_MEMORY;
    buf_free(&patch);
    buf_free(&out);
    return err;
}

/* Full of zones of late: one more would forget the zone that made a window which still runs. */
static enum err check_often(struct admin_call *call, struct json_object *scratch, struct str list)
{
    struct str element, oldest = {0};
    size_t at = 0, count = 0;
    int64_t until_us;
    for (; json_next(list, &at, &element); count++)
        oldest = count == 0 ? element : oldest;
    if (count < ZONES_PAST_MAX ||
        !when_parse(document_words(call, scratch, oldest, "until"), &until_us) ||
        until_us <= clock_wall_us(admin_options(call->admin)->clock) - ZONES_KEEP_US)
        return ERR_OK;
    return fault_param(&call->fault, ERR_FIELD_INVALID, "time_zone",
                       "it has changed %d times in %d days", ZONES_PAST_MAX, ZONES_KEEP_DAYS);
}

enum err profile_zones(struct admin_call *call, struct object_change *change,
                       const struct object *before)
{
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    struct str zone = {0}, list = STR("[]");
    if (scratch == NULL)
        return ERR_NO_MEMORY;
    if (before != NULL) {
        zone = zone_of(call, scratch, before->text);
        if (str_eq(zone, zone_of(call, scratch, change->text)))
            zone = (struct str){0};
        list = list_of(scratch, before->text);
    }
    if (zone.len > 0 && check_often(call, scratch, list) != ERR_OK)
        return ERR_FIELD_INVALID;
    return put_zones(call, list, zone, &change->text);
}
