/* sim.c - a seeded simulator: random operations on the real book and on a model, compared after
 * every step.
 *
 * What:  the real book, real records in a real journal, a clock of our own, crashes that cut the
 *        journal at a random record and replay it. `sim --seed S` repeats a run exactly. Each job
 *        is a process, so that a run that dies is told with its seed like any other.
 * Usage: sim [--runs N] [--seed S] [--steps K] [--seconds T] [--jobs J] [--json]
 */
#include "sim.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64, POLL_US = 50000, POLLS_PER_LINE = 100 };

struct options {
    long runs, steps, seconds, jobs;
    uint64_t seed;
    bool json;
};

/* What a job has come to; shared with its parent. */
struct job {
    pid_t process;
    _Atomic long runs, steps;
    uint64_t seed; /* of the run it is at, or that failed */
    bool failed;
    char what[256];
    long step;
    struct sim_counts counts;
};

struct board {
    _Atomic long next; /* run to begin */
    _Atomic bool stop;
    struct job jobs[JOBS_MAX];
};

static bool number_of(const char *text, long *value)
{
    char *end;
    *value = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && *value >= 0;
}

static bool parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        long value = 0;
        struct str const name = str_of(argv[i]);
        if (str_eq(name, STR("--json"))) {
            options->json = true;
            continue;
        }
        if (i + 1 == argc || !number_of(argv[++i], &value))
            return false;
        if (str_eq(name, STR("--runs")))
            options->runs = value;
        else if (str_eq(name, STR("--seed")))
            options->seed = (uint64_t)value;
        else if (str_eq(name, STR("--steps")))
            options->steps = value;
        else if (str_eq(name, STR("--seconds")))
            options->seconds = value;
        else if (str_eq(name, STR("--jobs")))
            options->jobs = value;
        else
            return false;
    }
    return options->jobs > 0 && options->jobs <= JOBS_MAX;
}

/* --- jobs ------------------------------------------------------------------------------------ */
static void work(const struct options *options, struct board *board, struct job *job)
{
    time_t const until = options->seconds > 0 ? time(NULL) + options->seconds : 0;
    while (!board->stop) {
        long const run = atomic_fetch_add(&board->next, 1);
        if (until ? time(NULL) >= until : run >= options->runs)
            return;
        job->seed = options->seed + (uint64_t)run;
        job->step = 0;
        bool const ok = sim_run(job->seed, options->steps, &job->counts, &job->step, job->what,
                                sizeof job->what);
        job->runs++;
        job->steps += job->step;
        if (!ok) {
            job->failed = true;
            board->stop = true;
            return;
        }
    }
}

static bool start(const struct options *options, struct board *board, struct job *job)
{
    fflush(stdout);
    pid_t const process = fork();
    if (process > 0)
        job->process = process; /* the parent's alone: the board is shared */
    if (process != 0)
        return process > 0;
    work(options, board, job);
    exit(0); /* not _exit: the sanitizers look for leaks then */
}

static long sum_runs(const struct board *board, const struct options *options, long *steps)
{
    long runs = 0;
    *steps = 0;
    for (long i = 0; i < options->jobs; i++) {
        runs += board->jobs[i].runs;
        *steps += board->jobs[i].steps;
    }
    return runs;
}

/* True: it has ended. A job that did not end by itself has failed. */
static bool reap(struct board *board, struct job *job)
{
    int status = 0;
    if (job->process <= 0)
        return true;
    if (waitpid(job->process, &status, WNOHANG) != job->process)
        return false;
    job->process = 0;
    if (!job->failed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        job->failed = true;
        snprintf(job->what, sizeof job->what, "the run died (%s %d)",
                 WIFSIGNALED(status) ? "signal" : "exit",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        board->stop = true;
    }
    return true;
}

static void watch(const struct options *options, struct board *board)
{
    for (long polls = 1;; polls++) {
        bool ended = true;
        for (long i = 0; i < options->jobs; i++)
            ended = reap(board, &board->jobs[i]) && ended;
        if (ended)
            return;
        usleep(POLL_US);
        long steps;
        long const runs = sum_runs(board, options, &steps);
        if (!options->json && polls % POLLS_PER_LINE == 0) {
            printf("%ld of %ld runs, %ld steps\n", runs, options->runs, steps);
            fflush(stdout);
        }
    }
}

/* --- the end --------------------------------------------------------------------------------- */
static void print_counts(const struct sim_counts *counts, bool json)
{
    if (json) {
        printf("{\"reserves\":%ld,\"refusals\":%ld,\"fitted\":%ld,\"settles\":%ld,\"late\":%ld,"
               "\"overruns\":%ld,\"debts\":%ld,\"releases\":%ld,\"expired\":%ld,\"grants\":%ld,"
               "\"repeats\":%ld,\"replays\":%ld,\"crashes\":%ld,\"orphans\":%ld,\"by_rule\":%ld,"
               "\"covered\":%ld,\"billed\":%ld}\n",
               counts->reserves, counts->refusals, counts->fitted, counts->settles, counts->late,
               counts->overruns, counts->debts, counts->releases, counts->expired, counts->grants,
               counts->repeats, counts->replays, counts->crashes, counts->orphans, counts->by_rule,
               counts->covered, counts->billed);
        return;
    }
    printf(
        "reserves %ld (refused %ld, by a rule %ld, shrunk %ld), settles %ld (late %ld, over %ld, "
        "from quota %ld, as overage %ld, debt %ld), releases %ld, expired %ld, grants %ld, "
        "repeats %ld, replays %ld, crashes %ld (orphans %ld)\n",
        counts->reserves, counts->refusals, counts->by_rule, counts->fitted, counts->settles,
        counts->late, counts->overruns, counts->covered, counts->billed, counts->debts,
        counts->releases, counts->expired, counts->grants, counts->repeats, counts->replays,
        counts->crashes, counts->orphans);
}

static void add_counts(struct sim_counts *sum, const struct sim_counts *counts)
{
    long *to = (long *)sum;
    const long *from = (const long *)counts;
    for (size_t i = 0; i < sizeof *sum / sizeof(long); i++)
        to[i] += from[i];
}

static int report(const struct options *options, const struct board *board, const char *program)
{
    struct sim_counts counts = {0};
    long steps, failures = 0;
    long const runs = sum_runs(board, options, &steps);
    for (long i = 0; i < options->jobs; i++) {
        const struct job *job = &board->jobs[i];
        add_counts(&counts, &job->counts);
        if (!job->failed)
            continue;
        failures++;
        printf("seed %llu, step %ld: %s\n  again: %s --seed %llu --runs 1 --steps %ld\n",
               (unsigned long long)job->seed, job->step, job->what, program,
               (unsigned long long)job->seed, options->steps);
    }
    print_counts(&counts, options->json);
    printf("%ld runs, %ld steps, %ld violations\n", runs, steps, failures);
    return failures > 0;
}

int main(int argc, char **argv)
{
    struct options options = {.runs = 100, .steps = 400, .seed = 1, .jobs = 1};
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: sim [--runs N] [--seed S] [--steps K] [--seconds T] [--jobs J] "
                        "[--json]\n");
        return 2;
    }
    struct board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED) {
        fprintf(stderr, "memory is short\n");
        return 2;
    }
    log_level_set(LOG_ERROR); /* expiries, debts and recoveries are daily bread here */
    for (long i = 0; i < options.jobs; i++) {
        if (!start(&options, board, &board->jobs[i])) {
            fprintf(stderr, "a process could not be started\n");
            board->jobs[i].failed = true;
            board->stop = true;
        }
    }
    watch(&options, board);
    int const result = report(&options, board, argv[0]);
    munmap(board, sizeof *board);
    return result;
}
