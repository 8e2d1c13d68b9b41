/* tear.h - what a power cut does to a journal: everything after a record is gone. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Cuts the (closed) journal in `directory` after record `lsn`; with `torn`, a first part of the
 * next record stays, as if it had been half written. False: it could not be done. */
bool tear_journal(const char *directory, uint64_t lsn, bool torn);
void remove_directory(const char *directory);
