/* must.h - assertions that stay on in release builds.
 *
 * What:  MUST(condition) for our own mistakes; the process ends, the journal keeps the truth.
 * Not:   for the world's mistakes (client, provider, disk, memory): those are enum err.
 */
#pragma once

/* Ends the process with one line on stderr. Never returns. */
_Noreturn void must_failed(const char *condition, const char *file, int line);

#define MUST(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))
