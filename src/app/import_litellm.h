/* import_litellm.h - LiteLLM's config.yaml as documents, and a report of what was not taken.
 *
 * What:  model_list becomes providers, models and prices; every other setting is told with its
 * place and the reason. Values of settings are never told: some are secrets. Not:   reading the
 * file, applying (command_import.c).
 */
#pragma once
#include "app/document_files.h"

struct import_note {
    struct import_note *next;
    struct file_place place;
    struct str setting, text; /* "model_list[2].litellm_params.rpm" */
};
struct import_notes {
    struct import_note *first, **end;
    size_t count;
};
struct import {
    struct documents *documents; /* what was made; problems: the file is no YAML */
    struct import_notes taken, not_taken;
};

/* ERR_NO_MEMORY; look at documents->problems. `import` needs only `documents`. */
NODISCARD enum err litellm_import(struct import *import, struct str text, const char *file);
