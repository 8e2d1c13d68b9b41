/* terms.c - names of layers, lists of names, and the hash that counters are known by. */
#include "core/terms.h"
#include "base/must.h"

const char *layer_name(enum layer layer)
{
    static const char *const names[] = {"plan",     "license", "matrix", "group",
                                        "customer", "user",    "key"};
    _Static_assert(sizeof names / sizeof *names == LAYER_COUNT, "a name for each layer");
    MUST(layer < LAYER_COUNT);
    return names[layer];
}

enum refusal_scope layer_scope(enum layer layer)
{
    static const enum refusal_scope scopes[LAYER_COUNT] = {
        [LAYER_PLAN] = SCOPE_PLAN,         [LAYER_LICENSE] = SCOPE_PLAN,
        [LAYER_MATRIX] = SCOPE_FEATURE,    [LAYER_GROUP] = SCOPE_CUSTOMER,
        [LAYER_CUSTOMER] = SCOPE_CUSTOMER, [LAYER_USER] = SCOPE_USER,
        [LAYER_KEY] = SCOPE_KEY,
    };
    MUST(layer < LAYER_COUNT);
    return scopes[layer];
}

const char *cell_origin_name(enum cell_origin origin)
{
    static const char *const names[] = {"default", "promo", "exclusive"};
    _Static_assert(sizeof names / sizeof *names == ORIGIN_COUNT, "a name for each origin");
    MUST(origin < ORIGIN_COUNT);
    return names[origin];
}

bool names_have(const struct names *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++)
        if (str_eq(names->list[i], name))
            return true;
    return false;
}

/* FNV-1a spreads short texts badly in the high bits; the end of splitmix64 mends that. */
static uint64_t spread(uint64_t hash)
{
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

uint64_t terms_hash(struct str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return spread(hash);
}

uint64_t terms_join(uint64_t a, uint64_t b)
{
    uint64_t const hash = spread(a + UINT64_C(0x9e3779b97f4a7c15) + (b << 32 | b >> 32));
    return hash ? hash : 1;
}
