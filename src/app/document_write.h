/* document_write.h - documents into files that `cota apply` reads. */
#pragma once
#include "app/document_files.h"

/* "plans.yaml" of the folder, whole or not at all (a new file takes the old one's place). What is
 * wrong is said on stderr. */
NODISCARD bool document_file_write(const char *folder, const char *name, struct str text);
/* Makes the folder when it is missing. */
NODISCARD bool document_folder_make(const char *folder);
/* Appends all documents of a kind. */
NODISCARD enum err documents_text(const struct documents *documents, enum object_kind kind,
                                  struct buf *out);
/* One file per kind that has documents; *files counts them. */
NODISCARD bool documents_write(const struct documents *documents, const char *folder,
                               size_t *files);
