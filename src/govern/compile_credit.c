/* compile_credit.c - markups, and the credits of a plan. */
#include "govern/compile_int.h"

const char *const markup_scopes[MARKUP_SCOPE_COUNT] = {"customer", "plan", "model", "provider",
                                                       "global"};

void compile_markup(struct reading *reading)
{
    struct doc_markup *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    int const scope = member_word(reading, "scope", markup_scopes, MARKUP_SCOPE_COUNT, -1);
    struct str const id = member_text(reading, "scope_id");
    if (scope < 0) {
        reading_wrong(reading, "scope", "is missing");
        return;
    }
    if (str_empty(id) != (scope == MARKUP_GLOBAL))
        reading_wrong(reading, "scope_id", "is said for every scope but global");
    made->doc.owner_kind = NODE_MARKUP;
    made->doc.owner = reading_join(reading, str_of(markup_scopes[scope]), "\x1f",
                                   scope == MARKUP_GLOBAL ? STR(MARKUP_EVERYTHING) : id);
    made->doc.head.list = LIST_SELF;
    struct str percent;
    struct str const value = member_raw(reading, "percent");
    made->factor = MARKUP_UNIT;
    if (value.ptr && (!json_plain_text(value, &percent) || !markup_factor(percent, &made->factor)))
        reading_wrong(reading, "percent", "is not a decimal from -100 to 100000 (\"12.5\")");
    int64_t const fixed = member_amount(reading, "fixed");
    made->fixed = fixed < 0 ? 0 : fixed;
}

static void read_unit(struct reading *reading, struct credit_terms *credit)
{
    struct json_object object;
    struct reading inside;
    struct str const value = member_raw(reading, "unit");
    if (!value.ptr || !reading_inside(reading, value, &object, &inside)) {
        reading_wrong(reading, "credit", "has no unit with names");
        return;
    }
    credit->unit_pt = member_text(&inside, "pt");
    credit->unit_en = member_text(&inside, "en");
    reading_back(reading, &inside);
    if (str_empty(credit->unit_pt) && str_empty(credit->unit_en))
        reading_wrong(reading, "credit", "has a unit without a name");
    if (str_empty(credit->unit_pt))
        credit->unit_pt = credit->unit_en;
    if (str_empty(credit->unit_en))
        credit->unit_en = credit->unit_pt;
}

static void read_feature_rates(struct reading *reading, struct credit_terms *credit)
{
    struct json_object object;
    struct str text;
    struct fault ignored = {0};
    struct str const value = member_raw(reading, "features");
    if (!value.ptr)
        return;
    if (json_type(value) != JSON_OBJECT || json_members(value, &object, &ignored) != ERR_OK) {
        reading_wrong(reading, "credit", "has features that are not an object");
        return;
    }
    struct credit_feature *list = reading_room(reading, object.count * sizeof *list);
    for (size_t i = 0; list && i < object.count; i++) {
        const struct json_member *member = &object.members[i];
        list[i].feature = reading_copy(reading, member->key);
        if (member->key_escaped || !json_plain_text(member->value, &text) ||
            !decimal_parse(text, MONEY_SCALE, &list[i].rate) || list[i].rate < 0)
            reading_wrong(reading, "credit", "has a rate that is not an amount (\"2.5\")");
    }
    credit->features = list;
    credit->feature_count = list ? object.count : 0;
}

const struct credit_terms *read_credit(struct reading *reading)
{
    static const char *const bases[] = {"cost", "tokens", "requests"};
    static const enum credit_basis kinds[] = {CREDIT_COST, CREDIT_TOKENS, CREDIT_REQUESTS};
    struct json_object object;
    struct reading inside;
    struct str const value = member_raw(reading, "credit");
    if (!value.ptr)
        return NULL;
    struct credit_terms *credit = reading_room(reading, sizeof *credit);
    if (!credit)
        return NULL;
    if (!reading_inside(reading, value, &object, &inside)) {
        reading_wrong(reading, "credit", "is not an object");
        return NULL;
    }
    int const basis = member_word(&inside, "basis", bases, 3, -1);
    credit->basis = kinds[basis < 0 ? 0 : basis];
    credit->rate = member_amount(&inside, "rate");
    if (basis < 0 || credit->rate < 0)
        reading_wrong(&inside, "credit", "needs a basis and a rate");
    int64_t const minimum = member_amount(&inside, "minimum");
    credit->minimum = minimum < 0 ? 0 : minimum;
    read_unit(&inside, credit);
    read_feature_rates(&inside, credit);
    reading_back(reading, &inside);
    return credit;
}
