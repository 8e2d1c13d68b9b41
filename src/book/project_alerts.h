/* project_alerts.h - records that say that something was reached, or ends soon, become alerts. */
#pragma once
#include "book/expiry_notice.h"

struct batch;
NODISCARD enum err alerts_write(struct batch *batch, const struct journal_record *record,
                                const struct record_end *end);
NODISCARD enum err notice_write(struct batch *batch, const struct journal_record *record,
                                const struct record_notice *notice);
