/* test_record_object.c - the record of a put: what goes in comes out, and hostile bytes are
 * refused.
 */
#include "base/random.h"
#include "book/record_int.h"
#include "book/record_object.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHANGES = 5, BYTES_MAX = 4096 };

static void same_text(struct str a, struct str b)
{
    assert_int_equal(a.len, b.len);
    if (a.len > 0)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}

static struct record_object const head = {
    .by = {.actor = STR_ROW("operator:7"),
           .address = STR_ROW("10.0.0.9"),
           .user_agent = STR_ROW("curl/8"),
           .reason = STR_ROW("n\xc3\xa3o"),
           .request_id = STR_ROW("r-1")},
    .sequence = 300,
    .count = CHANGES,
};

static void changes_make(struct record_object_change changes[CHANGES])
{
    for (unsigned i = 0; i < CHANGES; i++) {
        changes[i] = (struct record_object_change){
            .kind = i % 2 == 0 ? STR("plan") : STR("license"),
            .id = i == 0 ? STR("pr\xc3\xb3 x") : STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            .customer_id = i % 2 == 0 ? STR("") : STR("acme"),
            .version = i == 0 ? 1 : 4000000000,
            .origin = i % 2 == 0 ? ORIGIN_FILE : ORIGIN_RUNTIME,
            .deleted = i == 3,
            .created_us = i == 0 ? 0 : INT64_MAX,
            .before = i == 0 ? STR("") : STR("{\"a\":\"\\u0000\"}"),
            .after = i == 3 ? STR("") : STR("{\"b\":1}"),
        };
        memset(changes[i].hash, (int)i + 1, sizeof changes[i].hash);
    }
}

static size_t example(unsigned char bytes[BYTES_MAX])
{
    struct record_object_change changes[CHANGES];
    changes_make(changes);
    size_t const len = record_object_encode(&head, changes, bytes, BYTES_MAX);
    assert_true(len > 0);
    return len;
}

static void puts_come_back(void **state)
{
    (void)state;
    unsigned char bytes[BYTES_MAX];
    struct record_object_change changes[CHANGES], back;
    struct record_object record;
    size_t const len = example(bytes);
    changes_make(changes);
    assert_true(record_object_decode(str_make((char *)bytes, len), &record));
    same_text(record.by.actor, head.by.actor);
    same_text(record.by.address, head.by.address);
    same_text(record.by.user_agent, head.by.user_agent);
    same_text(record.by.reason, head.by.reason);
    same_text(record.by.request_id, head.by.request_id);
    assert_int_equal(record.sequence, 300);
    assert_int_equal(record.count, CHANGES);
    for (size_t i = 0; i < CHANGES; i++) {
        assert_true(record_object_next(&record, &back));
        same_text(back.kind, changes[i].kind);
        same_text(back.id, changes[i].id);
        same_text(back.customer_id, changes[i].customer_id);
        same_text(back.before, changes[i].before);
        same_text(back.after, changes[i].after);
        assert_int_equal(back.version, changes[i].version);
        assert_int_equal(back.origin, changes[i].origin);
        assert_int_equal(back.deleted, changes[i].deleted);
        assert_int_equal(back.created_us, changes[i].created_us);
        assert_memory_equal(back.hash, changes[i].hash, sizeof back.hash);
    }
    assert_false(record_object_next(&record, &back));
}

/* In exact memory, so that a read too far is seen. */
static bool decodes(const unsigned char *bytes, size_t len)
{
    char *exact = malloc(len + 1);
    struct record_object record;
    struct record_object_change change;
    memcpy(exact, bytes, len);
    bool const good = record_object_decode(str_make(exact, len), &record);
    size_t count = 0;
    while (good && record_object_next(&record, &change)) {
        assert_true(object_id_valid(change.id) && change.version > 0);
        count++;
    }
    assert_true(!good || count == record.count);
    free(exact);
    return good;
}

static void damage_is_refused_or_harmless(void **state)
{
    (void)state;
    unsigned char bytes[BYTES_MAX];
    size_t const len = example(bytes);
    struct random random;
    random_seed(&random, 3);
    for (size_t cut = 0; cut < len; cut++)
        assert_false(decodes(bytes, cut));
    assert_true(decodes(bytes, len));
    bytes[len] = 0;
    assert_false(decodes(bytes, len + 1));
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        (void)decodes(bytes, len);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (int round = 0; round < 20000; round++) {
        unsigned char mad[BYTES_MAX];
        memcpy(mad, bytes, len);
        for (int i = 0; i < 4; i++)
            mad[random_below(&random, len)] = (unsigned char)random_below(&random, 256);
        (void)decodes(mad, len);
    }
}

/* Each is one mistake in an otherwise good record. */
static void impossible_records_are_refused(void **state)
{
    (void)state;
    unsigned char bytes[BYTES_MAX];
    struct record_object_change good = {
        .kind = STR("plan"), .id = STR("p"), .version = 1, .after = STR("{}")};
    struct record_object one = {.sequence = 1, .count = 1};
    size_t len = record_object_encode(&one, &good, bytes, sizeof bytes);
    assert_true(decodes(bytes, len));
    struct record_object_change const bad[] = {
        {.kind = STR("plan"), .id = STR(""), .version = 1, .after = STR("{}")},
        {.kind = STR("plan"), .id = STR("a\n"), .version = 1, .after = STR("{}")},
        {.kind = STR("plan"), .id = STR("a\xff"), .version = 1, .after = STR("{}")},
        {.kind = STR("plan"), .id = STR("p"), .version = 0, .after = STR("{}")},
        {.kind = STR("plan"), .id = STR("p"), .version = 1, .after = STR("")},
        {.kind = STR("plan"), .id = STR("p"), .version = 1, .after = STR("{}"), .deleted = true},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        len = record_object_encode(&one, &bad[i], bytes, sizeof bytes);
        assert_true(len > 0);
        assert_false(decodes(bytes, len));
    }
    one.sequence = 0;
    len = record_object_encode(&one, &good, bytes, sizeof bytes);
    assert_false(decodes(bytes, len));
    one = (struct record_object){.sequence = 1};
    len = record_object_encode(&one, NULL, bytes, sizeof bytes);
    assert_false(decodes(bytes, len));
    one = (struct record_object){.sequence = 1, .count = 1};
    assert_int_equal(record_object_encode(&one, &good, bytes, 20), 0);
    good.created_us = -1;
    assert_int_equal(record_object_encode(&one, &good, bytes, sizeof bytes), 0);
}

static void ids_are_names(void **state)
{
    (void)state;
    static const struct {
        struct str id;
        bool valid;
    } rows[] = {
        {STR_ROW("a"), true},
        {STR_ROW("CUSTOMER/EXTERNAL"), true},
        {STR_ROW("com espa\xc3\xa7o \xf0\x9f\x8d\x8c"), true},
        {STR_ROW("\xc2\xa0"), true},
        {STR_ROW(""), false},
        {STR_ROW("a\0b"), false},
        {STR_ROW("a\tb"), false},
        {STR_ROW("a\x7f"), false},
        {STR_ROW("\xc2\x85"), false},
        {STR_ROW("\xc2"), false},
        {STR_ROW("\xc0\x80"), false},
        {STR_ROW("\xed\xa0\x80"), false},
    };
    char longest[OBJECT_ID_BYTES_MAX + 1];
    memset(longest, 'x', sizeof longest);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (object_id_valid(rows[i].id) != rows[i].valid)
            fail_msg("id %zu", i);
    assert_true(object_id_valid(str_make(longest, OBJECT_ID_BYTES_MAX)));
    assert_false(object_id_valid(str_make(longest, OBJECT_ID_BYTES_MAX + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_come_back),
        cmocka_unit_test(damage_is_refused_or_harmless),
        cmocka_unit_test(impossible_records_are_refused),
        cmocka_unit_test(ids_are_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
