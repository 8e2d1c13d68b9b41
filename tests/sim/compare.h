/* compare.h - is the real book in the state that the model says? */
#pragma once
#include "book/hold.h"
#include "model.h"

/* `highest_us`: the latest clock the book has seen. `saved`: against what the journal alone gives
 * back (limiters and time of refused calls are not in it). False: *what says which figure differs,
 * with both values. */
bool compare_customer(struct customer *customer, const struct model_customer *model,
                      int64_t highest_us, bool saved, char *what, size_t room);
bool compare_hold(const struct hold *hold, const struct model_hold *model, char *what, size_t room);
