/* jwks_plan.c - due times from what happened last. */
#include "gateway/jwks_plan.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- Cache-Control ---------------------------------------------------------------------------- */
/* One directive of the list; a quoted text is no place to end. */
static struct str directive_next(struct str *rest)
{
    bool quoted = false;
    size_t at = 0;
    for (; at < rest->len && (quoted || rest->ptr[at] != ','); at++)
        quoted = quoted != (rest->ptr[at] == '"');
    struct str const directive = str_trim(str_make(rest->ptr, at));
    *rest = str_skip(*rest, at + 1);
    return directive;
}

static bool name_is(struct str directive, size_t name_len, struct str name)
{
    return str_eq_nocase(str_make(directive.ptr, name_len), name);
}

/* Digits only, maybe in quotes; more than we ever wait is that. -1: none. */
static int64_t seconds_of(struct str text)
{
    int64_t seconds = 0;
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = str_make(text.ptr + 1, text.len - 2);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        seconds = least(seconds * 10 + (text.ptr[i] - '0'), JWKS_AGE_MAX_S);
    }
    return text.len > 0 ? seconds : -1;
}

int64_t jwks_age_s(struct str cache_control)
{
    int64_t age_s = JWKS_AGE_MIN_S;
    bool said = false;
    while (cache_control.len > 0) {
        struct str const directive = directive_next(&cache_control);
        size_t const name_len = str_find(directive, STR("="));
        if (name_is(directive, name_len, STR("no-store")) ||
            name_is(directive, name_len, STR("no-cache")))
            return JWKS_AGE_MIN_S;
        if (!name_is(directive, name_len, STR("max-age")))
            continue;
        int64_t const seconds = seconds_of(str_trim(str_skip(directive, name_len + 1)));
        age_s = said ? least(age_s, seconds) : seconds; /* said twice: the shorter one */
        said = true;
    }
    return age_s < JWKS_AGE_MIN_S ? JWKS_AGE_MIN_S : age_s;
}

/* --- due times -------------------------------------------------------------------------------- */
void jwks_plan_start(struct jwks_plan *plan, int64_t now_ms)
{
    *plan = (struct jwks_plan){.due_ms = now_ms};
}

void jwks_plan_begin(struct jwks_plan *plan, int64_t now_ms)
{
    plan->has_begun = true;
    plan->begun_ms = now_ms;
    plan->due_ms = INT64_MAX;
}

void jwks_plan_fetched(struct jwks_plan *plan, int64_t now_ms, struct str cache_control)
{
    plan->has_keys = true;
    plan->failures = 0;
    plan->due_ms = now_ms + jwks_age_s(cache_control) * 1000;
}

void jwks_plan_failed(struct jwks_plan *plan, int64_t now_ms)
{
    int64_t delay_ms = JWKS_RETRY_FIRST_MS;
    for (int64_t i = 0; i < plan->failures && delay_ms < JWKS_RETRY_LAST_MS; i++)
        delay_ms = least(delay_ms * 2, JWKS_RETRY_LAST_MS);
    plan->failures++;
    plan->due_ms = now_ms + (plan->has_keys ? JWKS_RETRY_KEYED_MS : delay_ms);
}

void jwks_plan_missing(struct jwks_plan *plan, int64_t now_ms)
{
    int64_t const allowed_ms = plan->has_begun ? plan->begun_ms + JWKS_ASK_MS : now_ms;
    if (plan->due_ms == INT64_MAX)
        return; /* one is under way */
    plan->due_ms = least(plan->due_ms, allowed_ms > now_ms ? allowed_ms : now_ms);
}
