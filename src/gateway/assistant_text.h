/* assistant_text.h - texts that a model wrote: shortened, and freed of what stands around JSON. */
#pragma once
#include "base/str.h"

/* The longest beginning of at most `characters` characters (code points) that ends at the end of a
 * word; when there is no such place in its last half, inside a word. Never inside a character, nor
 * before a mark that belongs to it. Valid UTF-8 only. */
struct str assistant_cut(struct str text, size_t characters);
/* Code points. */
size_t assistant_characters(struct str text);
/* Without white space at both ends. */
struct str assistant_trim(struct str text);
/* What stands in the one ```fence``` around all of it, or all of it. */
struct str assistant_unfence(struct str text);
