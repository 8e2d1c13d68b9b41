/* expiry_notice.h - what ends by itself is told before it does: found in the database, once.
 *
 * What:  a sweep in small pieces asks the database for what ends within the days of the setting,
 *        and journals a notice of each that has none yet; the projector makes it an alert. A notice
 *        is named by what it is about, when that ends, and how many days before: another end is
 *        another notice. Of several days that are past, the nearest alone is told.
 * Why:   the database has an index by end, so that nothing of the book is walked or locked. What it
 *        does not know yet comes with a later round; a round waits until the notices of the one
 *        before are rows, so that a notice is never journalled twice, whenever the process dies.
 * Rules: one thread.
 */
#pragma once
#include "book/project.h"
#include "book/record.h"

enum { NOTICE_DAYS_COUNT_MAX = 4, NOTICE_DAY_MAX = 365, NOTICE_NAME_BYTES_MAX = 256 };

struct notice_days { /* descending; none: nothing is told */
    size_t count;
    int days[NOTICE_DAYS_COUNT_MAX];
};
/* "7,1", or "none". False: it is neither. */
bool notice_days_parse(struct str text, struct notice_days *days);

struct expiry_sweep;
/* NULL: no memory. After book_recover. */
struct expiry_sweep *expiry_sweep_new(struct book *book, struct store *store,
                                      struct projector *projector, const struct notice_days *days);
/* Call every second or so: a bounded piece of work, and between two rounds a minute of rest.
 * Returns how many notices it journalled. */
size_t expiry_sweep_run(struct expiry_sweep *sweep);
void expiry_sweep_free(struct expiry_sweep *sweep);

/* --- the payload of NOTICE: record_notice.c --- */
struct record_notice {
    enum ending_kind what;
    struct str id, customer_id, scope;
    int64_t end_us;
    int days; /* before the end, of the setting */
};
size_t record_notice_encode(const struct record_notice *record, void *out, size_t room);
NODISCARD bool record_notice_decode(struct str payload, struct record_notice *record);
/* Its name: "key/ID@END/DAYS". */
struct str record_notice_name(const struct record_notice *record, char name[NOTICE_NAME_BYTES_MAX]);
