/* head_check.c - see head_check.h. */
#include "http/head_check.h"
#include "base/limits.h"

enum { METHOD_BYTES_MAX = 32 };

#define CLASS_TOKEN  1u /* tchar */
#define CLASS_TARGET 2u /* visible ASCII */
#define CLASS_HOST   4u /* unreserved, sub-delims, '%', ':', '[', ']' */

#define T CLASS_TARGET
#define A                                                                                          \
    (CLASS_TOKEN | CLASS_TARGET | CLASS_HOST) /* letters, digits, and such as "!$&'*+-._~"         \
                                               */
#define K (CLASS_TOKEN | CLASS_TARGET)
#define H (CLASS_TARGET | CLASS_HOST)
/* clang-format off */
static const unsigned char classes[256] = {
    ['!'] = A, ['"'] = T, ['#'] = K, ['$'] = A, ['%'] = A, ['&'] = A, ['\''] = A,
    ['('] = H, [')'] = H, ['*'] = A, ['+'] = A, [','] = H, ['-'] = A, ['.'] = A, ['/'] = T,
    ['0' ... '9'] = A, [':'] = H, [';'] = H, ['<'] = T, ['='] = H, ['>'] = T, ['?'] = T,
    ['@'] = T, ['A' ... 'Z'] = A, ['['] = H, ['\\'] = T, [']'] = H, ['^'] = K, ['_'] = A,
    ['`'] = K, ['a' ... 'z'] = A, ['{'] = T, ['|'] = K, ['}'] = T, ['~'] = A,
};
/* clang-format on */
#undef T
#undef A
#undef K
#undef H

static bool all_of(struct str text, unsigned class)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(classes[(unsigned char)text.ptr[i]] & class))
            return false;
    return text.len > 0;
}

bool is_token_byte(char byte)
{
    return classes[(unsigned char)byte] & CLASS_TOKEN;
}

bool host_is_valid(struct str host)
{
    return host.len <= HOST_BYTES_MAX + 6 && all_of(host, CLASS_HOST);
}

static bool starts_nocase(struct str text, struct str prefix)
{
    return text.len >= prefix.len && str_eq_nocase(str_make(text.ptr, prefix.len), prefix);
}

bool trailer_is_forbidden(struct str name)
{
    static const struct str rows[] = {
        STR_ROW("authorization"),
        STR_ROW("connection"),
        STR_ROW("content-encoding"),
        STR_ROW("content-length"),
        STR_ROW("content-type"),
        STR_ROW("content-range"),
        STR_ROW("cookie"),
        STR_ROW("expect"),
        STR_ROW("forwarded"),
        STR_ROW("host"),
        STR_ROW("keep-alive"),
        STR_ROW("te"),
        STR_ROW("trailer"),
        STR_ROW("upgrade"),
        STR_ROW("proxy-authorization"),
        STR_ROW("transfer-encoding"),
        STR_ROW("proxy-connection"),
        STR_ROW("x-api-key"),
        STR_ROW("api-key"),
        STR_ROW("x-goog-api-key"),
        STR_ROW("x-forwarded-for"),
        STR_ROW("x-forwarded-host"),
        STR_ROW("x-real-ip"),
        STR_ROW("idempotency-key"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (str_eq_nocase(name, rows[i]))
            return true;
    return starts_nocase(name, STR("x-cota-"));
}

/* --- the request line ----------------------------------------------------------------------- */

static struct str take_until_space(struct str *rest)
{
    const char *space = rest->len > 0 ? memchr(rest->ptr, ' ', rest->len) : NULL;
    size_t const len = space ? (size_t)(space - rest->ptr) : rest->len;
    struct str const word = str_make(rest->ptr, len);
    *rest = str_skip(*rest, space ? len + 1 : len);
    return word;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static enum err version_check(struct str version, struct request_line *out, struct fault *fault)
{
    if (str_eq(version, STR("HTTP/1.1")))
        return ERR_OK;
    if (str_eq(version, STR("HTTP/1.0"))) {
        out->http_1_0 = true;
        return ERR_OK;
    }
    if (version.len == 8 && str_starts(version, STR("HTTP/")) && is_digit(version.ptr[5]) &&
        version.ptr[6] == '.' && is_digit(version.ptr[7]))
        return fault_set(fault, ERR_HTTP_VERSION_UNKNOWN, "version %.*s", STR_ARG(version));
    return fault_set(fault, ERR_HTTP_INVALID, "the request line does not end with a version");
}

enum err request_line_check(struct str line, struct request_line *out, struct fault *fault)
{
    *out = (struct request_line){0};
    bool const one_space = memchr(line.ptr, ' ', line.len) == memrchr(line.ptr, ' ', line.len);
    struct str rest = line;
    out->method = take_until_space(&rest);
    out->target = take_until_space(&rest);
    if (out->method.len > METHOD_BYTES_MAX || !all_of(out->method, CLASS_TOKEN))
        return fault_set(fault, ERR_HTTP_INVALID, "the method is not a token");
    if (out->target.len > URI_BYTES_MAX)
        return fault_set(fault, ERR_URI_TOO_LONG, "the address has %zu bytes", out->target.len);
    if (!all_of(out->target, CLASS_TARGET))
        return fault_set(fault, ERR_HTTP_INVALID, "the address has bytes that must be encoded");
    if (one_space && str_eq(out->method, STR("GET"))) {
        out->http_0_9 = out->http_1_0 = true; /* "GET /": no version, no headers, no keep-alive */
        return ERR_OK;
    }
    return version_check(rest, out, fault);
}

static enum http_method method_of(struct str name)
{
    static const struct {
        struct str name;
        enum http_method method;
    } rows[] = {
        {STR_ROW("POST"), HTTP_POST},       {STR_ROW("GET"), HTTP_GET},
        {STR_ROW("HEAD"), HTTP_HEAD},       {STR_ROW("PUT"), HTTP_PUT},
        {STR_ROW("PATCH"), HTTP_PATCH},     {STR_ROW("DELETE"), HTTP_DELETE},
        {STR_ROW("OPTIONS"), HTTP_OPTIONS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (str_eq(name, rows[i].name))
            return rows[i].method;
    return HTTP_METHOD_OTHER;
}

/* "http://host/path?query" for a proxy; we take it when it names the host that Host names. */
static enum err absolute_form(struct str target, struct str host, struct str *origin,
                              struct fault *fault)
{
    struct str const rest = str_skip(target, str_find(target, STR("://")) + 3);
    size_t authority_len = 0;
    while (authority_len < rest.len && rest.ptr[authority_len] != '/' &&
           rest.ptr[authority_len] != '?')
        authority_len++;
    struct str const authority = str_make(rest.ptr, authority_len);
    if (!host_is_valid(authority) || (host.len > 0 && !str_eq_nocase(authority, host)))
        return fault_set(fault, ERR_HTTP_INVALID, "the address names another host than Host");
    *origin = str_skip(rest, authority_len);
    return ERR_OK;
}

static bool is_tunnel(struct str method)
{
    return str_eq(method, STR("CONNECT")) || str_eq(method, STR("TRACE")) ||
           str_eq(method, STR("TRACK"));
}

static enum err target_check(const struct request_line *line, struct str host,
                             struct http_head *head, struct fault *fault)
{
    struct str target = line->target;
    if (is_tunnel(line->method))
        return fault_set(fault, ERR_METHOD_UNKNOWN, "method %.*s", STR_ARG(line->method));
    if (str_eq(target, STR("*")) && head->method == HTTP_OPTIONS)
        return fault_set(fault, ERR_NOT_FOUND, "OPTIONS *");
    if (starts_nocase(target, STR("http://")) || starts_nocase(target, STR("https://"))) {
        enum err const err = absolute_form(target, host, &target, fault);
        if (err != ERR_OK)
            return err;
    } else if (target.ptr[0] != '/') {
        return fault_set(fault, ERR_HTTP_INVALID, "the address does not begin with a slash");
    }
    const char *fragment = memchr(target.ptr, '#', target.len);
    if (fragment) /* some clients send theirs; it means nothing to a server */
        target.len = (size_t)(fragment - target.ptr);
    const char *mark = memchr(target.ptr, '?', target.len);
    size_t const path_len = mark ? (size_t)(mark - target.ptr) : target.len;
    head->path = path_len > 0 ? str_make(target.ptr, path_len) : STR("/");
    head->query = mark ? str_skip(target, path_len + 1) : STR("");
    return ERR_OK;
}

/* --- headers -------------------------------------------------------------------------------- */

struct facts {
    struct str host, length, expect;
    size_t hosts, lengths, codings, types, authorizations, expects;
    bool coding_is_chunked, says_close, says_keep_alive;
};

static void connection_tokens(struct str list, struct facts *facts)
{
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t const len = comma ? (size_t)(comma - list.ptr) : list.len;
        struct str const token = str_trim(str_make(list.ptr, len));
        if (str_eq_nocase(token, STR("close")))
            facts->says_close = true;
        else if (str_eq_nocase(token, STR("keep-alive")))
            facts->says_keep_alive = true;
        list = str_skip(list, comma ? len + 1 : len);
    }
}

/* The length picks the few candidates: most headers cost one jump. */
static void gather(const struct http_header *header, struct facts *facts)
{
    struct str const name = header->name;
    switch (name.len) {
    case 4:
        if (str_eq_nocase(name, STR("host")) && ++facts->hosts)
            facts->host = header->value;
        break;
    case 6:
        if (str_eq_nocase(name, STR("expect")) && ++facts->expects)
            facts->expect = header->value;
        break;
    case 10:
        if (str_eq_nocase(name, STR("connection")))
            connection_tokens(header->value, facts);
        break;
    case 12:
        facts->types += str_eq_nocase(name, STR("content-type"));
        break;
    case 13:
        facts->authorizations += str_eq_nocase(name, STR("authorization"));
        break;
    case 14:
        if (str_eq_nocase(name, STR("content-length")) && ++facts->lengths)
            facts->length = header->value;
        break;
    case 17:
        if (str_eq_nocase(name, STR("transfer-encoding")) && ++facts->codings)
            facts->coding_is_chunked = str_eq_nocase(header->value, STR("chunked"));
        break;
    default:
        break;
    }
}

static enum err framing_check(const struct request_line *line, const struct facts *facts,
                              int64_t *body_bytes, struct fault *fault)
{
    *body_bytes = 0;
    if (facts->lengths > 1)
        return fault_param(fault, ERR_HTTP_INVALID, "content-length", "sent twice");
    if (facts->codings > 0 && (facts->lengths > 0 || line->http_1_0))
        return fault_param(fault, ERR_HTTP_INVALID, "transfer-encoding",
                           "with Content-Length or HTTP/1.0");
    if (facts->codings > 1 || (facts->codings == 1 && !facts->coding_is_chunked))
        return fault_param(fault, ERR_MEDIA_UNKNOWN, "transfer-encoding",
                           "only chunked is understood");
    if (facts->codings == 1)
        *body_bytes = -1;
    else if (facts->lengths == 1 && !str_to_i64(facts->length, body_bytes))
        return fault_param(fault, ERR_HTTP_INVALID, "content-length", "not a number of bytes");
    return ERR_OK;
}

static enum err facts_check(const struct request_line *line, const struct facts *facts,
                            struct fault *fault)
{
    if (facts->hosts > 1 || (facts->hosts == 0 && !line->http_1_0))
        return fault_param(fault, ERR_HTTP_INVALID, "host", "must be sent once");
    if (facts->hosts == 1 && !host_is_valid(facts->host))
        return fault_param(fault, ERR_HTTP_INVALID, "host", "not a host");
    if (facts->types > 1)
        return fault_param(fault, ERR_HEADER_INVALID, "content-type", "sent twice");
    if (facts->authorizations > 1)
        return fault_param(fault, ERR_HEADER_INVALID, "authorization", "sent twice");
    if (facts->expects > 1 ||
        (facts->expects == 1 && !str_eq_nocase(facts->expect, STR("100-continue"))))
        return fault_param(fault, ERR_HEADER_INVALID, "expect", "only 100-continue is understood");
    return ERR_OK;
}

enum err head_check(const struct request_line *line, const struct http_header *headers,
                    size_t count, struct http_head *head, bool *expects_continue,
                    struct fault *fault)
{
    struct facts facts = {0};
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name.len == 0) /* llhttp lets it pass */
            return fault_set(fault, ERR_HTTP_INVALID, "a header without a name");
        gather(&headers[i], &facts);
    }
    *head = (struct http_head){.method = method_of(line->method),
                               .headers = headers,
                               .header_count = count,
                               .http_1_0 = line->http_1_0};
    enum err err = facts_check(line, &facts, fault);
    if (err == ERR_OK)
        err = framing_check(line, &facts, &head->body_bytes, fault);
    if (err == ERR_OK)
        err = target_check(line, facts.host, head, fault);
    if (err == ERR_OK && line->http_0_9 && count > 0)
        err = fault_set(fault, ERR_HTTP_INVALID, "headers without a version");
    head->keep_alive =
        line->http_1_0 ? facts.says_keep_alive && !facts.says_close : !facts.says_close;
    *expects_continue = facts.expects == 1 && !line->http_1_0;
    return err;
}
