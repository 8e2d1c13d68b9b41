/* jobs.h - long work: a document that tells how far it is, and one thread that does it.
 *
 * What:  JOB documents are written by the server alone. Work is done one job after the other;
 *        every write of a job is checked, journalled and audited like a single one, by "job:ID".
 * Rules: what a bulk job is to write is in memory only (it may hold keys): a restart ends it, with
 * a text that says how far it was. Resealing begins anew: what is done is left alone.
 */
#pragma once
#include "admin/admin_int.h"

struct jobs;

/* NULL: no memory. */
struct jobs *jobs_new(struct admin *admin);
void jobs_free(struct jobs *jobs); /* NULL is allowed; MUST be stopped, or never started */
/* The text of a JOB document, with what has happened since it was stored. Empty: no memory. */
struct str jobs_shown(struct jobs *jobs, struct arena *arena, struct str id, struct str text);
