/* limit_text.c - see limit_text.h. */
#include "gateway/limit_text.h"
#include "base/must.h"
#include "codec/when.h"
#include <stdio.h>

static const char *const metrics[LANGUAGE_COUNT][METRIC_COUNT] = {
    [LANGUAGE_EN] = {"requests", "tokens", "spending", "requests at once"},
    [LANGUAGE_PT] = {"requisições", "tokens", "gastos", "requisições simultâneas"},
};
static const char *const windows[LANGUAGE_COUNT][WINDOW_KIND_COUNT] = {
    [LANGUAGE_EN] = {" per second", " per minute", " per hour", " per day", " per week",
                     " per month", " per billing period", ""},
    [LANGUAGE_PT] = {" por segundo", " por minuto", " por hora", " por dia", " por semana",
                     " por mês", " por ciclo de cobrança", ""},
};
static const char *const owners[LANGUAGE_COUNT][SCOPE_COUNT] = {
    [LANGUAGE_EN] = {"the", "the key's", "the user's", "the plan's", "the account's",
                     "the credit's", "the feature's"},
    [LANGUAGE_PT] = {"", " da chave", " do usuário", " do plano", " da conta", " dos créditos",
                     " do recurso"},
};

/* "2026-11-22 at 00:00" of the customer's clock. */
static void end_text(const struct limit_facts *facts, enum language language, char *out,
                     size_t room)
{
    char when[WHEN_TEXT_BYTES];
    struct str const text = when_text(facts->end_us + (int64_t)facts->offset_s * 1000000, when);
    MUST(text.len >= 16); /* yyyy-mm-ddThh:mm… */
    if (language == LANGUAGE_PT)
        snprintf(out, room, "; volta em %.2s/%.2s/%.4s às %.5s", when + 8, when + 5, when,
                 when + 11);
    else
        snprintf(out, room, "; it begins anew on %.10s at %.5s", when, when + 11);
}

struct str limit_text(const struct limit_facts *facts, enum language language,
                      char out[LIMIT_TEXT_BYTES])
{
    char end[64] = "";
    MUST(facts->metric < METRIC_COUNT && facts->kind < WINDOW_KIND_COUNT);
    MUST(facts->scope < SCOPE_COUNT);
    const char *metric = metrics[language][facts->metric];
    const char *owner = owners[language][facts->scope];
    const char *window = facts->metric == METRIC_CONCURRENT ? "" : windows[language][facts->kind];
    if (facts->end_us > 0)
        end_text(facts, language, end, sizeof end);
    int const len =
        language == LANGUAGE_PT
            ? snprintf(out, LIMIT_TEXT_BYTES, "limite%s de %s%s%s", owner, metric, window, end)
            : snprintf(out, LIMIT_TEXT_BYTES, "%s limit of %s%s%s", owner, metric, window, end);
    return str_make(out, len < LIMIT_TEXT_BYTES ? (size_t)len : LIMIT_TEXT_BYTES - 1);
}
