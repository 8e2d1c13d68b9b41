/* compat_limits.c - GET and PUT /api/marketing/ai/rate-limits: three limits of a tenant (S2).
 *
 * Why:   an operator's PUT writes the limits CUSTOMER-hourly, -daily, -monthly; that of a
 *        customer's own key writes others beside them (…-own). The tighter binds, so a customer
 *        can keep itself below what it was given and never above.
 */
#include "admin/compat_int.h"
#include "codec/json_merge.h"

enum { ALERT_DEFAULT = 80, WINDOWS = 3 };

static const struct kind {
    const char *member, *name;
    enum metric metric;
    enum window_kind window;
} kinds[WINDOWS] = {
    {"requests_per_hour", "hourly", METRIC_REQUESTS, WINDOW_HOUR},
    {"tokens_per_day", "daily", METRIC_TOKENS, WINDOW_DAY},
    {"usd_per_month", "monthly", METRIC_COST, WINDOW_MONTH},
};

struct limits {
    struct subject *subject;
    struct json_writer *writer;
    struct str texts[WINDOWS]; /* of the limit as it is stored; empty: there is none */
    uint32_t versions[WINDOWS];
    const struct rule *rules[WINDOWS]; /* that bind; NULL: none does */
    int64_t used[WINDOWS];
};

static struct str limit_id(const struct limits *limits, const struct kind *kind)
{
    struct admin_call *call = limits->subject->call;
    return arena_printf(call->arena, "%.*s-%s%s", STR_ARG(limits->subject->id), kind->name,
                        call->customer.len > 0 ? "-own" : "");
}

/* --- reading --------------------------------------------------------------------------------- */
static enum err load_limit(struct limits *limits, size_t i)
{
    struct subject *subject = limits->subject;
    struct admin_call *call = subject->call;
    struct object object;
    struct str const id = limit_id(limits, &kinds[i]);
    limits->texts[i] = STR("");
    limits->versions[i] = 0;
    if (id.ptr == NULL)
        return ERR_NO_MEMORY;
    if (!book_object_get(admin_options(call->admin)->book, OBJECT_LIMIT, id, call->arena, &object))
        return ERR_OK;
    enum err const err = object_load(call, OBJECT_LIMIT, id, &object);
    if (err != ERR_OK)
        return err;
    limits->texts[i] = object.text;
    limits->versions[i] = object.version;
    if (str_eq(document_words(call, &subject->scratch, object.text, "owner"), STR("customer")) &&
        str_eq(document_words(call, &subject->scratch, object.text, "owner_id"), subject->id))
        return ERR_OK;
    return fault_set(&call->fault, ERR_CONFLICT, "the limit \"%.*s\" belongs to somebody else",
                     STR_ARG(id));
}

static enum err load_limits(struct limits *limits)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < WINDOWS; i++)
        err = load_limit(limits, i);
    return err;
}

/* What has no limit is summed up from the store. */
static enum err use_of(struct limits *limits, size_t i)
{
    struct subject *subject = limits->subject;
    const struct kind *kind = &kinds[i];
    struct figures_ask ask = {.customer_id = subject->id, .zone = subject->verdict.zone};
    struct figures_list *list = NULL;
    limits->rules[i] = subject_limit(subject, kind->metric, kind->window, &limits->used[i]);
    if (limits->rules[i] != NULL)
        return ERR_OK;
    window_bounds(kind->window, ask.zone, subject->now_us, &ask.since_us, &ask.until_us);
    enum err const err = figures_read(subject->call, &ask, &list);
    if (err != ERR_OK)
        return err;
    limits->used[i] = kind->metric == METRIC_REQUESTS ? list->total.requests
                      : kind->metric == METRIC_TOKENS ? list->total.tokens
                                                      : list->total.charge.nano;
    return ERR_OK;
}

static int64_t first_percent(struct json_object *scratch, struct str limit)
{
    struct str element;
    size_t at = 0;
    int64_t percent;
    struct str const list = document_raw(scratch, limit, "alert_percent");
    return list.ptr != NULL && json_next(list, &at, &element) && json_i64(element, &percent)
               ? percent
               : 0;
}

/* Of the tenant's own limits, else of the plan's, else 80. */
static int64_t alert_of(const struct limits *limits)
{
    struct subject *subject = limits->subject;
    struct admin_call *call = subject->call;
    struct object version;
    struct str element;
    int64_t percent = 0;
    for (size_t i = 0; percent == 0 && i < WINDOWS; i++)
        percent = first_percent(&subject->scratch, limits->texts[i]);
    if (percent != 0 || subject->verdict.plan_version.len == 0 ||
        !book_object_get(admin_options(call->admin)->book, OBJECT_PLAN_VERSION,
                         subject->verdict.plan_version, call->arena, &version))
        return percent != 0 ? percent : ALERT_DEFAULT;
    struct str const list = document_raw(&subject->scratch, version.text, "limits");
    for (size_t at = 0; percent == 0 && list.ptr != NULL && json_next(list, &at, &element);)
        percent = first_percent(&subject->scratch, element);
    return percent != 0 ? percent : ALERT_DEFAULT;
}

/* --- showing --------------------------------------------------------------------------------- */
static void put_amount(struct json_writer *writer, const struct kind *kind, int64_t amount)
{
    if (kind->metric == METRIC_COST)
        admin_put_money(writer, kind->member, amount);
    else
        json_pair_i64(writer, kind->member, amount);
}

static void put_null(struct json_writer *writer, const char *key)
{
    json_key(writer, key);
    json_put_null(writer);
}

static void put_all(const struct limits *limits, const char *group,
                    int64_t (*amount)(const struct rule *rule, int64_t used))
{
    struct json_writer *writer = limits->writer;
    if (group != NULL) {
        json_key(writer, group);
        json_object_open(writer);
    }
    for (size_t i = 0; i < WINDOWS; i++) {
        int64_t const shown = amount(limits->rules[i], limits->used[i]);
        if (shown < 0)
            put_null(writer, kinds[i].member);
        else
            put_amount(writer, &kinds[i], shown);
    }
    if (group != NULL)
        json_object_close(writer);
}

static int64_t the_limit(const struct rule *rule, int64_t used)
{
    (void)used;
    return rule != NULL ? rule->limit : -1;
}

static int64_t the_use(const struct rule *rule, int64_t used)
{
    (void)rule;
    return used;
}

static int64_t the_rest(const struct rule *rule, int64_t used)
{
    return rule == NULL ? -1 : rule->limit > used ? rule->limit - used : 0;
}

static void put_resets(const struct limits *limits)
{
    struct subject *subject = limits->subject;
    json_key(limits->writer, "resets_at");
    json_object_open(limits->writer);
    for (size_t i = 0; i < WINDOWS; i++) {
        int64_t start_us, end_us;
        window_bounds(kinds[i].window, subject->verdict.zone, subject->now_us, &start_us, &end_us);
        admin_put_instant(limits->writer, kinds[i].member, end_us);
    }
    json_object_close(limits->writer);
}

/* Names of the limits that are used to that share or more. */
static void put_reached(const struct limits *limits, const char *key, int64_t percent)
{
    json_key(limits->writer, key);
    json_array_open(limits->writer);
    for (size_t i = 0; i < WINDOWS; i++) {
        const struct rule *rule = limits->rules[i];
        if (rule != NULL && mul_div_ceil(rule->limit, percent, 100) <= limits->used[i])
            json_put_text(limits->writer, str_of(kinds[i].member));
    }
    json_array_close(limits->writer);
}

static enum err show(struct limits *limits)
{
    struct json_writer *writer = limits->writer;
    const struct subject *subject = limits->subject;
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < WINDOWS; i++)
        err = use_of(limits, i);
    if (err != ERR_OK)
        return err;
    int64_t const alert = alert_of(limits);
    json_object_open(writer);
    json_pair_text(writer, "tenant", subject->id);
    put_all(limits, NULL, the_limit);
    json_pair_i64(writer, "alert_threshold_percent", alert);
    put_all(limits, "used", the_use);
    put_all(limits, "remaining", the_rest);
    put_resets(limits);
    put_reached(limits, "alerts", alert);
    put_reached(limits, "reached", 100);
    json_key(writer, "code");
    if (subject->refusal == ERR_OK)
        json_put_null(writer);
    else
        json_put_text(writer, err_row(subject->refusal)->code);
    json_object_close(writer);
    return json_write_end(writer);
}

enum err rate_limits_get(struct admin_call *call, struct json_writer *writer)
{
    struct limits limits = {.writer = writer};
    enum err err = subject_open(call, "tenant", "usage:read", &limits.subject);
    if (err == ERR_OK)
        err = load_limits(&limits);
    return err == ERR_OK ? show(&limits) : err;
}

/* --- writing --------------------------------------------------------------------------------- */
static void put_alert(struct json_writer *writer, int64_t alert)
{
    json_key(writer, "alert_percent");
    json_array_open(writer);
    json_put_i64(writer, alert);
    if (alert < 100)
        json_put_i64(writer, 100);
    json_array_close(writer);
}

/* The limit as it shall be. */
static enum err render(struct limits *limits, const struct kind *kind, struct str value,
                       int64_t alert, struct str *text)
{
    struct subject *subject = limits->subject;
    struct json_writer writer;
    struct buf out;
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    json_pair_text(&writer, "owner", STR("customer"));
    json_pair_text(&writer, "owner_id", subject->id);
    json_pair_text(&writer, "name", str_of(kind->name));
    json_pair_text(&writer, "metric",
                   kind->metric == METRIC_REQUESTS ? STR("requests")
                   : kind->metric == METRIC_TOKENS ? STR("tokens")
                                                   : STR("cost"));
    json_pair_text(&writer, "window", str_of(window_name(kind->window)));
    json_key(&writer, "value");
    if (kind->metric == METRIC_COST && json_type(value) == JSON_NUMBER)
        json_put_text(&writer, value); /* the digits as text: money is decimal text */
    else
        json_put_raw(&writer, value);
    json_pair_text(&writer, "mode", STR("hard"));
    put_alert(&writer, alert);
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    *text = arena_copy(subject->call->arena, buf_view(&out));
    buf_free(&out);
    return err != ERR_OK ? err : text->ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

/* A count as text, or with a fraction, is none. */
static enum err value_check(struct limits *limits, const struct kind *kind, struct str value)
{
    int64_t number;
    if (kind->metric == METRIC_COST || json_i64(value, &number))
        return ERR_OK;
    return fault_param(&limits->subject->call->fault, ERR_FIELD_INVALID, kind->member,
                       "must be a whole number");
}

/* What the body asks of one limit; false in *wanted: nothing. */
static enum err plan_change(struct limits *limits, size_t i, int64_t alert,
                            struct object_change *change, bool *wanted)
{
    struct subject *subject = limits->subject;
    struct admin_call *call = subject->call;
    const struct kind *kind = &kinds[i];
    struct str value = json_get(&call->object, str_of(kind->member));
    bool const there = limits->texts[i].len > 0;
    *change =
        (struct object_change){.kind = OBJECT_LIMIT,
                               .id = limit_id(limits, kind),
                               .before = limits->texts[i],
                               .expected = there ? (int64_t)limits->versions[i] : OBJECT_ABSENT,
                               .origin = ORIGIN_RUNTIME};
    if (change->id.ptr == NULL)
        return ERR_NO_MEMORY;
    *wanted = value.ptr != NULL || (there && alert > 0);
    if (json_type(value) == JSON_NULL) {
        *wanted = there; /* text stays empty: deleted */
        return ERR_OK;
    }
    if (!*wanted)
        return ERR_OK;
    int64_t const before = first_percent(&subject->scratch, limits->texts[i]);
    if (value.ptr == NULL)
        value = document_raw(&subject->scratch, limits->texts[i], "value");
    enum err err = value_check(limits, kind, value);
    if (err == ERR_OK)
        err = render(limits, kind, value,
                     alert > 0    ? alert
                     : before > 0 ? before
                                  : ALERT_DEFAULT,
                     &change->text);
    return err == ERR_OK ? document_check(call, change) : err;
}

static enum err write_limits(struct limits *limits)
{
    struct admin_call *call = limits->subject->call;
    const struct admin_options *options = admin_options(call->admin);
    struct object_change changes[WINDOWS];
    int64_t alert = 0;
    size_t count = 0;
    uint32_t version;
    enum err err = load_limits(limits);
    if (err == ERR_OK)
        err = admin_body_i64(call, "alert_threshold_percent", &alert);
    for (size_t i = 0; err == ERR_OK && i < WINDOWS; i++) {
        bool wanted = false;
        err = plan_change(limits, i, alert, &changes[count], &wanted);
        count += wanted;
    }
    if (err == ERR_OK && count > 0)
        err = book_objects_put(options->book, changes, count, &call->actor, &version, &call->fault);
    if (err == ERR_OK && count > 0)
        options->changed(options->owner, OBJECT_LIMIT);
    return err;
}

enum err rate_limits_put(struct admin_call *call, struct json_writer *writer)
{
    struct limits limits = {.writer = writer};
    enum err err = subject_open(call, "tenant", "limits:write", &limits.subject);
    if (err != ERR_OK)
        return err;
    for (int tries = 0; tries < OBJECT_TRIES; tries++) {
        call->fault = (struct fault){0};
        err = write_limits(&limits);
        if (err != ERR_VERSION_CONFLICT)
            break;
    }
    if (err == ERR_OK)
        err = admin_flush(call);
    if (err == ERR_OK)
        err = load_limits(&limits);
    subject_look(limits.subject);
    return err == ERR_OK ? show(&limits) : err;
}
