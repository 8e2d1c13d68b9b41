/* compat_subscription.c - suspend, reactivate, cancel and change a subscription, and its history.
 *
 *   trialing -> active <-> paused          active <-> suspended (also from trialing, past_due)
 *   active -> past_due -> active | unpaid  active -> cancel_scheduled -> canceled | active
 *
 * Why:   domain.md 5.3. A PATCH may write any status: it corrects. These do what a person means
 *        and refuse what cannot be. Canceled is final: to reactivate makes a new subscription.
 */
#include "admin/compat_int.h"
#include "codec/json_merge.h"
#include "codec/when.h"

struct step {
    struct admin_call *call;
    struct json_writer *writer;
    struct object object; /* as it is now */
    struct str status, reason;
    struct json_object scratch;
};

static bool is_one_of(struct str text, const char *const *names)
{
    for (; *names != NULL; names++)
        if (str_eq(text, str_of(*names)))
            return true;
    return false;
}

static enum err illegal(struct step *step, const char *what)
{
    return fault_param(&step->call->fault, ERR_CONFLICT, "status",
                       "a subscription that is %.*s cannot be %s", STR_ARG(step->status), what);
}

static int64_t now_us(const struct step *step)
{
    return clock_wall_us(admin_options(step->call->admin)->clock);
}

static struct str instant(struct step *step, int64_t wall_us)
{
    char text[WHEN_TEXT_BYTES];
    struct str const copy = arena_copy(step->call->arena, when_text(wall_us, text));
    return copy.ptr != NULL ? copy : STR("");
}

static int64_t period_end_us(struct step *step)
{
    struct admin_call *call = step->call;
    const struct zone *zone = customer_zone(call, step->object.customer_id);
    return subscription_period_end(call, &step->scratch, step->object.text, zone, now_us(step));
}

/* The members of a merge patch; a value with ptr NULL takes its member away. */
struct pair {
    const char *name;
    struct str text;
};

static enum err render(struct step *step, const struct pair *pairs, size_t count, struct str *patch)
{
    struct json_writer writer;
    struct buf out;
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    for (size_t i = 0; i < count; i++) {
        json_key(&writer, pairs[i].name);
        if (pairs[i].text.ptr != NULL)
            json_put_text(&writer, pairs[i].text);
        else
            json_put_null(&writer);
    }
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    *patch = arena_copy(step->call->arena, buf_view(&out));
    buf_free(&out);
    return err != ERR_OK ? err : patch->ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err put_patch(struct step *step, const struct pair *pairs, size_t count)
{
    struct str patch;
    enum err const err = render(step, pairs, count, &patch);
    return err == ERR_OK ? object_merge(step->call, step->writer, &step->object, patch) : err;
}

typedef enum err step_run(struct step *step);

/* Loads, decides, writes; again when somebody was faster. */
static enum err run(struct admin_call *call, struct json_writer *writer, step_run *decide)
{
    struct step *step = arena_zalloc(call->arena, sizeof *step);
    if (step == NULL)
        return ERR_NO_MEMORY;
    step->call = call;
    step->writer = writer;
    enum err err = admin_body_text(call, "reason", false, &step->reason);
    if (err != ERR_OK)
        return err;
    if (step->reason.ptr == NULL)
        step->reason = call->actor.reason;
    call->actor.reason = step->reason;
    for (int tries = 0; tries < OBJECT_TRIES; tries++) {
        call->fault = (struct fault){0};
        err = object_load(call, OBJECT_SUBSCRIPTION, call->params[0], &step->object);
        if (err != ERR_OK)
            break;
        step->status = document_words(call, &step->scratch, step->object.text, "status");
        err = decide(step);
        if (err != ERR_VERSION_CONFLICT || call->if_match.len > 0)
            break;
    }
    return err;
}

/* --- suspend --------------------------------------------------------------------------------- */
static enum err suspend(struct step *step)
{
    static const char *const from[] = {"active", "trialing", "past_due", NULL};
    struct pair const pairs[] = {{"status", STR("suspended")}, {"suspended_reason", step->reason}};
    if (!is_one_of(step->status, from))
        return illegal(step, "suspended");
    return put_patch(step, pairs, step->reason.len > 0 ? 2 : 1);
}

enum err subscription_suspend(struct admin_call *call, struct json_writer *writer)
{
    return run(call, writer, suspend);
}

/* --- cancel ---------------------------------------------------------------------------------- */
/* Those that give access go on until the end of what was paid for, unless `at` is now; the others
 * end at once. */
static enum err cancel(struct step *step)
{
    static const char *const served[] = {"active", "trialing", NULL};
    static const char *const others[] = {"cancel_scheduled", "paused", "suspended",
                                         "past_due",         "unpaid", NULL};
    struct str at;
    enum err const err = admin_body_text(step->call, "at", false, &at);
    if (err != ERR_OK)
        return err;
    bool const is_served = is_one_of(step->status, served);
    if (!is_served && !is_one_of(step->status, others))
        return illegal(step, "canceled");
    int64_t const end_us = is_served && !str_eq(at, STR("now")) ? period_end_us(step) : 0;
    if (!is_served && str_eq(at, STR("period_end")))
        return illegal(step, "canceled at the end of a period: it is not active");
    struct pair const pairs[] = {
        {"status", end_us > 0 ? STR("cancel_scheduled") : STR("canceled")},
        {"cancel_at", instant(step, end_us > 0 ? end_us : now_us(step))},
    };
    return put_patch(step, pairs, 2);
}

enum err subscription_cancel(struct admin_call *call, struct json_writer *writer)
{
    return run(call, writer, cancel);
}

/* --- reactivate ------------------------------------------------------------------------------ */
static bool one_row(void *owner, const struct object_row *row)
{
    (void)row;
    *(bool *)owner = true;
    return false;
}

/* Twice reactivated is once. */
static enum err follower_check(struct step *step)
{
    struct admin_call *call = step->call;
    struct store *store = admin_options(call->admin)->store;
    bool found = false;
    struct object_query const query = {
        .kind = object_kind_row(OBJECT_SUBSCRIPTION)->name,
        .customer_id = step->object.customer_id,
        .limit = 1,
        .filter_count = 1,
        .filters = {{STR("previous"), step->object.id}},
    };
    enum err err = admin_flush(call);
    if (err == ERR_OK)
        err = store->ops->object_list(store, &query, one_row, &found, &call->fault);
    if (err == ERR_OK && found)
        err = fault_set(&call->fault, ERR_CONFLICT, "another subscription follows it already");
    return err;
}

/* If-Match is about the one that is followed: it is not written, so nobody else looks. */
static enum err seen_check(struct step *step)
{
    struct admin_call *call = step->call;
    struct str const tag = arena_printf(call->arena, "\"%u\"", (unsigned)step->object.version);
    if (tag.ptr == NULL)
        return ERR_NO_MEMORY;
    if (call->if_match.len == 0 || str_eq(call->if_match, STR("*")) || str_eq(call->if_match, tag))
        return ERR_OK;
    return fault_set(&call->fault, ERR_VERSION_CONFLICT, "it is another version now");
}

/* A new subscription that follows the canceled one; with its anchor if it ended in this period. */
static enum err follow(struct step *step)
{
    static const char *const left_out[] = {"status",      "cancel_at", "suspended_reason",
                                           "grace_until", "previous",  NULL};
    struct admin_call *call = step->call;
    struct json_object *scratch = &step->scratch;
    struct str const text = step->object.text;
    int64_t ended_us = 0, ends_us = 0;
    const struct zone *zone = customer_zone(call, step->object.customer_id);
    if (when_parse(document_words(call, scratch, text, "cancel_at"), &ended_us))
        ends_us = subscription_period_end(call, scratch, text, zone, ended_us);
    struct str anchor = document_words(call, scratch, text, "anchor_at");
    if (anchor.len == 0 || ends_us <= now_us(step))
        anchor = instant(step, now_us(step));
    struct pair const pairs[] = {{"status", STR("active")},
                                 {"anchor_at", anchor},
                                 {"anchor_day", {0}},
                                 {"previous", step->object.id}};
    struct str patch;
    struct buf out;
    enum err err = seen_check(step);
    if (err == ERR_OK)
        err = follower_check(step);
    if (err == ERR_OK)
        err = render(step, pairs, 4, &patch);
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    struct str rest = {0};
    if (err == ERR_OK)
        err = json_without(text, left_out, call->arena, &out);
    if (err == ERR_OK && (rest = arena_copy(call->arena, buf_view(&out))).ptr == NULL)
        err = ERR_NO_MEMORY;
    buf_clear(&out);
    if (err == ERR_OK)
        err = json_merge(rest, patch, call->arena, &out);
    if (err == ERR_OK)
        err = object_new(call, step->writer, OBJECT_SUBSCRIPTION, buf_view(&out));
    buf_free(&out);
    return err;
}

static enum err reactivate(struct step *step)
{
    static const char *const from[] = {"suspended", "paused", "cancel_scheduled", "past_due", NULL};
    struct pair const pairs[] = {{"status", STR("active")},
                                 {"suspended_reason", {0}},
                                 {"cancel_at", {0}},
                                 {"grace_until", {0}}};
    if (str_eq(step->status, STR("canceled")))
        return follow(step);
    if (!is_one_of(step->status, from))
        return illegal(step, "reactivated");
    return put_patch(step, pairs, 4);
}

enum err subscription_reactivate(struct admin_call *call, struct json_writer *writer)
{
    return run(call, writer, reactivate);
}

/* --- change ---------------------------------------------------------------------------------- */
/* At once: what was used of a limit with the same name stays used. */
static enum err change_plan(struct step *step)
{
    static const char *const from[] = {
        "draft", "trialing", "active", "paused", "cancel_scheduled", "past_due", "suspended", NULL};
    struct admin_call *call = step->call;
    struct object version;
    struct str id;
    enum err const err = admin_body_text(call, "plan_version", true, &id);
    if (err != ERR_OK)
        return err;
    if (!is_one_of(step->status, from))
        return illegal(step, "changed");
    if (!book_object_get(admin_options(call->admin)->book, OBJECT_PLAN_VERSION, id, call->arena,
                         &version))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "plan_version",
                           "there is no such plan version");
    if (!str_eq(document_words(call, &step->scratch, version.text, "status"), STR("active")))
        return fault_param(&call->fault, ERR_CONFLICT, "plan_version",
                           "this plan version is not active: nobody can subscribe to it");
    struct pair const pairs[] = {{"plan_version", id}};
    return put_patch(step, pairs, 1);
}

enum err subscription_change(struct admin_call *call, struct json_writer *writer)
{
    return run(call, writer, change_plan);
}
