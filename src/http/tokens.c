/* tokens.c - see tokens.h. */
#include "http/tokens.h"
#include <llhttp.h>

struct split {
    struct http_header *headers;
    size_t room, count;
    struct http_header open; /* the header under way */
    bool complete;
};

/* llhttp hands over a token in one or more adjoining pieces. */
static void extend(struct str *token, const char *at, size_t length)
{
    if (token->len == 0)
        token->ptr = at;
    token->len += length;
}

static int on_name(llhttp_t *parser, const char *at, size_t length)
{
    struct split *split = parser->data;
    extend(&split->open.name, at, length);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t length)
{
    struct split *split = parser->data;
    extend(&split->open.value, at, length);
    return 0;
}

static int on_header_end(llhttp_t *parser)
{
    struct split *split = parser->data;
    if (split->count == split->room)
        return -1;
    split->open.value = split->open.value.len > 0 ? str_trim(split->open.value) : STR("");
    split->headers[split->count++] = split->open;
    split->open = (struct http_header){0};
    return 0;
}

static int on_head_end(llhttp_t *parser)
{
    ((struct split *)parser->data)->complete = true;
    return HPE_PAUSED; /* the body is ours */
}

enum split_result head_split(struct str head, struct http_header *headers, size_t room,
                             size_t *count, const char **reason)
{
    static const llhttp_settings_t settings = {
        .on_header_field = on_name,
        .on_header_value = on_value,
        .on_header_value_complete = on_header_end,
        .on_headers_complete = on_head_end,
    };
    struct split split = {.headers = headers, .room = room};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &split;
    llhttp_errno_t const result = llhttp_execute(&parser, head.ptr, head.len);
    *count = split.count;
    if (split.complete)
        return SPLIT_GOOD;
    const char *text = llhttp_get_error_reason(&parser);
    *reason = text ? text : llhttp_errno_name(result);
    if (result == HPE_INVALID_METHOD)
        return SPLIT_METHOD;
    return result == HPE_INVALID_TRANSFER_ENCODING ? SPLIT_CODING : SPLIT_BAD;
}
