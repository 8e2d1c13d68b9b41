/* utf8.h - is it UTF-8? (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) */
#pragma once
#include "base/str.h"

bool utf8_valid(struct str text);
/* Length of the longest valid prefix; text.len when all is valid. */
size_t utf8_valid_prefix(struct str text);
