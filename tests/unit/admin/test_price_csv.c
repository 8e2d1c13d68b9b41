/* test_price_csv.c - tables of prices: amounts to the last digit, cells, lines that are wrong; and
 * cells of our own tables. */
#include "admin/export.h"
#include "admin/price_csv.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void amounts_are_exact(void **state)
{
    static const struct {
        const char *text;
        int64_t pico; /* -1: refused */
        const char *again;
    } rows[] = {
        {"0.15", 150000, "0.15"},
        {"5", 5000000, "5"},
        {"0", 0, "0"},
        {"0.0028", 2800, "0.0028"},
        {"2.38876", 2388760, "2.38876"},
        {"0.0000005", 0, "0"},        /* half: to even */
        {"0.0000015", 2, "0.000002"}, /* half: to even */
        {"0.00000050001", 1, "0.000001"} /* more than half */,
        {"2.9999900000000002", 2999990, "2.99999"},
        {"1000000", 1000000000000, "1000000"},
        {"", -1, ""},
        {"-1", -1, ""},
        {"1e-7", -1, ""},
        {"1.", -1, ""},
        {".5", -1, ""},
        {"1.2.3", -1, ""},
        {"1,5", -1, ""},
        {"99999999999999999999", -1, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t pico = -1;
        char out[32];
        bool const good = price_csv_amount(str_of(rows[i].text), &pico);
        assert_int_equal(good, rows[i].pico >= 0);
        if (good) {
            assert_int_equal(pico, rows[i].pico);
            assert_true(str_eq(price_csv_text(pico, out), str_of(rows[i].again)));
        }
    }
}

static void rows_are_read(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    struct price_csv csv;
    struct price_row row;
    struct fault fault = {0};
    static const char text[] = "provider,model,modality,input,output,context\r\n"
                               "a,m1,\"text, \"\"x\"\"\",1,2,9\r\n\r\n"
                               "a,m2,audio,,,\n"
                               "a,m3,t,x,1,\n"
                               "a,m4,t,1,1,1,1\n"
                               "a,m5,\"open,1,1,1\n"
                               ",m6,t,1,1,1";
    assert_int_equal(price_csv_start(&csv, STR(text), arena, &fault), ERR_OK);
    assert_true(price_csv_next(&csv, &row));
    assert_null(row.wrong);
    assert_int_equal(row.line, 2);
    assert_true(str_eq(row.modality, STR("text, \"x\"")));
    assert_int_equal(row.price.pico[POOL_OUTPUT], 2000000);
    assert_int_equal(row.price.pico[POOL_CACHED_INPUT], PRICE_UNKNOWN);
    assert_true(price_csv_next(&csv, &row));
    assert_int_equal(row.line, 4);
    assert_false(row.priced);
    for (int i = 0; i < 4; i++) { /* no number, too many cells, no end, no provider */
        assert_true(price_csv_next(&csv, &row));
        assert_non_null(row.wrong);
    }
    assert_false(price_csv_next(&csv, &row));
    static const char *const heads[] = {"",
                                        "provider,model",
                                        "model,input",
                                        "provider,input",
                                        "provider,model,input,input",
                                        "\"provider,model,input"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(price_csv_start(&csv, str_of(heads[i]), arena, &fault), ERR_FIELD_INVALID);
    arena_free(arena);
}

static void cells_are_guarded(void **state)
{
    static const struct {
        const char *text;
        bool is_text;
        const char *cell;
    } rows[] = {
        {"plain", true, "plain"},
        {"", true, ""},
        {"=1+1", true, "'=1+1"},
        {"+1", true, "'+1"},
        {"-1", true, "'-1"},
        {"-1", false, "-1"}, /* a number of ours */
        {"@SUM(A1)", true, "'@SUM(A1)"},
        {"\tx", true, "'\tx"},
        {"a,b", true, "\"a,b\""},
        {"a\"b", true, "\"a\"\"b\""},
        {"a\nb", true, "\"a\nb\""},
        {"=\"x\",1", true, "\"'=\"\"x\"\",1\""},
        {"a=b", true, "a=b"},
        {"\"", true, "\"\"\"\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, 1024);
        assert_int_equal(export_cell(&out, str_of(rows[i].text), rows[i].is_text), ERR_OK);
        assert_true(str_eq(buf_view(&out), str_of(rows[i].cell)));
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_exact),
        cmocka_unit_test(rows_are_read),
        cmocka_unit_test(cells_are_guarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
