/* export_sql_text.h - export_sql.sql, as it is in the binary (tools/embed.py puts it there). */
#pragma once
#include "base/str.h"

struct str sql_text(void);
