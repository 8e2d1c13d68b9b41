/* query.c - authentication and replies of the routes that are not metered; the model list. */
#include "gateway/query.h"
#include "codec/json_write.h"
#include "gateway/reply.h"

enum { LIST_BYTES_MAX = 8 << 20 };

void query_fault(struct http_exchange *exchange, const struct fault *fault)
{
    const struct err_row *row = err_row(fault->code);
    struct error_facts const facts = {
        .language = language_of(http_header(exchange, STR("accept-language")))};
    struct str const body = reply_error_body(http_arena(exchange), fault, &facts);
    struct http_reply const reply = {row->http, STR("application/json"),
                                     row->retry ? STR("") : STR("x-should-retry: false\r\n")};
    http_reply(exchange, &reply, &body, 1);
}

void query_reply(struct http_exchange *exchange, struct str json)
{
    struct http_reply const reply = {200, STR("application/json"), STR("")};
    http_reply(exchange, &reply, &json, 1);
}

bool query_authenticate(struct gateway_worker *worker, struct http_exchange *exchange,
                        struct caller *caller)
{
    struct fault fault = {0};
    enum err const err = caller_authenticate(worker, exchange, caller, &fault);
    if (err != ERR_OK)
        query_fault(exchange, &fault);
    return err == ERR_OK;
}

static void write_model(struct json_writer *writer, const struct model *model)
{
    json_object_open(writer);
    json_pair_text(writer, "id", model->name);
    json_pair_text(writer, "object", STR("model"));
    json_pair_i64(writer, "created", model->created_us / 1000000);
    json_pair_text(writer, "owned_by", model->provider->name);
    json_object_close(writer);
}

static void send_json(struct http_exchange *exchange, struct json_writer *writer, struct buf *out)
{
    struct fault fault = {0};
    enum err const err = json_write_end(writer);
    if (err == ERR_OK) {
        query_reply(exchange, buf_view(out));
    } else {
        fault_set(&fault, err == ERR_NO_MEMORY ? ERR_NO_MEMORY : ERR_INTERNAL, "answer too long");
        query_fault(exchange, &fault);
    }
    buf_free(out);
}

void route_models(struct gateway_worker *worker, struct http_exchange *exchange, struct str id)
{
    struct caller caller;
    (void)id;
    if (!query_authenticate(worker, exchange, &caller))
        return;
    struct catalog *catalog = gateway_catalog(worker->gateway);
    struct buf out;
    struct json_writer writer;
    buf_init(&out, LIST_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    json_pair_text(&writer, "object", STR("list"));
    json_key(&writer, "data");
    json_array_open(&writer);
    for (size_t i = 0; catalog && i < catalog_model_count(catalog); i++)
        write_model(&writer, catalog_model_at(catalog, i));
    json_array_close(&writer);
    json_object_close(&writer);
    catalog_unref(catalog);
    send_json(exchange, &writer, &out);
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* SDKs escape what stands in a path: "meta%2Fllama". Bad escapes stay as they are. */
static struct str path_decode(struct arena *arena, struct str text)
{
    struct str const copy = arena_copy(arena, text);
    if (!copy.ptr)
        return text;
    char *to = (char *)(uintptr_t)copy.ptr;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int const high = i + 2 < text.len && text.ptr[i] == '%' ? hex_digit(text.ptr[i + 1]) : -1;
        int const low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
        to[len++] = low >= 0 ? (char)(high * 16 + low) : text.ptr[i];
        i += low >= 0 ? 2 : 0;
    }
    return str_make(to, len);
}

void route_model(struct gateway_worker *worker, struct http_exchange *exchange, struct str id)
{
    struct caller caller;
    if (!query_authenticate(worker, exchange, &caller))
        return;
    id = path_decode(http_arena(exchange), id);
    struct catalog *catalog = gateway_catalog(worker->gateway);
    const struct model *model = catalog ? catalog_model(catalog, id) : NULL;
    if (!model) {
        struct fault fault = {0};
        fault_param(&fault, ERR_MODEL_UNKNOWN, "model", "there is no model `%.*s`", STR_ARG(id));
        query_fault(exchange, &fault);
    } else {
        struct buf out;
        struct json_writer writer;
        buf_init(&out, LIST_BYTES_MAX);
        json_write_start(&writer, &out);
        write_model(&writer, model);
        send_json(exchange, &writer, &out);
    }
    catalog_unref(catalog);
}
