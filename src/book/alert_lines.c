/* alert_lines.c - see alert_lines.h; an encoder beside its decoder. */
#include "book/alert_lines.h"
#include "book/pack.h"
#include "codec/utf8.h"

void alert_put_head(struct pack *pack, const struct alert_head *head)
{
    pack_byte(pack, head->reached);
    pack_count(pack, head->low);
    pack_signed(pack, head->left);
    pack_count(pack, head->told);
}

void alert_put_line(struct pack *pack, const struct alert_line *line)
{
    unsigned count = 0;
    pack_byte(pack, (unsigned)line->window);
    pack_byte(pack, (unsigned)line->scope);
    pack_count(pack, line->limit);
    while (count < ALERT_THRESHOLDS_MAX && line->thresholds.percent[count] > 0)
        count++;
    pack_byte(pack, count);
    pack_raw(pack, line->thresholds.percent, count * sizeof line->thresholds.percent[0]);
    pack_text(pack, line->name, ALERT_NAME_BYTES_MAX);
}

struct str alert_name_cut(struct str name, size_t len_max)
{
    if (name.len <= len_max)
        return name;
    return str_make(name.ptr, utf8_valid_prefix(str_make(name.ptr, len_max)));
}

static void put_rule(struct pack *pack, const struct rule *rule, size_t window)
{
    if (rule->alerts == NULL || rule->metric == METRIC_CONCURRENT)
        return; /* what runs now is never used up */
    struct alert_line const line = {
        .window = window,
        .scope = rule->scope,
        .limit = rule->limit,
        .thresholds = rule->alerts->thresholds,
        .name = alert_name_cut(rule->alerts->name, ALERT_NAME_BYTES_MAX),
    };
    alert_put_line(pack, &line);
}

size_t alert_lines_begin(const struct rules *rules, bool own_key,
                         unsigned char out[ALERT_LINES_BYTES_MAX])
{
    struct pack pack = pack_begin(out, ALERT_LINES_BYTES_MAX);
    struct alert_head const head = {.low = own_key ? 0 : rules->low_credit};
    size_t window = rules->count;
    alert_put_head(&pack, &head);
    const unsigned char *lines = pack.at;
    for (size_t i = 0; i < rules->count; i++)
        put_rule(&pack, &rules->list[i], i);
    if (!own_key && rules->has_allowance)
        put_rule(&pack, &rules->allowance, window++);
    if (!own_key && rules->overage == OVERAGE_BILL && rules->has_overage_cap)
        put_rule(&pack, &rules->overage_cap, window);
    bool const nothing = pack.at == lines && head.low == 0;
    return nothing ? 0 : pack_end(&pack);
}

struct alert_reader alert_read(struct str lines, struct alert_head *head)
{
    struct unpack unpack = unpack_begin(lines);
    *head = (struct alert_head){0};
    if (lines.len == 0)
        return (struct alert_reader){0};
    head->reached = unpack_byte(&unpack, CREDIT_BITS + 1);
    head->low = unpack_count(&unpack);
    head->left = unpack_signed(&unpack);
    head->told = unpack_count(&unpack);
    size_t const left = (size_t)(unpack.end - unpack.at);
    return (struct alert_reader){str_make((const char *)unpack.at, left), unpack.bad};
}

bool alert_read_line(struct alert_reader *reader, struct alert_line *line)
{
    if (reader->bad || reader->rest.len == 0)
        return false;
    struct unpack unpack = unpack_begin(reader->rest);
    *line = (struct alert_line){.window = unpack_byte(&unpack, RULES_PER_CALL_MAX + 2)};
    line->scope = (enum refusal_scope)unpack_byte(&unpack, SCOPE_COUNT);
    line->limit = unpack_count(&unpack);
    unsigned const count = unpack_byte(&unpack, ALERT_THRESHOLDS_MAX + 1);
    size_t const bytes = count * sizeof line->thresholds.percent[0];
    const unsigned char *percent = unpack_raw(&unpack, bytes);
    if (percent != NULL)
        memcpy(line->thresholds.percent, percent, bytes);
    line->name = unpack_text(&unpack, ALERT_NAME_BYTES_MAX);
    reader->bad = unpack.bad;
    reader->rest = str_make((const char *)unpack.at, (size_t)(unpack.end - unpack.at));
    return !unpack.bad;
}

bool alert_lines_valid(struct str lines, size_t windows)
{
    struct alert_head head;
    struct alert_line line;
    struct alert_reader reader = alert_read(lines, &head);
    while (alert_read_line(&reader, &line))
        if (line.window >= windows)
            return false;
    return !reader.bad;
}
