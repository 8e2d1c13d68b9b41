/* schema_int.h - what the schema files share. */
#pragma once
#include "codec/schema.h"

bool schema_format_holds(enum schema_format format, struct str text);
/* What a value of the format looks like, for the complaint. */
const char *schema_format_help(enum schema_format format);
