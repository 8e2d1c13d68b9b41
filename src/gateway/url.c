/* url.c - scheme, host, port, path; nothing that could split a request line. */
#include "gateway/url.h"

enum { PORT_MAX = 65535 };

static bool split_port(struct str authority, struct url *url)
{
    size_t end = authority.len;
    if (authority.len > 0 && authority.ptr[0] == '[') { /* [::1]:8080 */
        end = str_find(authority, STR("]"));
        if (end == authority.len)
            return false;
        url->host = str_make(authority.ptr + 1, end - 1);
        end++;
    } else {
        end = str_find(authority, STR(":"));
        url->host = str_make(authority.ptr, end);
    }
    url->host_header = authority;
    if (url->host.len == 0 || end == authority.len)
        return url->host.len > 0;
    int64_t port;
    if (authority.ptr[end] != ':' || !str_to_i64(str_skip(authority, end + 1), &port) || port < 1 ||
        port > PORT_MAX)
        return false;
    url->port = (int)port;
    return true;
}

bool url_split(struct str text, bool with_query, struct url *url)
{
    *url = (struct url){0};
    if (str_starts(text, STR("https://"))) {
        url->tls = true;
        url->port = 443;
        text = str_skip(text, 8);
    } else if (str_starts(text, STR("http://"))) {
        url->port = 80;
        text = str_skip(text, 7);
    } else {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) /* nothing that could split a request line */
        if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7f || strchr("#@\\", text.ptr[i]) ||
            (text.ptr[i] == '?' && !with_query))
            return false;
    size_t const slash = str_find(text, STR("/"));
    url->path = str_skip(text, slash);
    return str_find(str_make(text.ptr, slash), STR("?")) == slash &&
           split_port(str_make(text.ptr, slash), url);
}
