/* test_zone.c - real zones against the C library and known instants; hand-made and hostile files.
 */
#include "base/random.h"
#include "core/zone.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "zone_help.h"

enum { INSTANTS = 4000, DAYS = 400 };

/* --- files by hand --------------------------------------------------------------------------- */
struct file {
    char bytes[16 << 10];
    size_t len;
};

static void put(struct file *file, uint64_t value, size_t count)
{
    assert_true(file->len + count <= sizeof file->bytes);
    for (size_t i = 0; i < count; i++)
        file->bytes[file->len++] = (char)(value >> 8 * (count - 1 - i));
}

static void put_text(struct file *file, const char *text)
{
    for (; *text; text++)
        put(file, (unsigned char)*text, 1);
}

static void put_header(struct file *file, char version, uint64_t leaps, uint64_t times,
                       uint64_t types, uint64_t name_bytes)
{
    put_text(file, "TZif");
    put(file, (unsigned char)version, 1);
    for (int i = 0; i < 15; i++)
        put(file, 0, 1);
    uint64_t const counts[] = {0, 0, leaps, times, types, name_bytes};
    for (size_t i = 0; i < 6; i++)
        put(file, counts[i], 4);
}

enum {
    FIRST_BLOCK_BYTES = 5 + 6 + 4 + 8,
    SECOND = 44 + FIRST_BLOCK_BYTES, /* where the second header begins */
    OFFSET = SECOND + 44 + 18,       /* an offset, behind two transitions */
};
/* An old block of one transition, so that its length matters, then the one that counts. */
static void file_make(struct file *file, const int64_t *times, const unsigned char *types,
                      size_t count, const char *footer)
{
    static const int32_t offsets_s[] = {-3 * 3600, -2 * 3600, 5 * 3600 + 1800};
    file->len = 0;
    put_header(file, '2', 1, 1, 1, 4);
    for (int i = 0; i < FIRST_BLOCK_BYTES; i++)
        put(file, 0, 1);
    put_header(file, '2', 0, count, 3, 4);
    for (size_t i = 0; i < count; i++)
        put(file, (uint64_t)times[i], 8);
    for (size_t i = 0; i < count; i++)
        put(file, types[i], 1);
    for (size_t i = 0; i < 3; i++) {
        put(file, (uint32_t)offsets_s[i], 4);
        put(file, 0, 2);
    }
    put_text(file, "ABC");
    put(file, 0, 1);
    put_text(file, footer);
}

static bool file_parse(const struct file *file, size_t len, struct zone *zone)
{
    /* Exactly as many bytes as there are: the sanitizer sees a read behind them. */
    char *const exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, file->bytes, len);
    bool const good = zone_parse(STR("Test/Zone"), str_make(exact, len), zone);
    free(exact);
    return good;
}

/* A zone of one offset until 1970 and this footer after. */
static bool footer_zone(const char *footer, struct zone *zone)
{
    struct file file;
    char line[80];
    snprintf(line, sizeof line, "\n%s\n", footer);
    file_make(&file, (const int64_t[]){0}, (const unsigned char[]){0}, 1, line);
    return file_parse(&file, file.len, zone);
}

static void a_file_is_read(void **state)
{
    (void)state;
    struct file file;
    struct zone zone;
    file_make(&file, (const int64_t[]){-((int64_t)1 << 59), 1000, 2000, 3000},
              (const unsigned char[]){0, 1, 1, 2}, 4, "\n\n");
    assert_true(file_parse(&file, file.len, &zone));
    assert_string_equal(zone.name, "Test/Zone");
    assert_int_equal(zone.transition_count, 2); /* two changed nothing */
    assert_int_equal(zone_offset_s(&zone, -1 * second_us), -3 * 3600);
    assert_int_equal(zone_offset_s(&zone, 1000 * second_us - 1), -3 * 3600);
    assert_int_equal(zone_offset_s(&zone, 1000 * second_us), -2 * 3600);
    assert_int_equal(zone_offset_s(&zone, 3000 * second_us - 1), -2 * 3600);
    assert_int_equal(zone_offset_s(&zone, 3000 * second_us), 5 * 3600 + 1800);
    assert_int_equal(zone_offset_s(&zone, instant(9999, 12, 31, 23, 59, 59)), 5 * 3600 + 1800);

    /* The last transition changes nothing, but before it the footer means nothing. */
    file_make(&file, (const int64_t[]){1000, 3000}, (const unsigned char[]){1, 1}, 2, "\nXXX-9\n");
    assert_true(file_parse(&file, file.len, &zone));
    assert_int_equal(zone_offset_s(&zone, 2000 * second_us), -2 * 3600);
    assert_int_equal(zone_offset_s(&zone, 3000 * second_us), 9 * 3600);

    file_make(&file, NULL, NULL, 0, "\n\n"); /* no transition, no footer: the first type */
    assert_true(file_parse(&file, file.len, &zone));
    assert_int_equal(zone_offset_s(&zone, 0), -3 * 3600);
    file_make(&file, NULL, NULL, 0, "\nXXX-9\n"); /* no transition: the footer, always */
    assert_true(file_parse(&file, file.len, &zone));
    assert_int_equal(zone_offset_s(&zone, instant(1900, 1, 1, 0, 0, 0)), 9 * 3600);
}

static void every_shorter_file_is_refused(void **state)
{
    (void)state;
    struct file file;
    struct zone zone;
    file_make(&file, (const int64_t[]){1000, 2000}, (const unsigned char[]){1, 0}, 2,
              "\n<-03>3<-02>,M10.3.0/0,M2.3.0/0\n");
    assert_true(file_parse(&file, file.len, &zone));
    for (size_t len = 0; len < file.len; len++)
        assert_false(file_parse(&file, len, &zone));
    put(&file, 'x', 1); /* and a longer one */
    assert_false(file_parse(&file, file.len, &zone));
}

static void hostile_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t at; /* four bytes there are replaced */
        uint32_t value;
    } rows[] = {
        {"not the magic", 0, 0x545a6967},
        {"version 1 only", 4, 0},
        {"first block: more transitions than bytes", 32, 0xffffffff},
        {"first block: more types than bytes", 36, 0xffffffff},
        {"first block: one byte too long", 40, 5},
        {"no second block", SECOND, 0},
        {"second block of version 1", SECOND + 4, 0},
        {"more transitions than bytes", SECOND + 32, 0x20000000},
        {"more transitions than fit", SECOND + 32, ZONE_TRANSITIONS_MAX + 1},
        {"more types than fit", SECOND + 36, ZONE_TYPES_MAX + 1},
        {"no types", SECOND + 36, 0},
        {"more names than bytes", SECOND + 40, 0xfffffff0},
        {"more indicators than bytes", SECOND + 20, 0xffffffff},
        {"an offset of 27 hours", OFFSET, 27 * 3600},
        {"an offset of -26 hours", OFFSET, (uint32_t)(-26 * 3600)},
        {"the least offset there is", OFFSET, 0x80000000},
    };
    struct file file;
    struct zone zone;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        file_make(&file, (const int64_t[]){1000, 2000}, (const unsigned char[]){1, 0}, 2, "\n\n");
        assert_true(file_parse(&file, file.len, &zone));
        size_t const end = file.len;
        file.len = rows[i].at;
        put(&file, rows[i].value, 4);
        if (file_parse(&file, end, &zone))
            fail_msg("accepted: %s", rows[i].what);
    }
    file_make(&file, NULL, NULL, 0, ""); /* whole, but it counts leap seconds */
    put(&file, 78796800, 8);
    put(&file, 1, 4);
    put_text(&file, "\n\n");
    assert_true(file.len > SECOND + 28 + 4);
    file.bytes[SECOND + 28 + 3] = 1;
    assert_false(file_parse(&file, file.len, &zone));
    file_make(&file, (const int64_t[]){2000, 1000}, (const unsigned char[]){1, 0}, 2, "\n\n");
    assert_false(file_parse(&file, file.len, &zone)); /* descending */
    file_make(&file, (const int64_t[]){2000, 2000}, (const unsigned char[]){1, 0}, 2, "\n\n");
    assert_false(file_parse(&file, file.len, &zone)); /* twice the same */
    file_make(&file, (const int64_t[]){1000, 2000}, (const unsigned char[]){1, 3}, 2, "\n\n");
    assert_false(file_parse(&file, file.len, &zone)); /* a type that is not there */

    file_make(&file, NULL, NULL, 0, "\n\n");
    char long_name[ZONE_NAME_BYTES_MAX + 1];
    memset(long_name, 'a', sizeof long_name);
    struct str const bytes = str_make(file.bytes, file.len);
    assert_false(zone_parse(STR(""), bytes, &zone));
    assert_false(zone_parse(str_make(long_name, ZONE_NAME_BYTES_MAX), bytes, &zone));
    assert_true(zone_parse(str_make(long_name, ZONE_NAME_BYTES_MAX - 1), bytes, &zone));
}

static void random_damage_is_harmless(void **state)
{
    (void)state;
    struct random random;
    struct file good, file;
    struct zone zone;
    random_seed(&random, 7);
    file_make(&good, (const int64_t[]){1000, 90000, 8000000}, (const unsigned char[]){1, 0, 2}, 3,
              "\n<-03>3<-02>,M10.3.0/0,M2.3.0/0\n");
    for (int i = 0; i < INSTANTS; i++) {
        file = good;
        for (int k = 0; k < 3; k++)
            file.bytes[random_below(&random, file.len)] = (char)random_below(&random, 256);
        if (!file_parse(&file, file.len, &zone))
            continue;
        /* What was accepted answers, and its days begin in order. */
        int64_t previous_us = INT64_MIN;
        for (int64_t day = -3; day < 100; day++) {
            int64_t const begin_us = zone_day_begins_us(&zone, day);
            assert_true(begin_us >= previous_us);
            assert_true(zone_day(&zone, begin_us) >= day);
            previous_us = begin_us;
        }
    }
}

/* --- footers --------------------------------------------------------------------------------- */
static void bad_footers_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "EST",                          /* no offset */
        "5",                            /* no name */
        "ES5",                          /* a short name */
        "<-03>",                        /* no offset */
        "<-033",                        /* not closed */
        "EST25",                        /* 25 hours */
        "EST5:60",                      /* 60 minutes */
        "EST5:",                        /* none */
        "EST5:00:60",                   /* 60 seconds */
        "EST--5",                       /* two signs */
        "EST5EDT",                      /* daylight without a rule */
        "EST5EDT,M3.2.0",               /* … without its end */
        "EST5EDT,M3.2.0,M11.1.0,",      /* more than an end */
        "EST5EDT,M13.2.0,M11.1.0",      /* month */
        "EST5EDT,M0.2.0,M11.1.0",       /* month */
        "EST5EDT,M3.6.0,M11.1.0",       /* week */
        "EST5EDT,M3.0.0,M11.1.0",       /* week */
        "EST5EDT,M3.2.7,M11.1.0",       /* day */
        "EST5EDT,M3.2,M11.1.0",         /* no day */
        "EST5EDT,J0,J365",              /* Julian days begin with 1 */
        "EST5EDT,J366,J1",              /* … and end with 365 */
        "EST5EDT,366,1",                /* days end with 365 */
        "EST5EDT,M3.2.0/168,M11.1.0",   /* a week of hours */
        "EST5EDT,M3.2.0/,M11.1.0",      /* none */
        "EST5E,M3.2.0,M11.1.0",         /* a short name */
        "EST5EDT4x,M3.2.0,M11.1.0",     /* behind the offset */
        "EST5EDT,M3.2.0,M11.1.0\nEST5", /* two lines */
    };
    struct zone zone;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (footer_zone(rows[i], &zone))
            fail_msg("accepted: %s", rows[i]);
}

static void footers_are_followed(void **state)
{
    (void)state;
    static const struct {
        const char *what, *footer;
        int year, month, day, hour, minute;
        int32_t before_s, after_s; /* the second before that instant, and from then on */
    } rows[] = {
        /* Computed by hand. 2040-03-11 is the second Sunday of March. */
        {"New York begins", "EST5EDT,M3.2.0,M11.1.0", 2040, 3, 11, 7, 0, -18000, -14400},
        {"New York ends", "EST5EDT,M3.2.0,M11.1.0", 2040, 11, 4, 6, 0, -14400, -18000},
        {"a signed offset", "EST+5EDT+4,M3.2.0,M11.1.0", 2040, 11, 4, 6, 0, -14400, -18000},
        {"Sydney ends", "AEST-10AEDT,M10.1.0,M4.1.0/3", 2040, 3, 31, 16, 0, 39600, 36000},
        {"Sydney begins", "AEST-10AEDT,M10.1.0,M4.1.0/3", 2040, 10, 6, 16, 0, 36000, 39600},
        {"Sydney, New Year", "AEST-10AEDT,M10.1.0,M4.1.0/3", 2041, 1, 1, 0, 0, 39600, 39600},
        {"Santiago, hour 24", "<-04>4<-03>,M9.1.6/24,M4.1.6/24", 2040, 9, 2, 4, 0, -14400, -10800},
        {"Nuuk, hour -1", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2040, 3, 25, 1, 0, -7200, -3600},
        {"Dublin, winter is 'daylight'", "IST-1GMT0,M10.5.0,M3.5.0/1", 2040, 10, 28, 1, 0, 3600, 0},
        {"Dublin, summer", "IST-1GMT0,M10.5.0,M3.5.0/1", 2040, 3, 25, 1, 0, 0, 3600},
        {"Gaza, hour 50", "EET-2EEST,M3.4.4/50,M10.4.4/50", 2040, 3, 24, 0, 0, 7200, 10800},
        {"Chatham, minutes", "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", 2040, 9, 29, 14, 0,
         45900, 49500},
        {"Julian day 60 is 1 March in a leap year", "AAA0BBB,J60/0,J365", 2028, 3, 1, 0, 0, 0,
         3600},
        {"Julian day 60, no leap year", "AAA0BBB,J60/0,J365", 2027, 3, 1, 0, 0, 0, 3600},
        {"Julian day 59 is 28 February in a leap year", "AAA0BBB,J59/0,J365", 2028, 2, 28, 0, 0, 0,
         3600},
        {"day 59 is 29 February in a leap year", "AAA0BBB,59/0,364", 2028, 2, 29, 0, 0, 0, 3600},
        {"day 59 is 1 March otherwise", "AAA0BBB,59/0,364", 2027, 3, 1, 0, 0, 0, 3600},
        {"seconds", "AAA0:00:30BBB,J60/1:02:03,J365", 2027, 3, 1, 1, 3, -30, 3570},
        {"daylight all year", "EST5EDT,0/0,J365/25", 2040, 1, 1, 5, 0, -14400, -14400},
        {"daylight all year, the old year's end", "EST5EDT,0/0,J365/25", 2040, 12, 31, 4, 0, -14400,
         -14400},
        {"into the next year", "AAA0BBB,M6.1.0,J365/167", 2041, 1, 6, 22, 0, 3600, 0},
        {"from the year before", "AAA0BBB,0/-167,J60/0", 2040, 12, 25, 1, 0, 0, 3600},
    };
    struct zone zone;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(footer_zone(rows[i].footer, &zone));
        int64_t at_us =
            instant(rows[i].year, rows[i].month, rows[i].day, rows[i].hour, rows[i].minute, 0);
        if (rows[i].before_s == -30)
            at_us -= 27 * second_us; /* 01:02:33 UTC */
        if (zone_offset_s(&zone, at_us - 1) != rows[i].before_s ||
            zone_offset_s(&zone, at_us) != rows[i].after_s)
            fail_msg("%s: %d then %d", rows[i].what, zone_offset_s(&zone, at_us - 1),
                     zone_offset_s(&zone, at_us));
    }
}

static void spans_by_the_footer(void **state)
{
    (void)state;
    struct zone zone;
    assert_true(footer_zone("EST5EDT,M3.2.0,M11.1.0", &zone));
    struct zone_span span = zone_span(&zone, instant(1970, 1, 2, 0, 0, 0));
    assert_int_equal(span.from_s, 0); /* the footer begins at the last transition */
    assert_int_equal(span.until_s * second_us, instant(1970, 3, 8, 7, 0, 0));
    span = zone_span(&zone, instant(2040, 12, 1, 0, 0, 0));
    assert_int_equal(span.from_s * second_us, instant(2040, 11, 4, 6, 0, 0));
    assert_int_equal(span.until_s * second_us, instant(2041, 3, 10, 7, 0, 0));
    /* Both changes of a year lie in the year before. */
    assert_true(footer_zone("AAA0BBB,0/-167,2/-167", &zone));
    span = zone_span(&zone, instant(2040, 12, 28, 0, 0, 0));
    assert_int_equal(span.from_s * second_us, instant(2040, 12, 27, 0, 0, 0));
    assert_int_equal(span.until_s * second_us, instant(2041, 12, 25, 1, 0, 0));
}

/* --- real zones ------------------------------------------------------------------------------ */
static const char *const zone_names[] = {
    "America/Sao_Paulo", "America/Manaus", "America/Rio_Branco", "America/Noronha",
    "Asia/Kolkata",      "Asia/Kathmandu", "America/New_York",   "Australia/Lord_Howe",
    "America/Santiago",  "Europe/Dublin",  "America/St_Johns",   "Africa/Casablanca",
    "Asia/Gaza",         "Pacific/Apia",   "Europe/London",      "UTC",
};
enum { ZONE_COUNT = sizeof zone_names / sizeof zone_names[0] };

static void offsets_are_those_of_the_c_library(void **state)
{
    (void)state;
    struct random random;
    struct zone zone;
    random_seed(&random, 11);
    for (size_t i = 0; i < ZONE_COUNT; i++) {
        if (!zone_load(zone_names[i], &zone))
            continue;
        setenv("TZ", zone_names[i], 1);
        tzset();
        int64_t const first_us = instant(1971, 1, 1, 0, 0, 0);
        uint64_t const span = (uint64_t)(instant(2200, 1, 1, 0, 0, 0) - first_us);
        for (int k = 0; k < INSTANTS; k++) {
            int64_t const at_us = first_us + (int64_t)random_below(&random, span);
            time_t const at_s = (time_t)(at_us / second_us);
            struct tm parts;
            assert_non_null(localtime_r(&at_s, &parts));
            struct zone_date const date = zone_date(&zone, at_us);
            if (zone_offset_s(&zone, at_us) != parts.tm_gmtoff ||
                date.year != parts.tm_year + 1900 || date.month != parts.tm_mon + 1 ||
                date.day != parts.tm_mday)
                fail_msg("%s at %lld: %d, not %ld", zone_names[i], (long long)at_s,
                         zone_offset_s(&zone, at_us), parts.tm_gmtoff);
        }
    }
    unsetenv("TZ");
    tzset();
}

/* By looking at every minute before: none has the date, this one has. */
static void days_begin_at_their_first_instant(void **state)
{
    (void)state;
    static const int64_t minute_us = 60 * US_PER_SECOND;
    struct random random;
    struct zone zone;
    random_seed(&random, 13);
    for (size_t i = 0; i < ZONE_COUNT; i++) {
        if (!zone_load(zone_names[i], &zone))
            continue;
        for (int k = 0; k < DAYS / 8; k++) {
            int64_t day = 365 + (int64_t)random_below(&random, 70 * 365);
            if (k % 2 == 0 && zone.transition_count > 0) /* around a change */
                day = floor_div(zone.at_s[random_below(&random, zone.transition_count)],
                                SECONDS_PER_DAY);
            int64_t const begin_us = zone_day_begins_us(&zone, day);
            assert_true(zone_day(&zone, begin_us) >= day);
            for (int64_t before = 1; before < 27 * 60; before++)
                assert_true(zone_day(&zone, begin_us - before * minute_us) < day);
            assert_true(zone_day(&zone, begin_us - 1) < day);
        }
    }
}

static void spans_hold_their_instants(void **state)
{
    (void)state;
    struct random random;
    struct zone zone;
    random_seed(&random, 17);
    for (size_t i = 0; i < ZONE_COUNT; i++) {
        if (!zone_load(zone_names[i], &zone))
            continue;
        for (int k = 0; k < DAYS; k++) {
            int64_t const at_s = (int64_t)random_below(&random, 200ull * 366 * 86400) - 86400;
            struct zone_span const span = zone_span(&zone, at_s * second_us);
            assert_true(span.from_s <= at_s && at_s < span.until_s);
            assert_int_equal(span.offset_s, zone_offset_s(&zone, at_s * second_us));
            if (span.until_s < INT64_MAX) {
                assert_int_equal(zone_span(&zone, span.until_s * second_us).from_s, span.until_s);
                assert_int_equal(zone_span(&zone, span.until_s * second_us - 1).until_s,
                                 span.until_s);
            }
        }
    }
}

static int64_t start(const struct zone *zone, int year, int month, int day)
{
    return zone_day_start_us(zone, (struct zone_date){year, month, day});
}

static void brazil(void **state)
{
    (void)state;
    struct zone zone;
    if (!zone_load("America/Sao_Paulo", &zone))
        skip();
    /* Midnight did not exist: 00:00 became 01:00, at 03:00 UTC, and the day has 23 hours. */
    int64_t const short_us = start(&zone, 2018, 11, 4);
    assert_int_equal(short_us, instant(2018, 11, 4, 3, 0, 0));
    assert_int_equal(start(&zone, 2018, 11, 5) - short_us, 23 * 3600 * second_us);
    /* 2019-02-17T02:00Z, midnight, became 23:00 of the day before, which has 25 hours. */
    int64_t const long_us = start(&zone, 2019, 2, 16);
    assert_int_equal(long_us, instant(2019, 2, 16, 2, 0, 0));
    assert_int_equal(start(&zone, 2019, 2, 17) - long_us, 25 * 3600 * second_us);
    assert_int_equal(zone_offset_s(&zone, instant(2019, 2, 17, 2, 0, 0) - 1), -2 * 3600);
    assert_int_equal(zone_offset_s(&zone, instant(2019, 2, 17, 2, 0, 0)), -3 * 3600);
    assert_int_equal(start(&zone, 2027, 1, 31), instant(2027, 1, 31, 3, 0, 0));
    assert_int_equal(start(&zone, 2027, 2, 31), instant(2027, 2, 28, 3, 0, 0)); /* its last */
    assert_int_equal(start(&zone, 2028, 2, 31), instant(2028, 2, 29, 3, 0, 0));
}

static void other_zones(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int year, month, day;      /* local */
        int utc_day, hour, minute; /* of the same month */
    } rows[] = {
        {"America/Manaus", 2026, 11, 21, 21, 4, 0},
        {"America/Rio_Branco", 2026, 11, 21, 21, 5, 0},
        {"America/Rio_Branco", 2010, 6, 15, 15, 4, 0}, /* -04 from 2008 until 2013 */
        {"America/Noronha", 2026, 11, 21, 21, 2, 0},
        {"Asia/Kolkata", 2026, 11, 21, 20, 18, 30},
        {"Asia/Kathmandu", 2026, 11, 21, 20, 18, 15},
        {"America/New_York", 2040, 3, 11, 11, 5, 0}, /* 23 hours */
        {"America/New_York", 2040, 3, 12, 12, 4, 0},
        {"America/New_York", 2040, 11, 4, 4, 4, 0}, /* 25 hours */
        {"America/New_York", 2040, 11, 5, 5, 5, 0},
        {"America/New_York", 2100, 7, 4, 4, 4, 0},
        {"America/Santiago", 2040, 9, 2, 2, 4, 0},   /* 24:00 of the first Saturday */
        {"America/St_Johns", 2010, 11, 7, 7, 2, 30}, /* 00:01 became 23:01: a first midnight */
        {"America/St_Johns", 2010, 11, 8, 8, 3, 30},
        {"Pacific/Apia", 2011, 12, 29, 29, 10, 0},
        {"Pacific/Apia", 2011, 12, 30, 30, 10, 0}, /* there was no 30th */
        {"Pacific/Apia", 2011, 12, 31, 30, 10, 0},
    };
    struct zone zone;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!zone_load(rows[i].name, &zone))
            continue;
        int64_t const wanted =
            instant(rows[i].year, rows[i].month, rows[i].utc_day, rows[i].hour, rows[i].minute, 0);
        int64_t const got = start(&zone, rows[i].year, rows[i].month, rows[i].day);
        if (got != wanted)
            fail_msg("%s %d-%d-%d: %lld s late", rows[i].name, rows[i].year, rows[i].month,
                     rows[i].day, (long long)((got - wanted) / second_us));
    }
}

static void utc_and_months(void **state)
{
    (void)state;
    const struct zone *const utc = zone_utc();
    assert_string_equal(utc->name, "UTC");
    assert_int_equal(zone_offset_s(utc, instant(2026, 1, 1, 0, 0, 0)), 0);
    assert_int_equal(start(utc, 2026, 1, 1), instant(2026, 1, 1, 0, 0, 0));
    struct zone_date const date = zone_date(utc, instant(1969, 12, 31, 23, 59, 59));
    assert_true(date.year == 1969 && date.month == 12 && date.day == 31);
    assert_int_equal(zone_month_days(2026, 2), 28);
    assert_int_equal(zone_month_days(2028, 2), 29);
    assert_int_equal(zone_month_days(2100, 2), 28);
    assert_int_equal(zone_month_days(2000, 2), 29);
    assert_int_equal(zone_month_days(2026, 12), 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read),
        cmocka_unit_test(every_shorter_file_is_refused),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(random_damage_is_harmless),
        cmocka_unit_test(bad_footers_are_refused),
        cmocka_unit_test(footers_are_followed),
        cmocka_unit_test(spans_by_the_footer),
        cmocka_unit_test(offsets_are_those_of_the_c_library),
        cmocka_unit_test(days_begin_at_their_first_instant),
        cmocka_unit_test(spans_hold_their_instants),
        cmocka_unit_test(brazil),
        cmocka_unit_test(other_zones),
        cmocka_unit_test(utc_and_months),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
