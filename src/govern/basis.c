/* basis.c - see basis.h. */
#include "govern/basis.h"
#include "codec/json_write.h"

static void put_source(struct json_writer *writer, const struct govern_source *source)
{
    json_key(writer, "source");
    json_object_open(writer);
    json_pair_text(writer, "layer", source->layer != NULL ? str_of(source->layer) : STR(""));
    json_pair_text(writer, "id", source->id);
    json_object_close(writer);
}

static void put_limit(struct json_writer *writer, const struct rule *rule,
                      const struct govern_source *source)
{
    static const char *const modes[] = {"hard", "soft", "shadow"};
    json_object_open(writer);
    json_pair_text(writer, "name", source->name);
    json_pair_text(writer, "metric", str_of(metric_name(rule->metric)));
    json_pair_text(writer, "window", str_of(window_name(rule->kind)));
    if (rule->metric == METRIC_COST)
        json_pair_decimal(writer, "limit", rule->limit, MONEY_SCALE);
    else
        json_pair_i64(writer, "limit", rule->limit);
    json_pair_text(writer, "mode", str_of(modes[rule->mode]));
    put_source(writer, source);
    json_object_close(writer);
}

static void put_cell(struct json_writer *writer, const struct govern_verdict *verdict)
{
    json_key(writer, "matrix_cell");
    if (verdict->cell.ptr == NULL) {
        json_put_null(writer);
        return;
    }
    json_object_open(writer);
    json_pair_text(writer, "id", verdict->cell);
    json_pair_text(writer, "origin", str_of(verdict->cell_origin));
    json_object_close(writer);
}

static void put_funding(struct json_writer *writer, const struct govern_verdict *verdict)
{
    static const char *const modes[] = {"block", "bill", "throttle"};
    const struct rules *rules = &verdict->rules;
    json_key(writer, "allowance");
    if (rules->has_allowance)
        put_limit(writer, &rules->allowance, &verdict->sources[rules->count]);
    else
        json_put_null(writer);
    json_pair_text(writer, "overage", str_of(modes[rules->overage]));
    json_key(writer, "overage_cap");
    if (rules->has_overage_cap)
        put_limit(writer, &rules->overage_cap, &verdict->sources[rules->count + 1]);
    else
        json_put_null(writer);
}

enum err basis_write(const struct govern_ask *ask, const struct govern_verdict *verdict,
                     struct buf *out)
{
    struct json_writer writer;
    const struct rules *rules = &verdict->rules;
    json_write_start(&writer, out);
    json_object_open(&writer);
    json_pair_text(&writer, "plan", verdict->plan);
    json_pair_text(&writer, "plan_version", verdict->plan_version);
    json_pair_text(&writer, "feature", ask->feature);
    json_pair_text(&writer, "provider", ask->provider);
    json_pair_text(&writer, "model", ask->model);
    put_cell(&writer, verdict);
    json_key(&writer, "output_max");
    if (verdict->output_max > 0)
        json_put_i64(&writer, verdict->output_max);
    else
        json_put_null(&writer);
    json_key(&writer, "limits");
    json_array_open(&writer);
    for (size_t i = 0; i < rules->count; i++)
        put_limit(&writer, &rules->list[i], &verdict->sources[i]);
    json_array_close(&writer);
    put_funding(&writer, verdict);
    json_object_close(&writer);
    return json_write_end(&writer);
}

/* --- its name -------------------------------------------------------------------------------- */
/* Of the same things that are written, without writing them: most calls of a large catalogue need
 * the name and find the text told already. */
static void add_word(uint64_t *hash, uint64_t word)
{
    *hash = (*hash ^ word) * 0x9ddfea08eb382d69u;
    *hash ^= *hash >> 29;
}

static void add_text(uint64_t *hash, struct str text)
{
    add_word(hash, text.len);
    for (; text.len >= 8; text = str_skip(text, 8)) {
        uint64_t word;
        memcpy(&word, text.ptr, sizeof word);
        add_word(hash, word);
    }
    uint64_t rest = 0;
    if (text.len > 0)
        memcpy(&rest, text.ptr, text.len);
    add_word(hash, rest);
}

static void add_limit(uint64_t *hash, const struct rule *rule, const struct govern_source *source)
{
    add_word(hash, (uint64_t)rule->kind << 16 | (uint64_t)rule->metric << 8 | (uint64_t)rule->mode);
    add_word(hash, (uint64_t)rule->limit);
    add_text(hash, source->name);
    add_text(hash, source->id);
    add_text(hash, source->layer != NULL ? str_of(source->layer) : STR(""));
}

uint64_t basis_name(const struct govern_ask *ask, const struct govern_verdict *verdict)
{
    uint64_t hash = 0xcbf29ce484222325u;
    const struct rules *rules = &verdict->rules;
    const struct str texts[] = {
        verdict->plan,
        verdict->plan_version,
        ask->feature,
        ask->provider,
        ask->model,
        verdict->cell,
        verdict->cell_origin != NULL ? str_of(verdict->cell_origin) : STR(""),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add_text(&hash, texts[i]);
    add_word(&hash, (uint64_t)verdict->output_max);
    add_word(&hash, (uint64_t)rules->overage << 2 | (uint64_t)rules->has_allowance << 1 |
                        (uint64_t)rules->has_overage_cap);
    for (size_t i = 0; i < rules->count; i++)
        add_limit(&hash, &rules->list[i], &verdict->sources[i]);
    if (rules->has_allowance)
        add_limit(&hash, &rules->allowance, &verdict->sources[rules->count]);
    if (rules->has_overage_cap)
        add_limit(&hash, &rules->overage_cap, &verdict->sources[rules->count + 1]);
    return hash != 0 ? hash : 1;
}
