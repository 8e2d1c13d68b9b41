/* catalog_objects.h - the documents PROVIDER, MODEL and PRICE as part of a catalogue. */
#pragma once
#include "book/object.h"
#include "gateway/catalog.h"

/* Adds what the documents say to what the file has said. *next_us: when a price begins or ends
 * next (wall; 0: never): build the catalogue again then. ERR_NO_MEMORY. */
NODISCARD enum err catalog_add_objects(struct catalog *catalog, struct book *book, int64_t now_us,
                                       int64_t *next_us, struct fault *fault);
