/* assistant_text.c - see assistant_text.h. Pure. */
#include "gateway/assistant_text.h"

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

struct str assistant_trim(struct str text)
{
    while (text.len > 0 && is_space(text.ptr[0]))
        text = str_skip(text, 1);
    while (text.len > 0 && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t assistant_characters(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += begins_character(text.ptr[i]);
    return count;
}

/* The code point at `at`. */
static unsigned long code_point(struct str text, size_t at)
{
    unsigned char const first = (unsigned char)text.ptr[at];
    unsigned long point = first < 0x80   ? first
                          : first < 0xe0 ? first & 0x1f
                          : first < 0xf0 ? first & 0x0f
                                         : first & 0x07;
    for (size_t i = at + 1; i < text.len && !begins_character(text.ptr[i]); i++)
        point = point << 6 | ((unsigned char)text.ptr[i] & 0x3f);
    return point;
}

enum { JOINER = 0x200d };

/* Accents written apart, joiners, variation selectors, skin tones. */
static bool is_mark(unsigned long point)
{
    return (point >= 0x300 && point <= 0x36f) || point == JOINER ||
           (point >= 0xfe00 && point <= 0xfe0f) || (point >= 0x1f3fb && point <= 0x1f3ff);
}

static size_t step_back(struct str text, size_t at)
{
    do
        at--;
    while (at > 0 && !begins_character(text.ptr[at]));
    return at;
}

/* May a text end at `at`, as far as characters go? */
static bool may_end(struct str text, size_t at)
{
    return at == 0 ||
           (!is_mark(code_point(text, at)) && code_point(text, step_back(text, at)) != JOINER);
}

struct str assistant_cut(struct str text, size_t characters)
{
    size_t end = 0, count = 0;
    for (; end < text.len; end++)
        if (begins_character(text.ptr[end]) && count++ == characters)
            break;
    if (end == text.len)
        return text;
    size_t word = end;
    while (word > end / 2 && !is_space(text.ptr[word]))
        word--;
    if (word > end / 2)
        return assistant_trim(str_make(text.ptr, word));
    size_t last = end;
    while (last > 0 && !may_end(text, last))
        last = step_back(text, last);
    return str_make(text.ptr, last > 0 ? last : end); /* one endless cluster: characters at least */
}

struct str assistant_unfence(struct str text)
{
    struct str const fence = STR("```");
    struct str const all = assistant_trim(text);
    if (!str_starts(all, fence) || all.len < 2 * fence.len ||
        !str_starts(str_skip(all, all.len - fence.len), fence))
        return all;
    struct str inside = str_make(all.ptr + fence.len, all.len - 2 * fence.len);
    size_t const line = str_find(inside, STR("\n")); /* "json", or nothing */
    if (line == inside.len)
        return all;
    inside = assistant_trim(str_skip(inside, line));
    return str_find(inside, fence) == inside.len ? inside : all;
}
