/* test_jwks_plan.c - Cache-Control to seconds; what happened to when the next fetch is due; URLs.
 */
#include "gateway/jwks_plan.h"
#include "gateway/url.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct age_row {
    const char *text;
    int64_t age_s;
} age_rows[] = {
    {"", JWKS_AGE_MIN_S},
    {"public", JWKS_AGE_MIN_S},
    {"max-age=3600", 3600},
    {"public, max-age=19845, must-revalidate, no-transform", 19845},
    {"MAX-AGE=600", 600},
    {"max-age=\"600\"", 600},
    {" , ,max-age=600 ,", 600},
    {"max-age = 600", JWKS_AGE_MIN_S}, /* no blanks there */
    {"max-age=299", JWKS_AGE_MIN_S},
    {"max-age=300", 300},
    {"max-age=301", 301},
    {"max-age=0", JWKS_AGE_MIN_S},
    {"max-age=86400", 86400},
    {"max-age=86401", JWKS_AGE_MAX_S},
    {"max-age=99999999999999999999999999", JWKS_AGE_MAX_S},
    {"max-age=-1", JWKS_AGE_MIN_S},
    {"max-age=1e9", JWKS_AGE_MIN_S},
    {"max-age=600.5", JWKS_AGE_MIN_S},
    {"max-age=", JWKS_AGE_MIN_S},
    {"max-age", JWKS_AGE_MIN_S},
    {"max-age=\"600", JWKS_AGE_MIN_S},
    {"max-age=3600, max-age=600", 600},
    {"max-age=600, max-age=3600", 600},
    {"max-age=3600, max-age=x", JWKS_AGE_MIN_S},
    {"max-age=3600, no-store", JWKS_AGE_MIN_S},
    {"no-cache, max-age=3600", JWKS_AGE_MIN_S},
    {"no-cache=\"set-cookie\", max-age=3600", JWKS_AGE_MIN_S},
    {"s-maxage=7200, max-age=3600", 3600}, /* that is for shared caches */
    {"s-maxage=7200", JWKS_AGE_MIN_S},
    {"ext=\"a, max-age=7200\", max-age=3600", 3600},
    {"ext=\"a, max-age=7200", JWKS_AGE_MIN_S},
    {"x-max-age=7200", JWKS_AGE_MIN_S},
};

static void a_set_is_kept_as_long_as_it_says_within_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof age_rows / sizeof age_rows[0]; i++) {
        int64_t const got = jwks_age_s(str_of(age_rows[i].text));
        if (got != age_rows[i].age_s)
            fail_msg("\"%s\": %lld s, not %lld", age_rows[i].text, (long long)got,
                     (long long)age_rows[i].age_s);
    }
}

/* b: a fetch begins · k: it fails · a: it answers, for an hour · m: a token misses a key */
static const struct plan_row {
    const char *sentence, *steps;
    int64_t step_ms[12]; /* the time of each */
    int64_t due_ms;
} plan_rows[] = {
    {"at once", "", {0}, 0},
    {"nothing while one runs", "b", {0}, INT64_MAX},
    {"nor when tokens ask meanwhile", "bm", {0, 5}, INT64_MAX},
    {"after an hour", "ba", {0, 50}, 3600050},
    {"a token asks long after: now", "bam", {0, 50, 100000}, 100000},
    {"a token asks at once: 30 s after the last one began", "bam", {0, 50, 60}, 30000},
    {"… to the millisecond", "bam", {0, 50, 29999}, 30000},
    {"… and then", "bam", {0, 50, 30000}, 30000},
    {"many tokens are one", "bammm", {0, 50, 60, 61, 29000}, 30000},
    {"a token never makes it later", "bam", {0, 50, 3599999}, 3599999},
    {"the next ask counts from the next fetch", "bambam", {0, 50, 60, 30000, 30050, 30060}, 60000},
    {"no key: again after a second", "bk", {0, 10}, 1010},
    {"… two", "bkbk", {0, 10, 1010, 1020}, 3020},
    {"… four", "bkbkbk", {0, 0, 1000, 1000, 3000, 3000}, 7000},
    {"… thirty at most", "bkbkbkbkbkbk", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 30000},
    {"a token asks while there is no key: no sooner than planned",
     "bkbkbkm",
     {0, 0, 1000, 1000, 3000, 3000, 4000},
     7000},
    {"a failure with keys: after a minute", "babk", {0, 0, 3600000, 3600010}, 3660010},
    {"… and a token asks: after 30 s", "babkm", {0, 0, 3600000, 3600010, 3600020}, 3630000},
    {"a success forgets failures", "bkbkbabk", {0, 0, 0, 0, 0, 0, 9000, 9000}, 69000},
    {"a slow failure lets the next ask at once", "babkm", {0, 0, 50000, 90000, 90001}, 90001},
};

static void due_times_follow_from_what_happened(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plan_rows / sizeof plan_rows[0]; i++) {
        const struct plan_row *row = &plan_rows[i];
        struct jwks_plan plan;
        jwks_plan_start(&plan, 0);
        for (size_t step = 0; row->steps[step] != '\0'; step++) {
            int64_t const now_ms = row->step_ms[step];
            switch (row->steps[step]) {
            case 'b':
                jwks_plan_begin(&plan, now_ms);
                break;
            case 'k':
                jwks_plan_failed(&plan, now_ms);
                break;
            case 'a':
                jwks_plan_fetched(&plan, now_ms, STR("max-age=3600"));
                break;
            default:
                jwks_plan_missing(&plan, now_ms);
                break;
            }
        }
        if (plan.due_ms != row->due_ms)
            fail_msg("%s: due at %lld, not %lld", row->sentence, (long long)plan.due_ms,
                     (long long)row->due_ms);
    }
}

/* A token asks every 7 ms for a day; the issuer answers. */
static void a_storm_is_one_fetch_in_thirty_seconds(void **state)
{
    (void)state;
    enum { DAY_MS = 86400000 };
    struct jwks_plan plan;
    int64_t fetches = 0, last_ms = -JWKS_ASK_MS;
    jwks_plan_start(&plan, 0);
    for (int64_t now_ms = 0; now_ms < DAY_MS; now_ms += 7) {
        if (now_ms >= plan.due_ms) {
            jwks_plan_begin(&plan, now_ms);
            assert_true(now_ms - last_ms >= JWKS_ASK_MS);
            last_ms = now_ms;
            jwks_plan_fetched(&plan, now_ms, STR("max-age=60"));
            fetches++;
        }
        jwks_plan_missing(&plan, now_ms);
    }
    assert_in_range(fetches, DAY_MS / JWKS_ASK_MS - 2, DAY_MS / JWKS_ASK_MS);
}

static const struct url_row {
    const char *text;
    bool with_query, fine, tls;
    const char *host, *header, *path;
    int port;
} url_rows[] = {
    {"https://login.example/keys", true, true, true, "login.example", "login.example", "/keys",
     443},
    {"https://login.example", true, true, true, "login.example", "login.example", "", 443},
    {"https://a.b/x?p=1&q=2", true, true, true, "a.b", "a.b", "/x?p=1&q=2", 443},
    {"http://[::1]:8080/k", true, true, false, "::1", "[::1]:8080", "/k", 8080},
    {"http://127.0.0.1:80/", false, true, false, "127.0.0.1", "127.0.0.1:80", "/", 80},
    {"https://a.b/x?p=1", false, false, 0, 0, 0, 0, 0},
    {"https://a.b?p=1", true, false, 0, 0, 0, 0, 0},
    {"https://user@a.b/x", true, false, 0, 0, 0, 0, 0},
    {"https://user:secret@a.b/x", true, false, 0, 0, 0, 0, 0},
    {"https://a.b/x#y", true, false, 0, 0, 0, 0, 0},
    {"https://a.b\\@c/x", true, false, 0, 0, 0, 0, 0},
    {"https://a.b/x y", true, false, 0, 0, 0, 0, 0},
    {"https://a.b/x\r\nevil: 1", true, false, 0, 0, 0, 0, 0},
    {"https:///x", true, false, 0, 0, 0, 0, 0},
    {"https://:443/x", true, false, 0, 0, 0, 0, 0},
    {"https://a.b:0/x", true, false, 0, 0, 0, 0, 0},
    {"https://a.b:65536/x", true, false, 0, 0, 0, 0, 0},
    {"https://a.b:/x", true, false, 0, 0, 0, 0, 0},
    {"https://[::1/x", true, false, 0, 0, 0, 0, 0},
    {"https://[::1]x/x", true, false, 0, 0, 0, 0, 0},
    {"ftp://a.b/x", true, false, 0, 0, 0, 0, 0},
    {"file:///etc/passwd", true, false, 0, 0, 0, 0, 0},
    {"a.b/x", true, false, 0, 0, 0, 0, 0},
    {"", true, false, 0, 0, 0, 0, 0},
};

static void addresses_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof url_rows / sizeof url_rows[0]; i++) {
        const struct url_row *row = &url_rows[i];
        struct url url;
        if (url_split(str_of(row->text), row->with_query, &url) != row->fine)
            fail_msg("%s", row->text);
        if (row->fine &&
            (url.tls != row->tls || url.port != row->port || !str_eq(url.host, str_of(row->host)) ||
             !str_eq(url.host_header, str_of(row->header)) || !str_eq(url.path, str_of(row->path))))
            fail_msg("parts of %s", row->text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_kept_as_long_as_it_says_within_bounds),
        cmocka_unit_test(due_times_follow_from_what_happened),
        cmocka_unit_test(a_storm_is_one_fetch_in_thirty_seconds),
        cmocka_unit_test(addresses_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
