/* test_record.c - payloads: what goes in comes out, and nothing else is taken for one. */
#include "base/random.h"
#include "book/end.h"
#include "book/record_int.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

enum { ROUNDS = 300, BYTES_MAX = 8192 };

static struct random source;

static int64_t any(int64_t limit)
{
    static const int64_t edges[] = {0, 1, 127, 128, 16383, 16384, INT64_MAX};
    if (random_below(&source, 4) > 0 || limit < INT64_MAX)
        return (int64_t)random_below(&source, (uint64_t)limit);
    return edges[random_below(&source, 7)];
}

static struct str any_text(char *bytes, size_t len_max)
{
    size_t const len = (size_t)any((int64_t)len_max + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)random_below(&source, 256);
    return str_make(bytes, len);
}

static struct ulid any_ulid(void)
{
    return (struct ulid){random_next(&source) >> 1, random_next(&source)};
}

static void fill_usage(struct usage *usage)
{
    for (int pool = 0; pool < POOL_COUNT; pool++)
        usage->tokens[pool] = any(2) ? any(INT64_MAX) : 0;
    usage->source = (enum usage_source)any(USAGE_EXACT + 1);
}

static void fill_limiters(struct record_limiters *limiters)
{
    *limiters = (struct record_limiters){.set = (unsigned)any(1 << LIMITER_COUNT)};
    for (int i = 0; i < LIMITER_COUNT; i++)
        if (limiters->set & 1u << i)
            limiters->tat[i] = any(INT64_MAX);
}

static size_t fill_windows(struct record_window_line *lines, bool whole)
{
    size_t const count = (size_t)any(RECORD_WINDOWS_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        int64_t const start_us = any((int64_t)1 << 52);
        lines[i] = (struct record_window_line){
            .counter = random_next(&source) | 1,
            .kind = (enum window_kind)any(WINDOW_KIND_COUNT),
            .metric = (enum metric)any(METRIC_COUNT),
            .role = (enum window_role)any(WINDOW_ROLE_COUNT),
            .start_us = start_us,
            .end_us = any(5) ? start_us + 1 + any((int64_t)1 << 52) : INT64_MAX,
            .amount = any(INT64_MAX),
            .used = whole ? any(INT64_MAX) : 0,
            .number = (unsigned)any(RECORD_WINDOWS_MAX),
        };
    }
    return count;
}

static size_t fill_grants(struct record_grant_line *lines, int64_t count_max, bool whole)
{
    size_t const count = (size_t)any(count_max + 1);
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct record_grant_line){
            any_ulid(), any(INT64_MAX), whole ? any(INT64_MAX) : 0, whole ? any(INT64_MAX) : 0};
    return count;
}

static struct {
    char texts[12][CONTEXT_BYTES_MAX];
    unsigned char hash[32];
} words;

static void fill_context(struct call_context *context)
{
    struct str *const texts[] = {
        &context->request_id, &context->user,           &context->feature,  &context->module,
        &context->profile,    &context->group,          &context->endpoint, &context->model,
        &context->provider,   &context->upstream_model,
    };
    for (size_t i = 0; i < 10; i++)
        *texts[i] = any_text(words.texts[i], CONTEXT_BYTES_MAX);
    context->stream = any(2);
    context->own_key = any(2);
    context->started_us = any(INT64_MAX);
    context->idempotency = any(2) ? words.hash : NULL;
    for (int i = 0; i < 32; i++)
        words.hash[i] = (unsigned char)any(256);
}

static void same_text(struct str a, struct str b)
{
    assert_int_equal(a.len, b.len);
    if (a.len > 0)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}

static void same_context(const struct call_context *a, const struct call_context *b)
{
    same_text(a->request_id, b->request_id);
    same_text(a->user, b->user);
    same_text(a->feature, b->feature);
    same_text(a->module, b->module);
    same_text(a->profile, b->profile);
    same_text(a->group, b->group);
    same_text(a->endpoint, b->endpoint);
    same_text(a->model, b->model);
    same_text(a->provider, b->provider);
    same_text(a->upstream_model, b->upstream_model);
    assert_int_equal(a->stream, b->stream);
    assert_int_equal(a->own_key, b->own_key);
    assert_int_equal(a->started_us, b->started_us);
    assert_int_equal(a->idempotency == NULL, b->idempotency == NULL);
    if (a->idempotency)
        assert_memory_equal(a->idempotency, b->idempotency, 32);
}

/* Every prefix and every extension of a payload is refused; a flipped bit never crashes, and what
 * is still accepted says something else. */
typedef bool decode(struct str payload);

static void damage(struct str payload, decode *decodes)
{
    char *exact = NULL;
    for (size_t len = 0; len < payload.len; len++) {
        exact = malloc(len + 1);
        memcpy(exact, payload.ptr, len);
        assert_false(decodes(str_make(exact, len)));
        free(exact);
    }
    exact = malloc(payload.len + 1);
    memcpy(exact, payload.ptr, payload.len);
    exact[payload.len] = 0;
    assert_false(decodes(str_make(exact, payload.len + 1)));
    for (size_t bit = 0; bit < payload.len * 8; bit++) {
        exact[bit / 8] = (char)(exact[bit / 8] ^ 1 << bit % 8);
        (void)decodes(str_make(exact, payload.len));
        exact[bit / 8] = (char)(exact[bit / 8] ^ 1 << bit % 8);
    }
    exact[0] = RECORD_VERSION + 1;
    assert_false(decodes(str_make(exact, payload.len)));
    free(exact);
}

static bool decode_reserve(struct str payload)
{
    struct record_reserve record;
    return record_reserve_decode(payload, &record);
}
static bool decode_settle(struct str payload)
{
    struct record_end record;
    return record_end_decode(RECORD_SETTLE, payload, &record);
}
static bool decode_expire(struct str payload)
{
    struct record_end record;
    return record_end_decode(RECORD_EXPIRE, payload, &record);
}

static struct tariff any_tariff(void)
{
    return (struct tariff){.marked = true,
                           .basis = (enum credit_basis)any(CREDIT_BASIS_COUNT),
                           .factor = any(INT64_MAX),
                           .fixed = any(INT64_MAX),
                           .rate = any(INT64_MAX)};
}

static void reserves_come_back(void **state)
{
    (void)state;
    static struct record_reserve record, back;
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_RESERVE_BYTES_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        char customer[CUSTOMER_ID_BYTES_MAX];
        memset(&record, 0, sizeof record);
        memset(&back, 0, sizeof back);
        fill_context(&record.context);
        fill_usage(&record.estimate);
        for (int pool = 0; pool < POOL_COUNT; pool++)
            record.price.pico[pool] = any(2) ? any(INT64_MAX) : PRICE_UNKNOWN;
        record.price.version = (uint32_t)random_next(&source);
        record.id = any_ulid();
        record.key = any_ulid();
        record.customer_id = any_text(customer, sizeof customer);
        record.orphan_input = any(INT64_MAX);
        record.cost.nano = any(INT64_MAX);
        record.overage.nano = any(INT64_MAX);
        record.overdraft.nano = any(INT64_MAX);
        record.deadline_us = any(INT64_MAX);
        record.tokens = any(INT64_MAX);
        record.output_tokens = any(INT64_MAX);
        record.unlimited = any(2);
        record.free = any(2);
        if (any(2))
            record.tariff = any_tariff();
        record.dispatched = any(2);
        fill_limiters(&record.limiters);
        record.grant_count = fill_grants(record.grants, GRANTS_PER_HOLD_MAX, false);
        record.window_count = fill_windows(record.windows, false);
        size_t const head = record_context_encode(&record.context, context, sizeof context);
        assert_true(head > 0);
        struct str const made = str_make((const char *)context, head);
        const unsigned char *hash = record_context_idempotency(made);
        assert_int_equal(hash == NULL, record.context.idempotency == NULL);
        if (hash)
            assert_memory_equal(hash, words.hash, 32);
        size_t const len = record_reserve_encode(&record, made, bytes, sizeof bytes);
        assert_true(len > 0);
        struct str const payload = str_make((const char *)bytes, len);
        assert_true(record_reserve_decode(payload, &back));
        same_context(&record.context, &back.context);
        same_text(record.customer_id, back.customer_id);
        record.context = back.context = (struct call_context){0};
        record.customer_id = back.customer_id = (struct str){0};
        assert_memory_equal(&record, &back, sizeof record);
        if (round < 3)
            damage(payload, decode_reserve);
    }
}

static void fill_end(struct record_end *record, enum record_type type)
{
    record->id = any_ulid();
    record->key = any_ulid();
    record->late = any(2);
    fill_limiters(&record->limiters);
    for (int i = 0; i < TOTAL_COUNT; i++)
        record->totals.nano[i] = any(INT64_MAX);
    record->grant_count = fill_grants(record->grants, RECORD_GRANTS_MAX, true);
    if (type == RECORD_EXPIRE)
        return;
    fill_context(&record->context);
    record->outcome = any_text(words.texts[10], RECORD_OUTCOME_BYTES_MAX);
    record->http_status = (int)any(1000);
    record->attempts = (int)any(1001);
    record->price_version = (uint32_t)random_next(&source);
    record->held.nano = any(INT64_MAX);
    if (type == RECORD_RELEASE)
        return;
    record->first_byte_us = any(INT64_MAX);
    fill_usage(&record->usage);
    record->charged.nano = any(INT64_MAX / 4);
    record->covered.nano = any(INT64_MAX / 4);
    record->overage.nano = any(INT64_MAX / 4);
    record->debt.nano = any(INT64_MAX / 4);
    record->list.nano = any(2) ? any(INT64_MAX) : 0;
    record->charge.nano =
        record->charged.nano + record->covered.nano + record->overage.nano + record->debt.nano;
    record->cost.nano = any(2) ? record->charge.nano : any(INT64_MAX);
    record->window_count = fill_windows(record->windows, true);
}

static void ends_come_back(void **state)
{
    (void)state;
    static const enum record_type types[] = {RECORD_SETTLE, RECORD_RELEASE, RECORD_EXPIRE};
    static struct record_end record, back;
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_SETTLE_BYTES_MAX];
    for (int round = 0; round < ROUNDS * 3; round++) {
        char customer[CUSTOMER_ID_BYTES_MAX];
        enum record_type const type = types[round % 3];
        memset(&record, 0, sizeof record);
        fill_end(&record, type);
        record.customer_id = any_text(customer, sizeof customer);
        size_t const head = record_context_encode(&record.context, context, sizeof context);
        size_t const len =
            record_end_encode(type, &record, str_make((char *)context, head), bytes, sizeof bytes);
        assert_true(len > 0 && len <= RECORD_SETTLE_BYTES_MAX);
        struct str const payload = str_make((const char *)bytes, len);
        memset(&back, 0, sizeof back);
        assert_true(record_end_decode(type, payload, &back));
        if (type != RECORD_EXPIRE)
            same_context(&record.context, &back.context);
        assert_int_equal(record.list.nano, back.list.nano);
        same_text(record.customer_id, back.customer_id);
        same_text(record.outcome, back.outcome);
        record.context = back.context = (struct call_context){0};
        record.customer_id = back.customer_id = record.outcome = back.outcome = (struct str){0};
        assert_memory_equal(&record, &back, sizeof record);
        if (round < 6 && type == RECORD_SETTLE)
            damage(payload, decode_settle);
        if (round < 6 && type == RECORD_EXPIRE)
            damage(payload, decode_expire);
    }
}

static void fill_longest(struct record_end *end, struct record_reserve *reserve, struct str text)
{
    struct record_window_line const line = {
        .counter = UINT64_MAX,
        .kind = WINDOW_KIND_COUNT - 1,
        .metric = METRIC_COUNT - 1,
        .role = WINDOW_ROLE_COUNT - 1,
        .start_us = ((int64_t)1 << 55) - 1,
        .end_us = INT64_MAX,
        .amount = INT64_MAX,
        .used = INT64_MAX,
    };
    reserve->customer_id = end->customer_id = str_make(text.ptr, CUSTOMER_ID_BYTES_MAX);
    end->outcome = str_make(text.ptr, RECORD_OUTCOME_BYTES_MAX);
    end->http_status = 999;
    end->attempts = 1000;
    end->price_version = reserve->price.version = UINT32_MAX;
    end->limiters.set = reserve->limiters.set = (1u << LIMITER_COUNT) - 1;
    end->first_byte_us = reserve->deadline_us = reserve->tokens = INT64_MAX;
    reserve->output_tokens = reserve->orphan_input = INT64_MAX;
    end->held.nano = end->cost.nano = end->charged.nano = INT64_MAX;
    end->covered = end->overage = end->debt = end->held;
    end->list = end->held;
    end->charge = (struct money){1}; /* not the cost: that stands beside it */
    reserve->cost = reserve->overage = reserve->overdraft = end->held;
    reserve->tariff = (struct tariff){true, CREDIT_COST, INT64_MAX, INT64_MAX, INT64_MAX, 0};
    for (int i = 0; i < TOTAL_COUNT; i++)
        end->totals.nano[i] = INT64_MAX;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        end->usage.tokens[pool] = reserve->estimate.tokens[pool] = reserve->price.pico[pool] =
            INT64_MAX;
    end->grant_count = RECORD_GRANTS_MAX;
    reserve->grant_count = GRANTS_PER_HOLD_MAX;
    end->window_count = reserve->window_count = RECORD_WINDOWS_MAX;
    for (size_t i = 0; i < RECORD_GRANTS_MAX; i++)
        end->grants[i] = (struct record_grant_line){{1, 1}, INT64_MAX, INT64_MAX, INT64_MAX};
    for (size_t i = 0; i < GRANTS_PER_HOLD_MAX; i++)
        reserve->grants[i] = end->grants[i];
    for (size_t i = 0; i < RECORD_WINDOWS_MAX; i++) {
        end->windows[i] = line;
        end->windows[i].start_us -= (int64_t)i; /* none is shared */
        reserve->windows[i] = end->windows[i];
    }
}

/* The longest of everything fits into the bound that every hold's promise is cut from. */
static void the_longest_fits(void **state)
{
    (void)state;
    static struct record_end end, back;
    static struct record_reserve reserve;
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_SETTLE_BYTES_MAX];
    char text[CONTEXT_BYTES_MAX];
    memset(text, 'x', sizeof text);
    struct str const longest = {text, sizeof text};
    struct call_context const words_all = {
        .request_id = longest,
        .user = longest,
        .feature = longest,
        .module = longest,
        .profile = longest,
        .group = longest,
        .endpoint = longest,
        .model = longest,
        .provider = longest,
        .upstream_model = longest,
        .stream = true,
        .own_key = true,
        .started_us = INT64_MAX,
        .basis = UINT64_MAX,
        .idempotency = words.hash,
    };
    size_t const head = record_context_encode(&words_all, context, sizeof context);
    struct str const made = str_make((char *)context, head);
    assert_true(head > 0);
    fill_longest(&end, &reserve, longest);
    size_t const len = record_end_encode(RECORD_SETTLE, &end, made, bytes, sizeof bytes);
    size_t const first = record_reserve_encode(&reserve, made, bytes, sizeof bytes);
    print_message("  longest SETTLE %zu, longest RESERVE %zu, bound %d\n", len, first,
                  (int)RECORD_SETTLE_BYTES_MAX);
    assert_true(len > 0 && first > 0);
    /* what a hold with as many lines promises for its end */
    struct hold const hold = {
        .grant_count = GRANTS_PER_HOLD_MAX, .window_count = RECORD_WINDOWS_MAX, .context = made};
    assert_true(len <= end_bytes_max(&hold));
    assert_true(end_bytes_max(&hold) <= RECORD_SETTLE_BYTES_MAX);
    end.covered = end.overage = end.debt = (struct money){0}; /* so that it adds up */
    size_t const payable = record_end_encode(RECORD_SETTLE, &end, made, bytes, sizeof bytes);
    assert_true(record_end_decode(RECORD_SETTLE, str_make((char *)bytes, payable), &back));
    assert_int_equal(back.window_count, RECORD_WINDOWS_MAX);
    assert_memory_equal(back.windows, end.windows, sizeof back.windows);
    /* and what does not fit is not half written */
    assert_int_equal(record_end_encode(RECORD_SETTLE, &end, made, bytes, 100), 0);
    struct call_context too_long = {.user = str_make((char *)bytes, CONTEXT_BYTES_MAX + 1)};
    assert_int_equal(record_context_encode(&too_long, context, sizeof context), 0);
    too_long = (struct call_context){.started_us = -1};
    assert_int_equal(record_context_encode(&too_long, context, sizeof context), 0);
}

static void money_that_does_not_add_up_is_refused(void **state)
{
    (void)state;
    static struct record_end end, back;
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_SETTLE_BYTES_MAX];
    struct call_context const empty = {0};
    size_t const head = record_context_encode(&empty, context, sizeof context);
    end.charged.nano = INT64_MAX;
    end.debt.nano = 1; /* the cost would be beyond int64 */
    size_t const len = record_end_encode(RECORD_SETTLE, &end, str_make((char *)context, head),
                                         bytes, sizeof bytes);
    assert_true(len > 0);
    assert_false(record_end_decode(RECORD_SETTLE, str_make((char *)bytes, len), &back));
    end.debt.nano = -1;
    assert_int_equal(record_end_encode(RECORD_SETTLE, &end, str_make((char *)context, head), bytes,
                                       sizeof bytes),
                     0);
}

/* --- rows ---------------------------------------------------------------------------------- */
static bool decode_customer(struct str payload)
{
    struct record_customer record;
    return record_customer_decode(payload, &record);
}
static bool decode_key(struct str payload)
{
    struct key_row row;
    return record_key_decode(payload, &row);
}
static bool decode_grant(struct str payload)
{
    struct record_grant record;
    return record_grant_decode(payload, &record);
}
static bool decode_grant_expire(struct str payload)
{
    struct record_grant_expire record;
    return record_grant_expire_decode(payload, &record);
}
static bool decode_progress(struct str payload)
{
    struct record_progress record;
    return record_progress_decode(payload, &record);
}
static bool decode_idempotency(struct str payload)
{
    struct idempotency_row row;
    return record_idempotency_decode(payload, &row);
}

static void rows_come_back(void **state)
{
    (void)state;
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    struct record_customer const customer = {
        .row = {.id = STR("acme"),
                .currency = STR("BRL"),
                .origin = ORIGIN_RUNTIME,
                .unlimited = true,
                .status = CUSTOMER_SUSPENDED,
                .created_us = 77,
                .overdraft = {5}},
        .limits = {60, 90000, 4},
    };
    struct record_customer back;
    size_t len = record_customer_encode(&customer, bytes, sizeof bytes);
    assert_true(record_customer_decode(str_make((char *)bytes, len), &back));
    same_text(back.row.id, customer.row.id);
    same_text(back.row.currency, customer.row.currency);
    assert_true(back.row.unlimited && back.row.status == CUSTOMER_SUSPENDED);
    assert_int_equal(back.row.overdraft.nano, 5);
    assert_int_equal(back.row.origin, ORIGIN_RUNTIME);
    assert_int_equal(back.limits.tokens_per_minute, 90000);
    assert_int_equal(back.limits.concurrent_max, 4);
    damage(str_make((char *)bytes, len), decode_customer);

    struct key_row const key = {.id = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                .customer_id = STR("acme"),
                                .name = STR("main"),
                                .prefix = STR("ck_live_ab"),
                                .hash = {1, 2, 3},
                                .status = KEY_REVOKED,
                                .expires_us = 9,
                                .created_us = 8,
                                .requests_per_minute = 3,
                                .concurrent_max = 2};
    struct key_row key_back;
    len = record_key_encode(&key, bytes, sizeof bytes);
    assert_true(record_key_decode(str_make((char *)bytes, len), &key_back));
    same_text(key_back.id, key.id);
    same_text(key_back.prefix, key.prefix);
    assert_memory_equal(key_back.hash, key.hash, 32);
    assert_int_equal(key_back.status, KEY_REVOKED);
    assert_int_equal(key_back.expires_us, 9);
    assert_int_equal(key_back.requests_per_minute, 3);
    damage(str_make((char *)bytes, len), decode_key);
}

static void grants_come_back(void **state)
{
    (void)state;
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    struct record_grant const grant = {
        .row = {.id = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                .customer_id = STR("acme"),
                .category = STR("paid"),
                .source_type = STR("cli"),
                .source_id = STR("1"),
                .amount = {100},
                .priority = -3,
                .expires_us = 5},
        .repaid = {30},
        .totals = {{1, 2, 3, 4, 5, 6, 7}},
    };
    struct record_grant back;
    size_t len = record_grant_encode(&grant, bytes, sizeof bytes);
    assert_true(record_grant_decode(str_make((char *)bytes, len), &back));
    assert_int_equal(back.row.amount.nano, 100);
    assert_int_equal(back.row.remaining.nano, 70);
    assert_int_equal(back.row.priority, -3);
    assert_memory_equal(&back.totals, &grant.totals, sizeof back.totals);
    damage(str_make((char *)bytes, len), decode_grant);
    struct record_grant scoped = grant, scoped_back; /* the one above is as older ones are */
    assert_true(str_empty(back.row.features));
    scoped.row.features = STR("chat reports");
    len = record_grant_encode(&scoped, bytes, sizeof bytes);
    assert_true(record_grant_decode(str_make((char *)bytes, len), &scoped_back));
    same_text(scoped_back.row.features, scoped.row.features);
    assert_false(record_grant_decode(str_make((char *)bytes, len - 1), &scoped_back));
    struct record_grant too_much = grant;
    too_much.repaid.nano = 101; /* more than it is worth */
    len = record_grant_encode(&too_much, bytes, sizeof bytes);
    assert_false(record_grant_decode(str_make((char *)bytes, len), &back));

    struct record_grant_expire const expire = {STR("acme"), {3, 4}, {5}, {6}, {{1}}};
    struct record_grant_expire expire_back;
    len = record_grant_expire_encode(&expire, bytes, sizeof bytes);
    assert_true(record_grant_expire_decode(str_make((char *)bytes, len), &expire_back));
    assert_int_equal(expire_back.breakage.nano, 5);
    assert_true(ulid_eq(expire_back.grant, expire.grant));
    damage(str_make((char *)bytes, len), decode_grant_expire);

    struct record_progress const progress = {{7, 8}, 1234}, *at = &progress;
    struct record_progress progress_back;
    len = record_progress_encode(at, bytes, sizeof bytes);
    assert_true(record_progress_decode(str_make((char *)bytes, len), &progress_back));
    assert_int_equal(progress_back.output_tokens, 1234);
    damage(str_make((char *)bytes, len), decode_progress);
}

static void answers_come_back(void **state)
{
    (void)state;
    static unsigned char bytes[BYTES_MAX];
    static char body[4000];
    memset(body, 'b', sizeof body);
    struct idempotency_row const row = {.customer_id = STR("acme"),
                                        .key_hash = {9},
                                        .fingerprint = {8},
                                        .status = 200,
                                        .content_type = STR("application/json"),
                                        .headers = STR("x: y"),
                                        .body = {body, sizeof body},
                                        .created_us = 1,
                                        .expires_us = 2};
    struct idempotency_row back;
    size_t const texts = row.content_type.len + row.headers.len + row.body.len;
    size_t const len =
        record_idempotency_encode(&row, bytes, texts + IDEMPOTENCY_RECORD_FIXED_BYTES);
    assert_true(len > 0);
    assert_true(record_idempotency_decode(str_make((char *)bytes, len), &back));
    same_text(back.body, row.body);
    same_text(back.headers, row.headers);
    assert_memory_equal(back.key_hash, row.key_hash, 32);
    assert_memory_equal(back.fingerprint, row.fingerprint, 32);
    assert_int_equal(back.status, 200);
    damage(str_make((char *)bytes, len), decode_idempotency);
}

int main(void)
{
    random_seed(&source, 11);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserves_come_back),
        cmocka_unit_test(ends_come_back),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(money_that_does_not_add_up_is_refused),
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(grants_come_back),
        cmocka_unit_test(answers_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
