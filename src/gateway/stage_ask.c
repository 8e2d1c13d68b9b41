/* stage_ask.c - what the body and the context headers ask. */
#include "codec/utf8.h"
#include "gateway/request.h"

/* A context value is one line of text. It is stored and shown, never interpreted. */
static bool is_context_text(struct str value)
{
    if (value.len == 0 || value.len > CONTEXT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f)
            return false;
    return utf8_valid(value);
}

static bool read_context(struct request *request)
{
    struct call_context *context = &request->context;
    const struct {
        struct str name;
        struct str *value;
    } headers[] = {
        {STR_ROW("x-cota-user"), &context->user},
        {STR_ROW("x-cota-feature"), &context->feature},
        {STR_ROW("x-cota-module"), &context->module},
        {STR_ROW("x-cota-profile"), &context->profile},
        {STR_ROW("x-cota-group"), &context->group},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct str const value = http_header(request->exchange, headers[i].name);
        if (!value.ptr)
            continue;
        if (http_header_count(request->exchange, headers[i].name) > 1 || !is_context_text(value)) {
            fault_param(&request->fault, ERR_HEADER_INVALID, headers[i].name.ptr,
                        "%s must be one line of 1 to %d bytes of UTF-8", headers[i].name.ptr,
                        CONTEXT_BYTES_MAX);
            return false;
        }
        *headers[i].value = value;
    }
    return true;
}

static bool read_idempotency_key(struct request *request)
{
    struct str const value = http_header(request->exchange, STR("idempotency-key"));
    if (!value.ptr)
        return true;
    bool fine = value.len > 0 && value.len <= IDEMPOTENCY_KEY_BYTES_MAX &&
                http_header_count(request->exchange, STR("idempotency-key")) == 1;
    for (size_t i = 0; fine && i < value.len; i++)
        fine = value.ptr[i] > 0x20 && value.ptr[i] < 0x7f;
    if (!fine) {
        fault_param(&request->fault, ERR_HEADER_INVALID, "idempotency-key",
                    "Idempotency-Key must be 1 to %d printable ASCII characters",
                    IDEMPOTENCY_KEY_BYTES_MAX);
        return false;
    }
    request->idempotency_key = value;
    return true;
}

enum step stage_ask(struct request *request)
{
    struct str const encoding = http_header(request->exchange, STR("content-encoding"));
    if (encoding.ptr && !str_eq_nocase(encoding, STR("identity")))
        return request_fail(request, ERR_MEDIA_UNKNOWN,
                            "compressed request bodies are not accepted");
    if (!read_context(request) || !read_idempotency_key(request))
        return STEP_FAIL;
    if (openai_ask_read(request->operation, http_body(request->exchange), request->arena,
                        &request->ask, &request->fault) != ERR_OK)
        return STEP_FAIL;
    request->context.stream = request->ask.stream;
    if (!request->context.user.ptr && is_context_text(request->ask.end_user))
        request->context.user = request->ask.end_user;
    return STEP_NEXT;
}
