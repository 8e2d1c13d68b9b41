/* wire.h - a plan as the bytes of an HTTP/1.1 connection, right or wrong as the plan wants them.
 *
 * What:  head, framed pieces, tail. gzip and broken framing happen here.
 * Not:   times and sockets: the caller sends the bytes when they are due.
 */
#pragma once
#include "base/buf.h"
#include "sim/plan.h"

struct sim_wire {
    const struct sim_plan *plan;
    struct buf body;  /* one piece, before framing */
    struct buf small; /* the same, compressed */
    void *deflater;   /* z_stream, only with gzip */
};

/* The plan outlives the wire. ERR_NO_MEMORY: nothing to free. */
NODISCARD enum err sim_wire_start(struct sim_wire *wire, const struct sim_plan *plan);
/* Interim answers and the head. Nothing when the plan has no head. */
NODISCARD enum err sim_wire_head(struct sim_wire *wire, bool keep_alive, struct buf *out);
NODISCARD enum err sim_wire_piece(struct sim_wire *wire, size_t index, struct buf *out);
/* After the last piece: the last chunk, the broken chunk, the second answer. */
NODISCARD enum err sim_wire_tail(struct sim_wire *wire, bool keep_alive, struct buf *out);
void sim_wire_free(struct sim_wire *wire);
