/* language.h - which of our languages a client reads best, by its Accept-Language (RFC 9110). */
#pragma once
#include "base/str.h"

enum language { LANGUAGE_EN, LANGUAGE_PT, LANGUAGE_COUNT };

/* English when the header is absent, broken, or names neither. */
enum language language_of(struct str accept_language);
const char *language_tag(enum language language); /* "en", "pt-BR" */
