/* query.c - parameters of a management call: percent-decoded, found by name. */
#include "admin/admin_int.h"

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

struct str admin_decode(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        if (text.ptr[i] != '%') {
            out[len++] = text.ptr[i];
            continue;
        }
        int const high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int const low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return (struct str){0};
        out[len++] = (char)(high << 4 | low);
        i += 2;
    }
    return str_make(out, len);
}

struct str admin_query(struct admin_call *call, const char *name)
{
    for (struct str rest = call->query; rest.len > 0;) {
        size_t const end = str_find(rest, STR("&"));
        struct str const pair = str_make(rest.ptr, end);
        size_t const equals = str_find(pair, STR("="));
        if (str_eq(str_make(pair.ptr, equals), str_of(name)))
            return admin_decode(call->arena, str_skip(pair, equals + 1));
        rest = str_skip(rest, end + 1);
    }
    return (struct str){0};
}

struct str admin_query_or_empty(struct admin_call *call, const char *name)
{
    struct str const text = admin_query(call, name);
    return text.ptr != NULL ? text : STR("");
}
