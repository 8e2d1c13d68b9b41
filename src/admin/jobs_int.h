/* jobs_int.h - a job while it waits and runs; shared by jobs.c and job_run.c. */
#pragma once
#include "admin/jobs.h"
#include "base/list.h"
#include <pthread.h>

enum job_kind { JOB_RESEAL, JOB_BULK };
enum job_status { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED };

enum { JOB_ACTOR_BYTES = ULID_TEXT_BYTES + 5, JOB_MESSAGE_BYTES = 256 };

struct job {
    struct list link; /* of those that wait */
    struct jobs *jobs;
    char id[ULID_TEXT_BYTES], actor[JOB_ACTOR_BYTES];
    enum job_kind kind;
    bool local;            /* asked for on the Unix socket */
    struct buf operations; /* of a bulk job: a JSON array; wiped when it ends */

    /* Under the lock of `jobs`. */
    enum job_status status;
    bool cancel;
    int64_t total, done, failed, changed, started_us, ended_us;
    struct buf errors; /* JSON, separated by commas */
    size_t error_count;
    char message[JOB_MESSAGE_BYTES];
    int64_t saved_us; /* by the job's thread alone */
};

/* job_run.c: does the work; false: it was interrupted by a stop. */
bool job_run(struct job *job);

/* jobs.c */
struct admin *job_admin(const struct job *job);
/* May it go on? Saves what has happened now and then. */
bool job_goes_on(struct job *job);
bool job_is_stopping(struct job *job);
void job_total(struct job *job, int64_t total);
/* One piece of the work went well. `changed`: something was written. */
void job_did(struct job *job, bool changed);
struct job_failure {
    int64_t index; /* of the operation; -1: there are none */
    struct str op, kind, id;
    const struct fault *fault;
};
void job_failed(struct job *job, const struct job_failure *failure);
