/* resolve_gate.c - the doors before any limit: subscription, licence, key. */
#include "base/must.h"
#include "core/resolve.h"

enum standing subscription_standing(const struct subscription_terms *terms, int64_t now_us)
{
    switch (terms->status) {
    case SUBSCRIPTION_DRAFT:
        return STANDING_NONE;
    case SUBSCRIPTION_TRIALING:
    case SUBSCRIPTION_ACTIVE:
        return STANDING_ACCESS;
    case SUBSCRIPTION_CANCEL_SCHEDULED:
        return terms->cancel_us == 0 || now_us < terms->cancel_us ? STANDING_ACCESS
                                                                  : STANDING_INACTIVE;
    case SUBSCRIPTION_PAST_DUE:
        return terms->grace_us == 0 || now_us < terms->grace_us ? STANDING_ACCESS
                                                                : STANDING_INACTIVE;
    case SUBSCRIPTION_PAUSED:
    case SUBSCRIPTION_SUSPENDED:
        return STANDING_SUSPENDED;
    default:
        return STANDING_INACTIVE;
    }
}

static bool refuse(struct refusal *refusal, enum err err, enum layer layer, struct str id,
                   const char *why)
{
    *refusal = (struct refusal){
        .err = err, .scope = layer_scope(layer), .layer = layer, .id = id, .why = why};
    return false;
}

bool license_permits(const struct license_terms *terms, struct str module, int64_t now_us,
                     struct refusal *refusal)
{
    static const struct str ai = STR_ROW("ai"), api = STR_ROW("api");
    enum err const err = ERR_LICENSE_FORBIDDEN;
    if (!terms->active)
        return refuse(refusal, err, LAYER_LICENSE, terms->id, "the licence is not active");
    if (terms->valid_from_us != 0 && now_us < terms->valid_from_us) {
        refuse(refusal, err, LAYER_LICENSE, terms->id, "the licence is not valid yet");
        refusal->until_us = terms->valid_from_us;
        return false;
    }
    if (terms->valid_to_us != 0 && now_us >= terms->valid_to_us)
        return refuse(refusal, err, LAYER_LICENSE, terms->id, "the licence is no longer valid");
    if (!terms->ai_enabled)
        return refuse(refusal, err, LAYER_LICENSE, terms->id, "AI is off in the licence");
    if (!names_have(&terms->modules, ai) && !names_have(&terms->modules, api))
        return refuse(refusal, err, LAYER_LICENSE, terms->id,
                      "the licence has neither module ai nor api");
    if (!str_empty(module) && !str_eq(module, ai) && !str_eq(module, api) &&
        !names_have(&terms->modules, module))
        return refuse(refusal, err, LAYER_LICENSE, terms->id,
                      "the licence does not have the module of the call");
    return true;
}

bool key_permits(const struct key_terms *terms, const struct call *call, struct refusal *refusal)
{
    struct str const none = {0};
    MUST(terms->address_count == 0 || terms->addresses);
    if (terms->has_addresses && !cidr_has(terms->addresses, terms->address_count, call->address))
        return refuse(refusal, ERR_ADDRESS_FORBIDDEN, LAYER_KEY, none,
                      "the client's address is not in the key's list");
    if (terms->scopes.said && !names_have(&terms->scopes, STR("inference")))
        return refuse(refusal, ERR_SCOPE_FORBIDDEN, LAYER_KEY, none,
                      "the key lacks the scope inference");
    /* A call that keeps quiet about its feature must not get around the list. */
    if (terms->features.said && !names_have(&terms->features, call->feature))
        return refuse(refusal, ERR_FEATURE_FORBIDDEN, LAYER_KEY, none,
                      "the feature is not in the key's list");
    if (terms->models.said && !str_empty(call->model) && !names_have(&terms->models, call->model))
        return refuse(refusal, ERR_MODEL_FORBIDDEN, LAYER_KEY, none,
                      "the model is not in the key's list");
    return true;
}
