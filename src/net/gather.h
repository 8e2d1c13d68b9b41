/* gather.h - small writes of one loop iteration, sent one after the other at its end.
 *
 * What:  a plain stream's small write is copied and goes out when all events of this iteration have
 *        been handled. The order within a stream is kept.
 * Why:   a peer that sleeps is woken once for many writes instead of once for each: about 3 µs of
 *        a proxied request's CPU (docs/decisions/0010). Redis does the same (beforeSleep).
 * Not:   TLS, large writes, streams that have a queue already: those do not wait.
 */
#pragma once
#include "net/loop_int.h"
#include "net/stream_int.h"

void gather_init(struct gather *gather);
/* True: the parts were copied and go out soon. False: write them now (what was gathered before has
 * been sent). */
bool gather_take(struct stream *stream, const struct str *parts, size_t count, size_t bytes);
/* Sends what is gathered of this stream now. */
void gather_flush(struct stream *stream);
/* Forgets it. */
void gather_drop(struct stream *stream);
