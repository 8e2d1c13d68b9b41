/* zone_parse.c - the bytes of a TZif file become a struct zone.
 *
 * What:  the second data block (64-bit times) and the footer. Every count is tested against the
 *        bytes that are there before anything is read.
 * Not:   names of the local time types, standard/UT indicators: nothing here asks for them.
 * Source: RFC 8536 sections 3.1 to 3.3.
 */
#include "base/must.h"
#include "core/calendar.h"
#include "core/zone.h"

enum {
    HEADER_BYTES = 44,
    COUNTS_AT = 20,
    TYPE_BYTES = 6,
    OFFSET_MAX_S = 26 * 3600,     /* of a type: below that */
    FOOTER_HOURS_MAX = 24,        /* of an offset in the footer */
    FOOTER_CHANGE_HOURS_MAX = 167 /* of the hour of a change */
};

/* --- bytes ----------------------------------------------------------------------------------- */
static uint64_t big_endian(const char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | (unsigned char)bytes[i];
    return value;
}

struct counts { /* in the order of the header */
    size_t ut, standard, leaps, times, types, name_bytes;
};

static bool header_read(struct str tzif, struct counts *counts)
{
    if (tzif.len < HEADER_BYTES || !str_starts(tzif, STR("TZif")) || tzif.ptr[4] < '2')
        return false;
    const char *const at = tzif.ptr + COUNTS_AT;
    *counts =
        (struct counts){big_endian(at, 4),      big_endian(at + 4, 4),  big_endian(at + 8, 4),
                        big_endian(at + 12, 4), big_endian(at + 16, 4), big_endian(at + 20, 4)};
    return true;
}

/* Six counts below 2^32: the sum fits 64 bits. */
static size_t block_bytes(const struct counts *counts, size_t time_bytes)
{
    return counts->times * (time_bytes + 1) + counts->types * TYPE_BYTES + counts->name_bytes +
           counts->leaps * (time_bytes + 4) + counts->standard + counts->ut;
}

/* --- transitions ----------------------------------------------------------------------------- */
static bool types_read(const char *bytes, size_t count, int32_t offsets_s[ZONE_TYPES_MAX])
{
    for (size_t i = 0; i < count; i++) {
        offsets_s[i] = (int32_t)(uint32_t)big_endian(bytes + i * TYPE_BYTES, 4);
        if (offsets_s[i] <= -OFFSET_MAX_S || offsets_s[i] >= OFFSET_MAX_S)
            return false;
    }
    return true;
}

/* Changes of the name alone are left out; the last stays, because the footer begins there. */
static bool transitions_read(const char *times, const struct counts *counts,
                             const int32_t offsets_s[ZONE_TYPES_MAX], struct zone *zone)
{
    const char *const types = times + counts->times * 8;
    int64_t previous_s = INT64_MIN;
    int32_t before_s = offsets_s[0];
    zone->before_s = offsets_s[0];
    for (size_t i = 0; i < counts->times; i++) {
        int64_t const at_s = (int64_t)big_endian(times + i * 8, 8);
        size_t const type = (unsigned char)types[i];
        if ((i > 0 && at_s <= previous_s) || type >= counts->types)
            return false;
        previous_s = at_s;
        if (offsets_s[type] == before_s && i + 1 < counts->times)
            continue;
        before_s = offsets_s[type];
        zone->at_s[zone->transition_count] = at_s;
        zone->after_s[zone->transition_count++] = before_s;
    }
    return true;
}

/* --- footer: STD offset [DST [offset] , change , change] ---------------------------------------
 */
static bool take(struct str *text, char wanted)
{
    if (str_empty(*text) || text->ptr[0] != wanted)
        return false;
    *text = str_skip(*text, 1);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool number_read(struct str *text, int min, int max, int *value)
{
    size_t digits = 0;
    *value = 0;
    for (; digits < 3 && digits < text->len && is_digit(text->ptr[digits]); digits++)
        *value = *value * 10 + (text->ptr[digits] - '0');
    *text = str_skip(*text, digits);
    return digits > 0 && *value >= min && *value <= max;
}

/* Three letters or more, or <…> of letters, digits and signs. */
static bool name_skip(struct str *text)
{
    bool const quoted = take(text, '<');
    size_t count = 0;
    for (; count < text->len; count++) {
        char const c = text->ptr[count];
        if (!is_letter(c) && !(quoted && (is_digit(c) || c == '+' || c == '-')))
            break;
    }
    *text = str_skip(*text, count);
    return count >= 3 && (!quoted || take(text, '>'));
}

static bool time_read(struct str *text, int hours_max, int32_t *seconds)
{
    bool const negative = take(text, '-');
    int hours = 0, minutes = 0, rest = 0;
    if (!negative)
        (void)take(text, '+');
    if (!number_read(text, 0, hours_max, &hours))
        return false;
    if (take(text, ':')) {
        if (!number_read(text, 0, 59, &minutes))
            return false;
        if (take(text, ':') && !number_read(text, 0, 59, &rest))
            return false;
    }
    int32_t const sum = (hours * 60 + minutes) * 60 + rest;
    *seconds = negative ? -sum : sum;
    return true;
}

static bool change_read(struct str *text, struct zone_change *change)
{
    *change = (struct zone_change){.kind = ZONE_DAY, .seconds = 2 * 3600};
    if (!take(text, ','))
        return false;
    bool good;
    if (take(text, 'M')) {
        change->kind = ZONE_MONTH_WEEK_DAY;
        good = number_read(text, 1, MONTHS_PER_YEAR, &change->month) && take(text, '.') &&
               number_read(text, 1, 5, &change->week) && take(text, '.') &&
               number_read(text, 0, 6, &change->day);
    } else if (take(text, 'J')) {
        change->kind = ZONE_JULIAN;
        good = number_read(text, 1, 365, &change->day);
    } else {
        good = number_read(text, 0, 365, &change->day);
    }
    return good && (!take(text, '/') || time_read(text, FOOTER_CHANGE_HOURS_MAX, &change->seconds));
}

/* West is positive in the footer: the sign turns. */
static bool footer_read(struct str text, struct zone *zone)
{
    int32_t west_s;
    if (!take(&text, '\n') || str_empty(text) || text.ptr[text.len - 1] != '\n')
        return false;
    text.len--;
    zone->has_footer = !str_empty(text);
    if (!zone->has_footer)
        return true;
    if (!name_skip(&text) || !time_read(&text, FOOTER_HOURS_MAX, &west_s))
        return false;
    zone->standard_s = -west_s;
    zone->has_daylight = !str_empty(text);
    if (!zone->has_daylight)
        return true;
    if (!name_skip(&text))
        return false;
    zone->daylight_s = zone->standard_s + 3600;
    if (!str_empty(text) && text.ptr[0] != ',') {
        if (!time_read(&text, FOOTER_HOURS_MAX, &west_s))
            return false;
        zone->daylight_s = -west_s;
    }
    return change_read(&text, &zone->daylight_begins) && change_read(&text, &zone->daylight_ends) &&
           str_empty(text);
}

/* --- file ------------------------------------------------------------------------------------ */
bool zone_parse(struct str name, struct str tzif, struct zone *zone)
{
    struct counts counts;
    int32_t offsets_s[ZONE_TYPES_MAX];
    *zone = (struct zone){.transition_count = 0};
    if (str_empty(name) || name.len >= sizeof zone->name || !header_read(tzif, &counts))
        return false;
    memcpy(zone->name, name.ptr, name.len);
    size_t const first_bytes = block_bytes(&counts, 4);
    if (first_bytes > tzif.len - HEADER_BYTES)
        return false;
    struct str const second = str_skip(tzif, HEADER_BYTES + first_bytes);
    if (!header_read(second, &counts) || counts.types == 0 || counts.types > ZONE_TYPES_MAX ||
        counts.times > ZONE_TRANSITIONS_MAX || counts.leaps > 0)
        return false;
    size_t const second_bytes = block_bytes(&counts, 8);
    if (second_bytes > second.len - HEADER_BYTES)
        return false;
    const char *const times = second.ptr + HEADER_BYTES;
    return types_read(times + counts.times * 9, counts.types, offsets_s) &&
           transitions_read(times, &counts, offsets_s, zone) &&
           footer_read(str_skip(second, HEADER_BYTES + second_bytes), zone);
}
