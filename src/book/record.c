/* record.c - payloads, field by field: an encoder beside its decoder. */
#include "base/must.h"
#include "book/record_int.h"

enum {
    FLAG_UNLIMITED = 1,
    FLAG_DISPATCHED = 2,
    FLAG_LATE = 1,
    FLAG_STREAM = 1,
    FLAG_IDEMPOTENCY = 2,
    ATTEMPTS_MAX = 1000,
    TEXT_BYTES_MAX = CONTEXT_BYTES_MAX, /* ids, names, context */
};

_Static_assert((int)TEXT_BYTES_MAX >= (int)NAME_BYTES_MAX &&
                   (int)TEXT_BYTES_MAX >= (int)REQUEST_ID_BYTES_MAX,
               "one bound serves all texts of a context");
_Static_assert(POOL_COUNT <= 16, "pools are kept in a 16-bit mask");
_Static_assert(LIMITER_COUNT <= 8, "limiters are kept in one byte");
_Static_assert((int)METRIC_COUNT == 4 && (int)ROLE_COUNT <= 4 && (int)WINDOW_KIND_COUNT <= 8,
               "kind, role and metric of a line share a byte, but for its top bit");

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

/* Words of eight bytes: a call under a plan has a dozen lines, twice. What the line counts stands
 * in the top byte of its start, which needs no more than 55 bits until the year 3111. */
enum { LINE_WORDS = 4, LINE_WORDS_WHOLE = 5, LINE_START_BITS = 55 };

static void put_windows(struct pack *pack, const struct record_window_line *lines, size_t count,
                        bool whole)
{
    pack_number(pack, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t const what =
            (uint64_t)lines[i].kind << 4 | (uint64_t)lines[i].role << 2 | (uint64_t)lines[i].metric;
        uint64_t const words[LINE_WORDS_WHOLE] = {
            lines[i].counter,          what << LINE_START_BITS | (uint64_t)lines[i].start_us,
            (uint64_t)lines[i].end_us, (uint64_t)lines[i].amount,
            (uint64_t)lines[i].used,
        };
        if (lines[i].start_us < 0 || lines[i].start_us >> LINE_START_BITS != 0 ||
            lines[i].amount < 0 || lines[i].used < 0)
            pack->full = true; /* could not be read back */
        pack_raw(pack, words, (whole ? LINE_WORDS_WHOLE : LINE_WORDS) * sizeof words[0]);
    }
}

static bool get_window(const unsigned char *bytes, struct record_window_line *line, bool whole)
{
    uint64_t words[LINE_WORDS_WHOLE] = {0};
    memcpy(words, bytes, (whole ? LINE_WORDS_WHOLE : LINE_WORDS) * sizeof words[0]);
    uint64_t const what = words[1] >> LINE_START_BITS;
    line->counter = words[0];
    line->kind = (enum window_kind)(what >> 4);
    line->role = (enum window_role)(what >> 2 & 3);
    line->metric = (enum metric)(what & 3);
    line->start_us = (int64_t)(words[1] & (((uint64_t)1 << LINE_START_BITS) - 1));
    line->end_us = (int64_t)words[2];
    line->amount = (int64_t)words[3];
    line->used = (int64_t)words[4];
    return line->counter != 0 && line->kind < WINDOW_KIND_COUNT && line->role < ROLE_COUNT &&
           line->end_us > line->start_us && line->amount >= 0 && line->used >= 0;
}

static size_t get_windows(struct unpack *unpack, struct record_window_line *lines, bool whole)
{
    size_t const count = (size_t)unpack_count_max(unpack, RECORD_WINDOWS_MAX);
    size_t const line_bytes = (whole ? LINE_WORDS_WHOLE : LINE_WORDS) * sizeof(uint64_t);
    for (size_t i = 0; i < count && !unpack->bad; i++) {
        const unsigned char *bytes = unpack_raw(unpack, line_bytes);
        if (bytes == NULL || !get_window(bytes, &lines[i], whole))
            unpack->bad = true;
    }
    return unpack->bad ? 0 : count;
}

/* --- context --------------------------------------------------------------------------------- */
size_t record_context_encode(const struct call_context *context, void *out, size_t room)
{
    struct pack pack = pack_begin(out, room);
    unsigned const flags =
        (context->stream ? FLAG_STREAM : 0u) | (context->idempotency ? FLAG_IDEMPOTENCY : 0u);
    const struct str texts[] = {
        context->request_id, context->user,           context->feature,  context->module,
        context->profile,    context->group,          context->endpoint, context->model,
        context->provider,   context->upstream_model,
    };
    pack_byte(&pack, flags);
    pack_count(&pack, context->started_us);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        pack_text(&pack, texts[i], TEXT_BYTES_MAX);
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
    unsigned const flags = unpack_byte(unpack, (FLAG_STREAM | FLAG_IDEMPOTENCY) + 1);
    struct str *const texts[] = {
        &context->request_id, &context->user,           &context->feature,  &context->module,
        &context->profile,    &context->group,          &context->endpoint, &context->model,
        &context->provider,   &context->upstream_model,
    };
    context->stream = flags & FLAG_STREAM;
    context->started_us = unpack_count(unpack);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = unpack_text(unpack, TEXT_BYTES_MAX);
    context->idempotency = flags & FLAG_IDEMPOTENCY ? unpack_raw(unpack, RECORD_HASH_BYTES) : NULL;
}

/* --- RESERVE, DISPATCH, PROGRESS ------------------------------------------------------------- */
size_t record_reserve_encode(const struct record_reserve *record, struct str context, void *out,
                             size_t room)
{
    MUST(record->grant_count <= GRANTS_PER_HOLD_MAX);
    MUST(record->window_count <= RECORD_WINDOWS_MAX);
    struct pack pack = record_begin(out, room);
    unsigned const flags =
        (record->unlimited ? FLAG_UNLIMITED : 0u) | (record->dispatched ? FLAG_DISPATCHED : 0u);
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
    put_windows(&pack, record->windows, record->window_count, false);
    pack_raw(&pack, context.ptr, context.len);
    return pack_end(&pack);
}

static void get_reserve_start(struct unpack *unpack, struct record_reserve *record)
{
    unsigned const flags = unpack_byte(unpack, (FLAG_UNLIMITED | FLAG_DISPATCHED) + 1);
    record->unlimited = flags & FLAG_UNLIMITED;
    record->dispatched = flags & FLAG_DISPATCHED;
    record->id = unpack_ulid(unpack);
    record->key = unpack_ulid(unpack);
    record->customer_id = unpack_text(unpack, CUSTOMER_ID_BYTES_MAX);
    get_limiters(unpack, &record->limiters);
}

bool record_reserve_peek(struct str payload, struct record_reserve *record)
{
    struct unpack unpack = record_begin_read(payload);
    get_reserve_start(&unpack, record);
    return !unpack.bad;
}

bool record_reserve_decode(struct str payload, struct record_reserve *record)
{
    struct unpack unpack = record_begin_read(payload);
    get_reserve_start(&unpack, record);
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
    record->window_count = get_windows(&unpack, record->windows, false);
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
static void put_settled(struct pack *pack, const struct record_end *record)
{
    pack_count(pack, record->first_byte_us);
    put_usage(pack, &record->usage);
    pack_count(pack, record->charged.nano);
    pack_count(pack, record->covered.nano);
    pack_count(pack, record->overage.nano);
    pack_count(pack, record->debt.nano);
    put_windows(pack, record->windows, record->window_count, true);
}

static void get_settled(struct unpack *unpack, struct record_end *record)
{
    record->first_byte_us = unpack_count(unpack);
    get_usage(unpack, &record->usage);
    record->charged = get_money(unpack);
    record->covered = get_money(unpack);
    record->overage = get_money(unpack);
    record->debt = get_money(unpack);
    if (!money_add(record->charged, record->covered, &record->cost) ||
        !money_add(record->cost, record->overage, &record->cost) ||
        !money_add(record->cost, record->debt, &record->cost))
        unpack->bad = true;
    record->window_count = get_windows(unpack, record->windows, true);
}

size_t record_end_encode(enum record_type type, const struct record_end *record, struct str context,
                         void *out, size_t room)
{
    MUST(type == RECORD_SETTLE || type == RECORD_RELEASE || type == RECORD_EXPIRE);
    MUST(record->grant_count <= RECORD_GRANTS_MAX);
    MUST(record->window_count <= RECORD_WINDOWS_MAX);
    struct pack pack = record_begin(out, room);
    pack_byte(&pack, record->late ? FLAG_LATE : 0);
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
    pack_raw(&pack, context.ptr, context.len);
    return pack_end(&pack);
}

bool record_end_decode(enum record_type type, struct str payload, struct record_end *record)
{
    MUST(type == RECORD_SETTLE || type == RECORD_RELEASE || type == RECORD_EXPIRE);
    struct unpack unpack = record_begin_read(payload);
    *record = (struct record_end){0};
    record->late = unpack_byte(&unpack, FLAG_LATE + 1) & FLAG_LATE;
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
        get_settled(&unpack, record);
    get_context(&unpack, &record->context);
    return unpack_end(&unpack);
}
