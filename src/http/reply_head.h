/* reply_head.h - safe header values: a name or value that could split a header never gets out. */
#pragma once
#include "base/buf.h"

/* Appends "name: value\r\n"; control bytes in value become spaces (names are ours). */
NODISCARD enum err reply_header(struct buf *out, const char *name, struct str value);
NODISCARD enum err reply_header_i64(struct buf *out, const char *name, int64_t value);
