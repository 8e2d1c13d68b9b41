/* alert_lines.h - what a hold knows about being told, and what its SETTLE says was reached.
 *
 * What:  packed bytes that go into RESERVE and SETTLE as they are: whoever settles after a crash
 *        knows what the one who reserved knew, and the edge is in the record of the use itself: it
 *        is told exactly once or, with its SETTLE, not at all. Empty: nothing is to be told.
 * Not:   which share was passed (core/alert.h), rows of alerts (project_alerts.c).
 */
#pragma once
#include "book/record_parts.h"

enum {
    ALERT_NAME_BYTES_MAX = 64,
    ALERT_LINE_BYTES_MAX = 2 + 10 + 1 + 2 * ALERT_THRESHOLDS_MAX + 1 + ALERT_NAME_BYTES_MAX,
    ALERT_HEAD_BYTES_MAX = 48,
    ALERT_LINES_BYTES_MAX = ALERT_HEAD_BYTES_MAX + (RULES_PER_CALL_MAX + 2) * ALERT_LINE_BYTES_MAX,
};

struct alert_line {
    size_t window; /* in a RESERVE: of the hold's lines; in a SETTLE: of the record's */
    enum refusal_scope scope;
    int64_t limit;
    struct alert_thresholds thresholds;
    struct str name; /* cut at ALERT_NAME_BYTES_MAX */
};

enum alert_credit { CREDIT_LOW = 1, CREDIT_SPENT = 2, CREDIT_DEBT = 4, CREDIT_BITS = 7 };
struct alert_head {
    unsigned reached; /* SETTLE: bits of enum alert_credit */
    int64_t low;      /* tell when less credit than this is left, nano; 0: never */
    int64_t left;     /* SETTLE: credit left, nano; may be negative */
    int64_t told;     /* SETTLE: the customer's low_told from now on */
};

/* Its start, whole characters; all of it when it is short enough. */
struct str alert_name_cut(struct str name, size_t len_max);
/* The bytes of a RESERVE. own_key: nothing is paid. Returns their length. */
size_t alert_lines_begin(const struct rules *rules, bool own_key,
                         unsigned char out[ALERT_LINES_BYTES_MAX]);

/* --- reading: head first, then lines until there is none --- */
struct alert_reader {
    struct str rest;
    bool bad;
};
struct alert_reader alert_read(struct str lines, struct alert_head *head);
bool alert_read_line(struct alert_reader *reader, struct alert_line *line);
/* Could we have written this? Lines are of `windows` windows. */
NODISCARD bool alert_lines_valid(struct str lines, size_t windows);

/* --- writing, for settle --- */
struct pack;
void alert_put_head(struct pack *pack, const struct alert_head *head);
void alert_put_line(struct pack *pack, const struct alert_line *line);

/* --- the payload of ALERT_SEEN: record_rows.c --- */
struct record_alert_seen {
    int64_t alert; /* its row's id */
    struct str by;
};
size_t record_alert_seen_encode(const struct record_alert_seen *record, void *out, size_t room);
NODISCARD bool record_alert_seen_decode(struct str payload, struct record_alert_seen *record);
