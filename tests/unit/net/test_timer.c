/* test_timer.c - the wheel: never early, in order, cheap to push back, safe inside callbacks. */
#include "base/clock.h"
#include "net/timer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

struct probe {
    struct timer timer;
    int64_t due_ms, fired_ms;
    int fired;
    struct loop *loop;
    struct timer *victim; /* stopped when this one fires */
    int again;            /* how often it restarts itself */
    int *left;            /* the loop stops when this many more have fired */
};

static void on_due(struct timer *timer)
{
    struct probe *probe = LIST_OWNER(timer, struct probe, timer);
    probe->fired++;
    probe->fired_ms = loop_now_ms(probe->loop);
    if (probe->victim)
        timer_stop(probe->victim);
    if (probe->again-- > 0)
        timer_start(probe->loop, timer, 0);
    if (--*probe->left == 0)
        loop_stop(probe->loop);
}

static void probe_start(struct probe *probe, struct loop *loop, int64_t delay_ms, int *left)
{
    timer_init(&probe->timer, on_due);
    probe->loop = loop;
    probe->left = left;
    probe->due_ms = loop_now_ms(loop) + delay_ms;
    timer_start(loop, &probe->timer, delay_ms);
}

static void timers_fire_never_early_and_not_much_late(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    struct loop *loop = loop_new();
    struct probe *probes = calloc(COUNT, sizeof *probes);
    int left = COUNT;
    for (int i = 0; i < COUNT; i++)
        probe_start(&probes[i], loop, (i * 37) % 300, &left);
    loop_run(loop);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(probes[i].fired, 1);
        assert_true(probes[i].fired_ms >= probes[i].due_ms);
        assert_false(timer_armed(&probes[i].timer));
    }
    free(probes);
    loop_free(loop);
}

static void a_timer_pushed_back_fires_once_at_its_last_due_time(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct probe probe = {0}, end = {0};
    int left = 2;
    probe_start(&probe, loop, 20, &left);
    timer_start(loop, &probe.timer, 120);
    probe.due_ms += 100;
    probe_start(&end, loop, 200, &left);
    loop_run(loop);
    assert_int_equal(probe.fired, 1);
    assert_true(probe.fired_ms >= probe.due_ms);
    loop_free(loop);
}

static void a_timer_pulled_forward_fires_at_the_earlier_time(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct probe probe = {0};
    int left = 1;
    probe_start(&probe, loop, 60000, &left);
    timer_start(loop, &probe.timer, 30);
    int64_t const before = clock_mono_us(clock_system());
    loop_run(loop);
    assert_int_equal(probe.fired, 1);
    assert_true(clock_mono_us(clock_system()) - before < 30000000);
    loop_free(loop);
}

static void a_stopped_timer_stays_silent_even_when_due_in_the_same_slot(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct probe first = {0}, second = {0}, never = {0}, end = {0};
    int left = 2;
    probe_start(&first, loop, 10, &left);
    probe_start(&second, loop, 10, &left);
    first.victim = &second.timer;
    probe_start(&never, loop, 20, &left);
    timer_stop(&never.timer);
    timer_stop(&never.timer);
    probe_start(&end, loop, 60, &left);
    loop_run(loop);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
    assert_int_equal(never.fired, 0);
    loop_free(loop);
}

static void a_callback_may_restart_its_timer_without_delay(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct probe probe = {.again = 4};
    int left = 5;
    probe_start(&probe, loop, 0, &left);
    loop_run(loop);
    assert_int_equal(probe.fired, 5);
    loop_free(loop);
}

static void a_timer_beyond_one_turn_of_the_wheel_waits_its_turns(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct probe far = {0}, same_slot = {0};
    int left = 1;
    probe_start(&far, loop, 40960 + 50, &left); /* one turn later than the next */
    probe_start(&same_slot, loop, 50, &left);
    loop_run(loop);
    assert_int_equal(same_slot.fired, 1);
    assert_int_equal(far.fired, 0);
    assert_true(timer_armed(&far.timer));
    timer_stop(&far.timer);
    loop_free(loop);
}

static void restarting_an_armed_timer_costs_next_to_nothing(void **state)
{
    (void)state;
    enum { ROUNDS = 1000000 };
    struct loop *loop = loop_new();
    struct probe probe = {0};
    int left = 1;
    probe_start(&probe, loop, 1000, &left);
    int64_t const before = clock_mono_us(clock_system());
    for (int i = 0; i < ROUNDS; i++)
        timer_start(loop, &probe.timer, 1000 + i % 7);
    int64_t const spent_us = clock_mono_us(clock_system()) - before;
    print_message("push back: %.1f ns each\n", (double)spent_us * 1000.0 / ROUNDS);
    assert_true(spent_us < 2000000); /* 2 us each, sanitizers and a busy machine included */
    timer_stop(&probe.timer);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_never_early_and_not_much_late),
        cmocka_unit_test(a_timer_pushed_back_fires_once_at_its_last_due_time),
        cmocka_unit_test(a_timer_pulled_forward_fires_at_the_earlier_time),
        cmocka_unit_test(a_stopped_timer_stays_silent_even_when_due_in_the_same_slot),
        cmocka_unit_test(a_callback_may_restart_its_timer_without_delay),
        cmocka_unit_test(a_timer_beyond_one_turn_of_the_wheel_waits_its_turns),
        cmocka_unit_test(restarting_an_armed_timer_costs_next_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
