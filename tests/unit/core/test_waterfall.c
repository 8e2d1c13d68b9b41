/* test_waterfall.c - who pays, row by row. */
#include "core/waterfall.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { NOW = 1000, GRANTS = 12 };

static const struct row {
    const char *sentence;
    struct waterfall_grant grants[GRANTS]; /* remaining 0: no more; in order of paying */
    const char *feature;
    int64_t owed, overage, overdraft, due;
    bool ignore_holds;
    int64_t expected[GRANTS]; /* per grant */
    int64_t from_overage, from_overdraft, left;
} rows[] = {
    {.sentence = "nothing is due", .grants = {{.remaining = 5}}},
    {.sentence = "one grant pays", .grants = {{.remaining = 5}}, .due = 5, .expected = {5}},
    {.sentence = "one micro short",
     .grants = {{.remaining = 5}},
     .due = 6,
     .expected = {5},
     .left = 1},
    {.sentence = "the second pays the rest",
     .grants = {{.remaining = 5}, {.remaining = 9}},
     .due = 7,
     .expected = {5, 2}},
    {.sentence = "what is held is not there",
     .grants = {{.remaining = 5, .held = 4}, {.remaining = 9, .held = 9}, {.remaining = 3}},
     .due = 4,
     .expected = {1, 0, 3}},
    {.sentence = "what is held is there once holds are ignored",
     .grants = {{.remaining = 5, .held = 4}, {.remaining = 9, .held = 9}},
     .due = 14,
     .ignore_holds = true,
     .expected = {5, 9}},
    {.sentence = "not yet effective",
     .grants = {{.remaining = 5, .effective_us = NOW + 1}, {.remaining = 9}},
     .due = 4,
     .expected = {0, 4}},
    {.sentence = "effective from this very instant",
     .grants = {{.remaining = 5, .effective_us = NOW}},
     .due = 5,
     .expected = {5}},
    {.sentence = "expired at this very instant, even for those who ignore holds",
     .grants = {{.remaining = 5, .expires_us = NOW}},
     .due = 5,
     .ignore_holds = true,
     .left = 5},
    {.sentence = "not expired a microsecond before",
     .grants = {{.remaining = 5, .expires_us = NOW + 1}},
     .due = 5,
     .expected = {5}},
    {.sentence = "overage after grants, overdraft after overage",
     .grants = {{.remaining = 5}},
     .overage = 3,
     .overdraft = 2,
     .due = 11,
     .expected = {5},
     .from_overage = 3,
     .from_overdraft = 2,
     .left = 1},
    {.sentence = "overage is not touched while grants pay",
     .grants = {{.remaining = 5}},
     .overage = 3,
     .due = 5,
     .expected = {5}},
    {.sentence = "debt is set aside first",
     .grants = {{.remaining = 5}, {.remaining = 5}},
     .owed = 4,
     .due = 10,
     .expected = {5, 1},
     .left = 4},
    {.sentence = "more debt than grants: nothing pays",
     .grants = {{.remaining = 5}},
     .owed = 9,
     .due = 1,
     .left = 1},
    {.sentence = "debt does not stop overage",
     .grants = {{.remaining = 5}},
     .owed = 9,
     .overage = 4,
     .due = 3,
     .from_overage = 3},
    {.sentence = "at most eight grants take part",
     .grants = {{.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1}},
     .due = 9,
     .expected = {1, 1, 1, 1, 1, 1, 1, 1},
     .left = 1},
    {.sentence = "empty ones do not count as taking part",
     .grants = {{.remaining = 1, .held = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1},
                {.remaining = 1}},
     .due = 8,
     .expected = {0, 1, 1, 1, 1, 1, 1, 1, 1}},
    {.sentence = "a grant for a feature pays for calls of that one alone",
     .grants = {{.remaining = 5, .features = STR_ROW("reports")}, {.remaining = 9}},
     .feature = "chat",
     .due = 7,
     .expected = {0, 7}},
    {.sentence = "… also when it is one of several, and in its place",
     .grants = {{.remaining = 5, .features = STR_ROW("reports chat")}, {.remaining = 9}},
     .feature = "chat",
     .due = 7,
     .expected = {5, 2}},
    {.sentence = "a name within a name is another feature",
     .grants = {{.remaining = 5, .features = STR_ROW("chat-long longchat")}},
     .feature = "chat",
     .due = 1,
     .left = 1},
    {.sentence = "a call that says no feature gets nothing of it",
     .grants = {{.remaining = 5, .features = STR_ROW("chat")}},
     .due = 1,
     .left = 1},
    {.sentence = "debt is not set aside of what is for a feature",
     .grants = {{.remaining = 5, .features = STR_ROW("chat")}, {.remaining = 5}},
     .feature = "chat",
     .owed = 4,
     .due = 10,
     .expected = {5, 1},
     .left = 4},
    {.sentence = "amounts at the end of the range",
     .grants = {{.remaining = INT64_MAX}, {.remaining = INT64_MAX}},
     .owed = 1,
     .due = INT64_MAX,
     .expected = {INT64_MAX}},
};

static void each_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        const struct waterfall_grant *grants[GRANTS];
        int64_t paid[GRANTS] = {0}, sum = 0;
        size_t count = 0;
        while (count < GRANTS && row->grants[count].remaining > 0) {
            grants[count] = &row->grants[count];
            count++;
        }
        struct waterfall_funds const funds = {.grants = grants,
                                              .grant_count = count,
                                              .feature = str_of(row->feature ? row->feature : ""),
                                              .owed = row->owed,
                                              .overage_room = row->overage,
                                              .overdraft_room = row->overdraft,
                                              .now_us = NOW,
                                              .ignore_holds = row->ignore_holds};
        print_message("  %s\n", row->sentence);
        struct waterfall const got = waterfall_allocate(&funds, row->due);
        for (size_t line = 0; line < got.line_count; line++) {
            assert_true(got.lines[line].amount > 0);
            paid[got.lines[line].grant] += got.lines[line].amount;
            sum += got.lines[line].amount;
        }
        for (size_t grant = 0; grant < GRANTS; grant++)
            assert_int_equal(paid[grant], row->expected[grant]);
        assert_int_equal(got.from_grants, sum);
        assert_int_equal(got.overage, row->from_overage);
        assert_int_equal(got.overdraft, row->from_overdraft);
        assert_int_equal(got.left, row->left);
        assert_int_equal(sum + got.overage + got.overdraft + got.left, row->due);
    }
}

static void the_order_is_total(void **state)
{
    (void)state;
    static const struct waterfall_grant sorted[] = {
        {.priority = -1},
        {.priority = 0, .expires_us = 5},
        {.priority = 0, .expires_us = 6, .created_us = 1},
        {.priority = 0, .expires_us = 6, .created_us = 2, .id = {1, 1}},
        {.priority = 0, .expires_us = 6, .created_us = 2, .id = {1, 2}},
        {.priority = 0, .expires_us = 6, .created_us = 2, .id = {2, 0}},
        {.priority = 0, .expires_us = 0}, /* never is last */
        {.priority = 7, .expires_us = 1},
    };
    size_t const count = sizeof sorted / sizeof sorted[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            int const order = waterfall_order(&sorted[i], &sorted[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static const struct coverage_row {
    int64_t cost, metric, covered, due;
} coverage[] = {
    {100, 10, 0, 100},
    {100, 10, 10, 0},
    {100, 10, 5, 50},
    {100, 3, 1, 67}, /* rounded up, against the customer by less than a nano */
    {0, 10, 3, 0},
    {100, 0, 0, 0}, /* nothing measured: nothing is due */
    {INT64_MAX, INT64_MAX, 1, INT64_MAX - 1},
    {INT64_MAX, 1, 0, INT64_MAX},
};

static void quota_pays_its_part(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof coverage / sizeof coverage[0]; i++)
        assert_int_equal(coverage_due(coverage[i].cost, coverage[i].metric, coverage[i].covered),
                         coverage[i].due);
}

/* Why a settle within its estimate never becomes debt: what is due grows with cost and metric, and
 * falls with what is covered. */
static void what_is_due_is_monotone(void **state)
{
    (void)state;
    for (int64_t metric = 1; metric < 24; metric++)
        for (int64_t cost = 0; cost < 24; cost++)
            for (int64_t quota = 0; quota < 24; quota++) {
                int64_t const covered = quota < metric ? quota : metric;
                int64_t const more = quota < metric + 1 ? quota : metric + 1;
                int64_t const due = coverage_due(cost, metric, covered);
                assert_true(coverage_due(cost + 1, metric, covered) >= due);
                assert_true(coverage_due(cost, metric + 1, more) >= due);
                if (covered < metric)
                    assert_true(coverage_due(cost, metric, covered + 1) <= due);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row),
        cmocka_unit_test(the_order_is_total),
        cmocka_unit_test(quota_pays_its_part),
        cmocka_unit_test(what_is_due_is_monotone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
