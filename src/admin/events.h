/* events.h - what happens, told as it happens: GET /api/v1/events.
 *
 * What:  the projector tells what became rows; it is numbered, kept for a while, and written to
 *        every listener by the listener's own loop. A listener is an exchange, a position and a
 *        timer: it holds no thread. Whoever falls behind is let go, and comes back with the id that
 *        it saw last.
 * Why:   from the rows, not from the calls: what is told can be read, and a call costs nothing.
 *        While nobody listens, and for a minute after, nothing is kept at all.
 * Rules: any thread, where it does not say so.
 */
#pragma once
#include "admin/admin_int.h"
#include "admin/events_ring.h"

struct events;

/* Listens to the projector from now on. NULL: no memory. */
struct events *events_new(const struct admin_options *options);
/* Ends all listeners, each on its loop; new ones are refused. */
void events_stop(struct events *events);
/* Ticks that are due, and customers that nobody listens to any more; call every 100 ms or so. */
void events_beat(struct events *events);
size_t events_listeners(struct events *events);
void events_free(struct events *events); /* NULL is allowed; MUST have no listeners */

/* What a call asks for; a handler fills it in. */
struct events_wanted {
    unsigned topics; /* bits 1 << enum event_topic */
    struct str customer;
    permission_set permissions;
};
/* On the exchange's loop: it is ours from now on. ERR_OVERLOADED, ERR_DRAINING, ERR_NO_MEMORY: it
 * is still the caller's. */
NODISCARD enum err events_begin(struct events *events, struct admin_call *call);
