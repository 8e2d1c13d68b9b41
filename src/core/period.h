/* period.h - billing periods: anchored boundaries, never iterated.
 *
 * What:  boundary(n) = local start of the day  clamp(anchor day, last day of month0 + n x months),
 *        always from the original anchor, in the customer's zone, half-open [start, end).
 * Not:   what happens at a boundary. Source: domain.md 2.6 (vectors there are tests).
 */
#pragma once
#include "core/zone.h"

enum period_unit { PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH, PERIOD_YEAR, PERIOD_UNIT_COUNT };

struct period_rule {
    enum period_unit unit;
    int count;         /* >= 1: every `count` units */
    int64_t anchor_us; /* an instant of the first day */
    int anchor_day;    /* of the month, 1 … 31, kept when a zone change moves the anchor's date;
                          0: the anchor's own local day */
};
struct period {
    int64_t number; /* 0: the one that begins at the anchor; negative before it */
    int64_t start_us, end_us;
};

int64_t period_boundary_us(const struct period_rule *rule, const struct zone *zone, int64_t number);
struct period period_at(const struct period_rule *rule, const struct zone *zone, int64_t at_us);
/* The period that follows one which ended at end_us, when the zone has changed meanwhile: it starts
 * where the old one ended, and ends at the first boundary of the new zone that is more than
 * 26 hours after that (domain.md 2.6). */
struct period period_after(const struct period_rule *rule, const struct zone *zone, int64_t end_us);
/* amount x remaining / length in local days of this period, rounded down; at_us' own day counts as
 * remaining. 0 <= result <= amount. */
int64_t period_prorate(const struct period *period, const struct zone *zone, int64_t at_us,
                       int64_t amount);
const char *period_unit_name(enum period_unit unit);
