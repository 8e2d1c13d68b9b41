/* compile_int.h - what the compile_*.c files share: a block that fills up, and typed members.
 *
 * What:  a reading keeps its first fault: the readers go on, and whoever compiles looks once.
 */
#pragma once
#include "base/limits.h"
#include "govern/compile.h"
#include "govern/node.h"

struct reading {
    struct compiler *compiler;
    const struct json_object *object;
    struct str id;
    char *block;
    size_t used, size;
    enum err err; /* of the first mistake */
    struct fault *fault;
};

/* Zeroed and aligned. NULL: the document is too large, and reading->err says so. */
void *reading_room(struct reading *reading, size_t bytes);
struct str reading_copy(struct reading *reading, struct str text);
struct str reading_join(struct reading *reading, struct str a, const char *between, struct str b);
void reading_wrong(struct reading *reading, const char *member, const char *why);
/* Another object (an element, a member's value) read into the same block. False: not an object. */
bool reading_inside(struct reading *reading, struct str value, struct json_object *object,
                    struct reading *inside);
void reading_back(struct reading *reading, const struct reading *inside);

/* The raw value; ptr NULL when it is absent or null. */
struct str member_raw(struct reading *reading, const char *name);
/* A copy; empty when absent. */
struct str member_text(struct reading *reading, const char *name);
/* The same; a mistake when absent or empty. */
struct str member_name(struct reading *reading, const char *name);
int64_t member_i64(struct reading *reading, const char *name, int64_t least, int64_t most,
                   int64_t absent);
bool member_bool(struct reading *reading, const char *name, bool absent);
int64_t member_instant(struct reading *reading, const char *name); /* 0 when absent */
struct names member_names(struct reading *reading, const char *name);
/* The place in `words`; `absent` when absent. */
int member_word(struct reading *reading, const char *name, const char *const *words, int count,
                int absent);
/* An amount in nano; -1 when absent. */
int64_t member_amount(struct reading *reading, const char *name);
struct selector member_selector(struct reading *reading, const struct json_object *object);

enum metric member_metric(struct reading *reading, int absent);
/* name, metric, window, value, mode and selectors; identity is the caller's. */
void read_limit(struct reading *reading, struct limit *limit);
/* The member alert_percent; absent: `absent`, and NULL when that is empty, too. */
const struct alert_terms *read_alerts(struct reading *reading, struct str name,
                                      struct alert_thresholds absent);
extern const struct alert_thresholds alerts_usual; /* 80 and 100 percent */
bool read_window(struct reading *reading, const char *name, enum window_kind *kind);
/* Hash of "a/b/c"; parts with ptr NULL are left out. */
uint64_t identity_of(struct str a, struct str b, struct str c);

/* What each makes is at the start of the block. */
void compile_feature(struct reading *reading);
void compile_provider(struct reading *reading);
void compile_plan(struct reading *reading);
void compile_plan_version(struct reading *reading);
void compile_route(struct reading *reading);
void compile_cell(struct reading *reading);
void compile_group(struct reading *reading);
void compile_member(struct reading *reading);
void compile_override(struct reading *reading);
void compile_limit(struct reading *reading);
void compile_profile(struct reading *reading);
void compile_user(struct reading *reading);
void compile_subscription(struct reading *reading);
void compile_license(struct reading *reading);
void compile_key(struct reading *reading);
void compile_markup(struct reading *reading);
/* The member `credit` of a plan version; NULL: there is none. */
const struct credit_terms *read_credit(struct reading *reading);
