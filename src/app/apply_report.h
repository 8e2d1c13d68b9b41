/* apply_report.h - what `cota apply` says about what it found and did. */
#pragma once
#include "app/apply_documents.h"

struct apply_said {
    bool dry_run, diff, json;
};
/* The changes and the counts on stdout, problems on stderr (JSON: all on stdout). `code`: how it
 * ended; the exit code to end with. */
int apply_report(const struct apply *apply, const struct apply_said *said, int code);
/* Problems alone: the files could not be read. */
int problems_report(const struct file_problems *problems, bool json);
/* The member "problems" of an open object. */
void problems_put(struct json_writer *writer, const struct file_problems *problems);
/* Compares, checks, writes unless it is a dry run, and reports. Frees the documents. */
int documents_apply(const struct invocation *invocation, struct documents *documents,
                    const struct apply_said *said, bool prune);
