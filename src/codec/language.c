/* language.c - see language.h. */
#include "codec/language.h"

static struct str cut(struct str *rest, char at)
{
    size_t len = 0;
    while (len < rest->len && rest->ptr[len] != at)
        len++;
    struct str const part = str_trim(str_make(rest->ptr, len));
    *rest = str_skip(*rest, len < rest->len ? len + 1 : len);
    return part;
}

/* ";q=0.8" as thousandths; 1000 when absent, 0 when it cannot be read. */
static int quality(struct str parameters)
{
    while (parameters.len > 0) {
        struct str part = cut(&parameters, ';');
        if (part.len < 3 || !str_eq_nocase(str_make(part.ptr, 2), STR("q=")))
            continue;
        part = str_skip(part, 2);
        int value = 0, unit = 1000;
        for (size_t i = 0; i < part.len; i++) {
            char const byte = part.ptr[i];
            if (i == 1 && byte == '.')
                continue;
            if (byte < '0' || byte > '9' || i > 4)
                return 0;
            value += (byte - '0') * unit;
            unit /= 10;
        }
        return value <= 1000 ? value : 0;
    }
    return 1000;
}

static bool is_language(struct str tag, struct str language)
{
    return tag.len >= language.len && str_eq_nocase(str_make(tag.ptr, language.len), language) &&
           (tag.len == language.len || tag.ptr[language.len] == '-');
}

enum language language_of(struct str accept_language)
{
    int best = 0;
    enum language language = LANGUAGE_EN;
    while (accept_language.len > 0) {
        struct str item = cut(&accept_language, ',');
        struct str const tag = cut(&item, ';');
        int const q = quality(item);
        bool const portuguese = is_language(tag, STR("pt"));
        if (q <= best || (!portuguese && !is_language(tag, STR("en")) && !str_eq(tag, STR("*"))))
            continue;
        best = q;
        language = portuguese ? LANGUAGE_PT : LANGUAGE_EN;
    }
    return language;
}

const char *language_tag(enum language language)
{
    return language == LANGUAGE_PT ? "pt-BR" : "en";
}
