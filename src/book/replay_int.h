/* replay_int.h - what load.c and replay.c share. */
#pragma once
#include "book/hold.h"
#include "book/replay.h"

NODISCARD enum err replay_corrupt(struct fault *fault, const char *what, struct str detail);
/* A live hold from its RESERVE. */
NODISCARD enum err replay_hold(struct book *book, const struct record_reserve *record,
                               enum replay_mode mode, struct fault *fault);
NODISCARD enum err replay_customer(struct book *book, const struct customer_row *row,
                                   struct customer **made, struct fault *fault);
NODISCARD enum err replay_key(struct book *book, const struct key_row *row, struct fault *fault);
/* Linked, known by its source, active when it can pay; not yet counted in any total. */
NODISCARD enum err replay_grant(struct book *book, const struct grant_row *row, struct grant **made,
                                struct fault *fault);
