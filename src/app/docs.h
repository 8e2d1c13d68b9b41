/* docs.h - the reference pages, made from the tables: what the program does is what they say. */
#pragma once
#include "base/buf.h"

NODISCARD enum err docs_config(struct buf *out); /* Markdown, from options.def */
NODISCARD enum err docs_schema(struct buf *out); /* JSON Schema of cota.yaml, from options.def */
NODISCARD enum err docs_errors(struct buf *out); /* Markdown, from base/err.def */
NODISCARD enum err docs_events(struct buf *out); /* Markdown, from base/events.def */
