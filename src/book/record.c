/* record.c - payloads, field by field: an encoder beside its decoder. */
#include "base/must.h"
#include "book/record_int.h"

enum {
    FLAG_UNLIMITED = 1,
    FLAG_DISPATCHED = 2,
    FLAG_FREE = 4,
    FLAG_TARIFF = 8, /* a tariff stands behind the windows */
    FLAG_LATE = 1,
    FLAG_LIST = 2,    /* a list price stands behind the windows */
    FLAG_COST = 4,    /* the cost is not the charge, and stands behind that */
    FLAG_ALERTS = 16, /* of RESERVE and SETTLE: alert lines stand before the context */
    FLAG_STREAM = 1,
    FLAG_IDEMPOTENCY = 2,
    FLAG_OWN_KEY = 4,
    FLAG_BASIS = 8,
    FLAG_PACKED = 32,   /* of RESERVE and SETTLE: lines as record_windows.c writes them */
    FLAG_ROLLOVER = 64, /* of RESERVE and SETTLE: what an allowance has from the window before */
    ATTEMPTS_MAX = 1000,
    TEXT_BYTES_MAX = CONTEXT_BYTES_MAX, /* ids, names, context */
};

_Static_assert((int)TEXT_BYTES_MAX >= (int)NAME_BYTES_MAX &&
                   (int)TEXT_BYTES_MAX >= (int)REQUEST_ID_BYTES_MAX,
               "one bound serves all texts of a context");
_Static_assert(POOL_COUNT <= 16, "pools are kept in a 16-bit mask");
_Static_assert(LIMITER_COUNT <= 8, "limiters are kept in one byte");

/* --- parts ----------------------------------------------------------------------------------- */
static void put_usage(struct pack *pack, const struct usage *usage)
{
    unsigned mask = 0;
    for (unsigned pool = 0; pool < POOL_COUNT; pool++)
        mask |= (unsigned)(usage->tokens[pool] != 0) << pool;
    pack_number(pack, mask);
    pack_byte(pack, usage->source);
    for (unsigned pool = 0; pool < POOL_COUNT; pool++)
        if (mask & 1u << pool)
            pack_count(pack, usage->tokens[pool]);
}

static void get_usage(struct unpack *unpack, struct usage *usage)
{
    int64_t const mask = unpack_count_max(unpack, (1 << POOL_COUNT) - 1);
    usage->source = (enum usage_source)unpack_byte(unpack, USAGE_EXACT + 1);
    for (unsigned pool = 0; pool < POOL_COUNT; pool++) {
        bool const present = mask >> pool & 1;
        usage->tokens[pool] = present ? unpack_count(unpack) : 0;
        if (present && usage->tokens[pool] == 0)
            unpack->bad = true;
    }
}

static void put_price(struct pack *pack, const struct price *price)
{
    unsigned mask = 0;
    for (unsigned pool = 0; pool < POOL_COUNT; pool++)
        mask |= (unsigned)(price->pico[pool] != PRICE_UNKNOWN) << pool;
    pack_number(pack, mask);
    pack_number(pack, price->version);
    for (unsigned pool = 0; pool < POOL_COUNT; pool++)
        if (mask & 1u << pool)
            pack_count(pack, price->pico[pool]);
}

static void get_price(struct unpack *unpack, struct price *price)
{
    int64_t const mask = unpack_count_max(unpack, (1 << POOL_COUNT) - 1);
    price->version = (uint32_t)unpack_count_max(unpack, UINT32_MAX);
    for (unsigned pool = 0; pool < POOL_COUNT; pool++)
        price->pico[pool] = mask >> pool & 1 ? unpack_count(unpack) : PRICE_UNKNOWN;
}

static void put_limiters(struct pack *pack, const struct record_limiters *limiters)
{
    pack_byte(pack, limiters->set);
    for (unsigned i = 0; i < LIMITER_COUNT; i++)
        if (limiters->set & 1u << i)
            pack_fixed(pack, limiters->tat[i]);
}

static void get_limiters(struct unpack *unpack, struct record_limiters *limiters)
{
    limiters->set = unpack_byte(unpack, 1u << LIMITER_COUNT);
    for (unsigned i = 0; i < LIMITER_COUNT; i++) {
        limiters->tat[i] = limiters->set & 1u << i ? unpack_fixed(unpack) : 0;
        if (limiters->tat[i] < 0)
            unpack->bad = true;
    }
}

static struct money get_money(struct unpack *unpack)
{
    return (struct money){unpack_count(unpack)};
}

/* `whole`: SETTLE and the other ends, which know what remains; a RESERVE has the amount alone. */
static void put_grants(struct pack *pack, const struct record_grant_line *lines, size_t count,
                       bool whole)
{
    pack_number(pack, count);
    for (size_t i = 0; i < count; i++) {
        pack_ulid(pack, lines[i].grant);
        pack_count(pack, lines[i].amount);
        if (!whole)
            continue;
        pack_count(pack, lines[i].breakage);
        pack_count(pack, lines[i].remaining);
    }
}

static size_t get_grants(struct unpack *unpack, struct record_grant_line *lines, int64_t count_max,
                         bool whole)
{
    size_t const count = (size_t)unpack_count_max(unpack, count_max);
    for (size_t i = 0; i < count && !unpack->bad; i++) {
        lines[i].grant = unpack_ulid(unpack);
        lines[i].amount = unpack_count(unpack);
        lines[i].breakage = whole ? unpack_count(unpack) : 0;
        lines[i].remaining = whole ? unpack_count(unpack) : 0;
    }
    return unpack->bad ? 0 : count;
}

/* --- context --------------------------------------------------------------------------------- */
size_t record_context_encode(const struct call_context *context, void *out, size_t room)
{
    struct pack pack = pack_begin(out, room);
    unsigned const flags =
        (context->stream ? FLAG_STREAM : 0u) | (context->idempotency ? FLAG_IDEMPOTENCY : 0u) |
        (context->own_key ? FLAG_OWN_KEY : 0u) | (context->basis != 0 ? FLAG_BASIS : 0u);
    const struct str texts[] = {
        context->request_id, context->user,           context->feature,  context->module,
        context->profile,    context->group,          context->endpoint, context->model,
        context->provider,   context->upstream_model,
    };
    pack_byte(&pack, flags);
    pack_count(&pack, context->started_us);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        pack_text(&pack, texts[i], TEXT_BYTES_MAX);
    if (context->basis != 0)
        pack_fixed(&pack, (int64_t)context->basis);
    if (context->idempotency)
        pack_raw(&pack, context->idempotency, RECORD_HASH_BYTES);
    return pack_end(&pack);
}

const unsigned char *record_context_idempotency(struct str context)
{
    MUST(context.len > RECORD_HASH_BYTES || !(context.ptr[0] & FLAG_IDEMPOTENCY));
    if (!(context.ptr[0] & FLAG_IDEMPOTENCY))
        return NULL;
    return (const unsigned char *)context.ptr + context.len - RECORD_HASH_BYTES;
}

static void get_context(struct unpack *unpack, struct call_context *context)
{
    unsigned const flags = unpack_byte(unpack, 2 * FLAG_BASIS);
    struct str *const texts[] = {
        &context->request_id, &context->user,           &context->feature,  &context->module,
        &context->profile,    &context->group,          &context->endpoint, &context->model,
        &context->provider,   &context->upstream_model,
    };
    context->stream = flags & FLAG_STREAM;
    context->own_key = flags & FLAG_OWN_KEY;
    context->started_us = unpack_count(unpack);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = unpack_text(unpack, TEXT_BYTES_MAX);
    context->basis = flags & FLAG_BASIS ? (uint64_t)unpack_fixed(unpack) : 0;
    if (flags & FLAG_BASIS && context->basis == 0)
        unpack->bad = true;
    context->idempotency = flags & FLAG_IDEMPOTENCY ? unpack_raw(unpack, RECORD_HASH_BYTES) : NULL;
}

struct str record_context_feature(struct str context)
{
    struct unpack unpack = unpack_begin(context);
    (void)unpack_byte(&unpack, UINT8_MAX + 1);
    (void)unpack_count(&unpack);
    (void)unpack_text(&unpack, TEXT_BYTES_MAX); /* request id, user */
    (void)unpack_text(&unpack, TEXT_BYTES_MAX);
    struct str const feature = unpack_text(&unpack, TEXT_BYTES_MAX);
    return unpack.bad ? (struct str){0} : feature;
}

static void put_tariff(struct pack *pack, const struct tariff *tariff)
{
    if (!tariff_is_set(tariff))
        return;
    pack_byte(pack, tariff->marked);
    pack_byte(pack, tariff->basis);
    pack_count(pack, tariff->factor);
    pack_count(pack, tariff->fixed);
    pack_count(pack, tariff->rate);
}

/* Without the minimum, which matters only before there is a hold. */
static void get_tariff(struct unpack *unpack, struct tariff *tariff, bool said)
{
    *tariff = (struct tariff){0};
    if (!said)
        return;
    tariff->marked = unpack_byte(unpack, 2) == 1;
    tariff->basis = (enum credit_basis)unpack_byte(unpack, CREDIT_BASIS_COUNT);
    tariff->factor = unpack_count(unpack);
    tariff->fixed = unpack_count(unpack);
    tariff->rate = unpack_count(unpack);
    if (!tariff_is_set(tariff))
        unpack->bad = true;
}

static void put_alerts(struct pack *pack, struct str lines)
{
    if (lines.len > 0)
        pack_text(pack, lines, ALERT_LINES_BYTES_MAX);
}

static struct str get_alerts(struct unpack *unpack, size_t windows, bool said)
{
    struct str const lines = said ? unpack_text(unpack, ALERT_LINES_BYTES_MAX) : (struct str){0};
    if (said && (lines.len == 0 || !alert_lines_valid(lines, windows)))
        unpack->bad = true;
    return lines;
}

/* --- RESERVE, DISPATCH, PROGRESS ------------------------------------------------------------- */
size_t record_reserve_encode(const struct record_reserve *record, struct str context, void *out,
                             size_t room)
{
    MUST(record->grant_count <= GRANTS_PER_HOLD_MAX);
    MUST(record->window_count <= RECORD_WINDOWS_MAX);
    struct pack pack = record_begin(out, room);
    unsigned const flags =
        (record->unlimited ? FLAG_UNLIMITED : 0u) | (record->dispatched ? FLAG_DISPATCHED : 0u) |
        (record->free ? FLAG_FREE : 0u) | (tariff_is_set(&record->tariff) ? FLAG_TARIFF : 0u) |
        (record->alerts.len > 0 ? FLAG_ALERTS : 0u) | (record->rollover.said ? FLAG_ROLLOVER : 0u) |
        FLAG_PACKED;
    pack_byte(&pack, flags);
    pack_ulid(&pack, record->id);
    pack_ulid(&pack, record->key);
    pack_text(&pack, record->customer_id, CUSTOMER_ID_BYTES_MAX);
    put_limiters(&pack, &record->limiters);
    put_price(&pack, &record->price);
    put_usage(&pack, &record->estimate);
    pack_count(&pack, record->orphan_input);
    pack_count(&pack, record->cost.nano);
    pack_count(&pack, record->overage.nano);
    pack_count(&pack, record->overdraft.nano);
    pack_count(&pack, record->deadline_us);
    pack_count(&pack, record->tokens);
    pack_count(&pack, record->output_tokens);
    put_grants(&pack, record->grants, record->grant_count, false);
    record_put_windows(&pack, record->windows, record->window_count, false);
    put_tariff(&pack, &record->tariff);
    if (record->rollover.said) {
        pack_count(&pack, record->rollover.carried);
        pack_count(&pack, record->rollover.included);
    }
    put_alerts(&pack, record->alerts);
    pack_raw(&pack, context.ptr, context.len);
    return pack_end(&pack);
}

/* NULL: there is none of that role. */
static struct record_window_line *record_line(struct record_window_line *lines, size_t count,
                                              enum window_role role)
{
    for (size_t i = count; i > 0; i--)
        if (lines[i - 1].role == role)
            return &lines[i - 1];
    return NULL;
}

/* Returns the flags. */
static unsigned get_reserve_start(struct unpack *unpack, struct record_reserve *record)
{
    unsigned const flags = unpack_byte(unpack, 2 * FLAG_ROLLOVER);
    record->rollover = (struct record_rollover){.said = flags & FLAG_ROLLOVER};
    record->free = flags & FLAG_FREE;
    record->unlimited = flags & FLAG_UNLIMITED;
    record->dispatched = flags & FLAG_DISPATCHED;
    record->id = unpack_ulid(unpack);
    record->key = unpack_ulid(unpack);
    record->customer_id = unpack_text(unpack, CUSTOMER_ID_BYTES_MAX);
    get_limiters(unpack, &record->limiters);
    return flags;
}

bool record_reserve_peek(struct str payload, struct record_reserve *record)
{
    struct unpack unpack = record_begin_read(payload);
    (void)get_reserve_start(&unpack, record);
    return !unpack.bad;
}

static void get_rollover(struct unpack *unpack, struct record_reserve *record)
{
    if (!record->rollover.said)
        return;
    record->rollover.carried = unpack_count(unpack);
    record->rollover.included = unpack_count(unpack);
    if (record_line(record->windows, record->window_count, ROLE_ALLOWANCE) == NULL)
        unpack->bad = true;
}

bool record_reserve_decode(struct str payload, struct record_reserve *record)
{
    struct unpack unpack = record_begin_read(payload);
    unsigned const flags = get_reserve_start(&unpack, record);
    get_price(&unpack, &record->price);
    get_usage(&unpack, &record->estimate);
    record->orphan_input = unpack_count(&unpack);
    record->cost = get_money(&unpack);
    record->overage = get_money(&unpack);
    record->overdraft = get_money(&unpack);
    record->deadline_us = unpack_count(&unpack);
    record->tokens = unpack_count(&unpack);
    record->output_tokens = unpack_count(&unpack);
    record->grant_count = get_grants(&unpack, record->grants, GRANTS_PER_HOLD_MAX, false);
    record->window_count = flags & FLAG_PACKED
                               ? record_get_windows(&unpack, record->windows, false)
                               : record_get_windows_words(&unpack, record->windows, false);
    get_tariff(&unpack, &record->tariff, flags & FLAG_TARIFF);
    get_rollover(&unpack, record);
    record->alerts = get_alerts(&unpack, record->window_count, flags & FLAG_ALERTS);
    get_context(&unpack, &record->context);
    return unpack_end(&unpack);
}

size_t record_progress_encode(const struct record_progress *record, void *out, size_t room)
{
    struct pack pack = record_begin(out, room);
    pack_ulid(&pack, record->id);
    pack_count(&pack, record->output_tokens);
    return pack_end(&pack);
}

bool record_progress_decode(struct str payload, struct record_progress *record)
{
    struct unpack unpack = record_begin_read(payload);
    record->id = unpack_ulid(&unpack);
    record->output_tokens = unpack_count(&unpack);
    return unpack_end(&unpack);
}

/* --- SETTLE, RELEASE, EXPIRE ----------------------------------------------------------------- */
static int64_t carried_of(const struct record_end *record)
{
    for (size_t i = record->window_count; i > 0; i--)
        if (record->windows[i - 1].role == ROLE_ALLOWANCE)
            return record->windows[i - 1].carried;
    return 0;
}

static void put_settled(struct pack *pack, const struct record_end *record)
{
    pack_count(pack, record->first_byte_us);
    put_usage(pack, &record->usage);
    pack_count(pack, record->charged.nano);
    pack_count(pack, record->covered.nano);
    pack_count(pack, record->overage.nano);
    pack_count(pack, record->debt.nano);
    record_put_windows(pack, record->windows, record->window_count, true);
    if (record->list.nano > 0)
        pack_count(pack, record->list.nano);
    if (record->cost.nano != record->charge.nano)
        pack_count(pack, record->cost.nano);
    if (carried_of(record) > 0)
        pack_count(pack, carried_of(record));
}

static void get_settled(struct unpack *unpack, struct record_end *record, unsigned flags)
{
    record->first_byte_us = unpack_count(unpack);
    get_usage(unpack, &record->usage);
    record->charged = get_money(unpack);
    record->covered = get_money(unpack);
    record->overage = get_money(unpack);
    record->debt = get_money(unpack);
    if (!money_add(record->charged, record->covered, &record->charge) ||
        !money_add(record->charge, record->overage, &record->charge) ||
        !money_add(record->charge, record->debt, &record->charge))
        unpack->bad = true;
    record->window_count = flags & FLAG_PACKED
                               ? record_get_windows(unpack, record->windows, true)
                               : record_get_windows_words(unpack, record->windows, true);
    record->list = flags & FLAG_LIST ? get_money(unpack) : (struct money){0};
    record->cost = flags & FLAG_COST ? get_money(unpack) : record->charge;
    struct record_window_line *line =
        record_line(record->windows, record->window_count, ROLE_ALLOWANCE);
    if (flags & FLAG_ROLLOVER && line != NULL)
        line->carried = unpack_count(unpack);
    else if (flags & FLAG_ROLLOVER)
        unpack->bad = true;
}

static unsigned end_flags(enum record_type type, const struct record_end *record)
{
    unsigned const flags = FLAG_PACKED | (record->late ? FLAG_LATE : 0u);
    if (type != RECORD_SETTLE)
        return flags;
    return flags | (record->list.nano > 0 ? FLAG_LIST : 0u) |
           (record->cost.nano != record->charge.nano ? FLAG_COST : 0u) |
           (record->alerts.len > 0 ? FLAG_ALERTS : 0u) |
           (carried_of(record) > 0 ? FLAG_ROLLOVER : 0u);
}

size_t record_end_encode(enum record_type type, const struct record_end *record, struct str context,
                         void *out, size_t room)
{
    MUST(type == RECORD_SETTLE || type == RECORD_RELEASE || type == RECORD_EXPIRE);
    MUST(record->grant_count <= RECORD_GRANTS_MAX);
    MUST(record->window_count <= RECORD_WINDOWS_MAX);
    struct pack pack = record_begin(out, room);
    unsigned const flags = end_flags(type, record);
    pack_byte(&pack, flags);
    pack_ulid(&pack, record->id);
    pack_ulid(&pack, record->key);
    pack_text(&pack, record->customer_id, CUSTOMER_ID_BYTES_MAX);
    put_limiters(&pack, &record->limiters);
    record_put_totals(&pack, &record->totals);
    put_grants(&pack, record->grants, record->grant_count, true);
    if (type == RECORD_EXPIRE)
        return pack_end(&pack);
    MUST(record->http_status >= 0 && record->http_status <= RECORD_HTTP_STATUS_MAX);
    MUST(record->attempts >= 0 && record->attempts <= ATTEMPTS_MAX);
    pack_text(&pack, record->outcome, RECORD_OUTCOME_BYTES_MAX);
    pack_count(&pack, record->http_status);
    pack_count(&pack, record->attempts);
    pack_number(&pack, record->price_version);
    pack_count(&pack, record->held.nano);
    if (type == RECORD_SETTLE)
        put_settled(&pack, record);
    if (flags & FLAG_ALERTS)
        put_alerts(&pack, record->alerts);
    pack_raw(&pack, context.ptr, context.len);
    return pack_end(&pack);
}

bool record_end_decode(enum record_type type, struct str payload, struct record_end *record)
{
    MUST(type == RECORD_SETTLE || type == RECORD_RELEASE || type == RECORD_EXPIRE);
    struct unpack unpack = record_begin_read(payload);
    *record = (struct record_end){0};
    unsigned const flags = unpack_byte(&unpack, 2 * FLAG_ROLLOVER);
    record->late = flags & FLAG_LATE;
    record->id = unpack_ulid(&unpack);
    record->key = unpack_ulid(&unpack);
    record->customer_id = unpack_text(&unpack, CUSTOMER_ID_BYTES_MAX);
    get_limiters(&unpack, &record->limiters);
    record_get_totals(&unpack, &record->totals);
    record->grant_count = get_grants(&unpack, record->grants, RECORD_GRANTS_MAX, true);
    if (type == RECORD_EXPIRE)
        return unpack_end(&unpack);
    record->outcome = unpack_text(&unpack, RECORD_OUTCOME_BYTES_MAX);
    record->http_status = (int)unpack_count_max(&unpack, RECORD_HTTP_STATUS_MAX);
    record->attempts = (int)unpack_count_max(&unpack, ATTEMPTS_MAX);
    record->price_version = (uint32_t)unpack_count_max(&unpack, UINT32_MAX);
    record->held = get_money(&unpack);
    if (type == RECORD_SETTLE)
        get_settled(&unpack, record, flags);
    record->alerts = get_alerts(&unpack, record->window_count, flags & FLAG_ALERTS);
    get_context(&unpack, &record->context);
    return unpack_end(&unpack);
}
