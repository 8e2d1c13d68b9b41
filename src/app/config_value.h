/* config_value.h - one scalar of the configuration: expansion, type, range. For config*.c alone. */
#pragma once
#include "app/config.h"
#include "app/options.h"

struct scalar {
    struct str text;
    bool plain;    /* without quotes: may be a number, true, false or null */
    bool expanded; /* something came in through ${…}: never shown in a message */
};

/* Replaces ${env:X} and ${file:PATH}; "$${" is a literal "${". False: *why says why not. */
bool scalar_expand(struct scalar *scalar, const struct config_door *door, struct arena *arena,
                   struct str *why);
/* A plain null, ~ or nothing: the default is meant. */
bool scalar_is_null(const struct scalar *scalar);
/* Puts the value into `field` of the option's kind (not GROUP or LIST; SECRETS: one struct str).
 * False: *why says why not, naming the key. */
bool scalar_store(const struct option *option, const struct scalar *scalar, void *field,
                  struct arena *arena, struct str *why);
