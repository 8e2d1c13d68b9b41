/* sim.c - a seeded simulator: random operations on the real book and on a model, compared after
 * every step.
 *
 * What:  the real book, real records in a real journal, a clock of our own, crashes that cut the
 *        journal at a random record and replay it. `sim --seed S` repeats a run exactly.
 * Usage: sim [--runs N] [--seed S] [--steps K] [--seconds T] [--json]
 */
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct options {
    long runs, steps, seconds;
    uint64_t seed;
    bool json;
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
        else
            return false;
    }
    return true;
}

static void print_counts(const struct sim_counts *counts, bool json)
{
    if (json) {
        printf("{\"reserves\":%ld,\"refusals\":%ld,\"fitted\":%ld,\"settles\":%ld,\"late\":%ld,"
               "\"overruns\":%ld,\"debts\":%ld,\"releases\":%ld,\"expired\":%ld,\"grants\":%ld,"
               "\"repeats\":%ld,\"replays\":%ld,\"crashes\":%ld,\"orphans\":%ld}\n",
               counts->reserves, counts->refusals, counts->fitted, counts->settles, counts->late,
               counts->overruns, counts->debts, counts->releases, counts->expired, counts->grants,
               counts->repeats, counts->replays, counts->crashes, counts->orphans);
        return;
    }
    printf("reserves %ld (refused %ld, shrunk %ld), settles %ld (late %ld, over %ld, debt %ld), "
           "releases %ld, expired %ld, grants %ld, repeats %ld, replays %ld, crashes %ld "
           "(orphans %ld)\n",
           counts->reserves, counts->refusals, counts->fitted, counts->settles, counts->late,
           counts->overruns, counts->debts, counts->releases, counts->expired, counts->grants,
           counts->repeats, counts->replays, counts->crashes, counts->orphans);
}

int main(int argc, char **argv)
{
    struct options options = {.runs = 100, .steps = 400, .seed = 1};
    struct sim_counts counts = {0};
    long runs = 0, steps = 0;
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: sim [--runs N] [--seed S] [--steps K] [--seconds T] [--json]\n");
        return 2;
    }
    time_t const until = options.seconds > 0 ? time(NULL) + options.seconds : 0;
    log_level_set(LOG_ERROR); /* expiries, debts and recoveries are daily bread here */
    for (; until ? time(NULL) < until : runs < options.runs; runs++) {
        uint64_t const seed = options.seed + (uint64_t)runs;
        char what[256];
        long step = 0;
        if (!sim_run(seed, options.steps, &counts, &step, what, sizeof what)) {
            printf("seed %llu, step %ld: %s\n", (unsigned long long)seed, step, what);
            printf("%ld runs, %ld steps, 1 violations\n", runs + 1, steps + step);
            return 1;
        }
        steps += step;
        if (!options.json && runs % 100 == 99) {
            printf("%ld runs …\n", runs + 1);
            fflush(stdout);
        }
    }
    print_counts(&counts, options.json);
    printf("%ld runs, %ld steps, 0 violations\n", runs, steps);
    return 0;
}
