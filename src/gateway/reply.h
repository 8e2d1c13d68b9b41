/* reply.h - the headers and error bodies that clients of the OpenAI surface rely on. */
#pragma once
#include "codec/language.h"
#include "gateway/request.h"

/* Rendered header lines of an answer, from the request's arena; empty when memory is short.
 * with_cost: the money is settled, so x-cota-cost is known. */
struct str reply_success_headers(struct request *request, bool with_cost);
/* Makes the refusal that request->fault names the request's ending. */
void reply_fault(struct request *request);
/* One SSE event that carries request->fault. */
struct str reply_fault_event(struct request *request);
/* What an error body says beside the fault. */
struct error_facts {
    struct str request_id;           /* empty: none */
    enum refusal_scope scope;        /* SCOPE_NONE: none */
    const struct limit_facts *limit; /* NULL: it was no limit */
    enum language language;
    struct request *assistant; /* an assistant's call; NULL: another */
};
/* Error body {"error": {...}} of the OpenAI surface. */
struct str reply_error_body(struct arena *arena, const struct fault *fault,
                            const struct error_facts *facts);
