// SPDX-License-Identifier: GPL-2.0
/*
 * Two things at the same time: one is stopped inside the table, at the worst
 * moment, while the other happens. And READY for all.
 */

#include "unit.h"

static struct sleeper *late;

static void sleep_between_looks(enum sim_point point)
{
	if (point == SIM_UNLOCK && !late) {
		late = tell(42, 1);
		wait_asleep(late);
	}
}

/* NOT_PRESENT comes while READY takes a mark: READY looks a second time. */
static void sleep_while_ready_takes_mark(void **state)
{
	late = NULL;
	sim_hook = sleep_between_looks;
	ready(42);
	sim_hook = NULL;
	assert_returned(late);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
}

/* A sleeper and its waker at the same time */

static bool imp_is_to_go;

/* Wakes the sleeper for no reason, independent of its waker. */
static void *imp_thread(void *task)
{
	while (!get(&imp_is_to_go))
		nap();
	sim_wake(task);
	return NULL;
}

static void leave_at_once(enum sim_point point)
{
	if (point == SIM_STORED) {
		set(&imp_is_to_go);
		wait_for_ms(300, get(&sleepers[0].returned));
	}
}

/*
 * Something else wakes the sleeper as soon as it may go: its node is gone when
 * the waker goes on. The sanitizers watch the last touch.
 */
static void last_touch(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);
	pthread_t imp;

	imp_is_to_go = false;
	if (pthread_create(&imp, NULL, imp_thread, s->task))
		abort();
	sim_hook = leave_at_once;
	ready(42);
	sim_hook = NULL;
	pthread_join(imp, NULL);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
}

static bool back_before_waker;

static void waker_waits(enum sim_point point)
{
	if (point == SIM_WOKE)
		back_before_waker = wait_returned(&sleepers[0]);
}

/* Once woken a sleeper needs nothing more of its waker. */
static void wake_is_complete(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	back_before_waker = false;
	sim_hook = waker_waits;
	ready(42);
	sim_hook = NULL;
	assert_true(back_before_waker);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
}

/* READY after the sleeper has looked at its node, before it schedules. */
static void ready_before_schedule(void **state)
{
	struct sleeper *s = tell_gated(42, pvfault_generation(), 1, 1, SIM_ARM, 1);

	assert_true(wait_for(get(&s->at_gate)));
	ready(42);
	set(&s->gate_open);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
}

/* A sleeper that is killed gets READY when it has come to @point for the @nth time. */
static struct sleeper *ready_for_leaver(enum sim_point point, int nth)
{
	struct sleeper *s = tell_gated(42, pvfault_generation(), 1, 1, point, nth);

	assert_true(wait_asleep(s));
	sim_kill(s->task);
	assert_true(wait_for(get(&s->at_gate)));
	ready(42);
	return s;
}

/* READY when the sleeper has decided to leave, but has not left. */
static void ready_wins_over_leaving(void **state)
{
	struct sleeper *s = ready_for_leaver(SIM_LOCK, 2);

	set(&s->gate_open);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
}

/* READY when the sleeper has left, but not yet said that it has. */
static void ready_between_leaving_and_forgetting(void **state)
{
	struct sleeper *s = ready_for_leaver(SIM_UNLOCK, 2);

	assert_int_equal(marks(), 1);
	set(&s->gate_open);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .abandoned = 1, .ready = 1,
		      .early = 1);
}

/* READY when the sleeper has seen no mark, and takes one to say that it has left. */
static void ready_while_forgetting(void **state)
{
	struct sleeper *s = ready_for_leaver(SIM_UNLOCK, 3);

	set(&s->gate_open);
	assert_returned(s);
	/* Neither READY's mark is left, nor the one that wasn't needed. */
	assert_int_equal(marks(), 0);
	assert_counts(.not_present = 1, .sleep = 1, .abandoned = 1, .ready = 1,
		      .early = 1);
}

/* READY for all */

static void ready_all_wakes_everybody(void **state)
{
	struct sleeper *s[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = put_to_sleep(i / 2, i + 1);
	pvfault_ready_all();
	assert_int_equal(sim_kicked, 1);
	assert_true(scan_all().sleepers == 4);
	for (i = 0; i < ARRAY_SIZE(s); i++)
		assert_returned(s[i]);
	assert_counts(.not_present = 4, .sleep = 4, .wake = 4, .wake_all = 1);
}

static void ready_all_between_told_and_queued(void **state)
{
	u32 told = pvfault_generation();
	struct sleeper *s;

	pvfault_ready_all();
	scan_all();
	s = tell_gated(42, told, 1, 1, 0, 0);
	assert_returned(s);
	assert_counts(.not_present = 1, .early_hit = 1, .wake_all = 1);
}

static void *scan_thread(void *done)
{
	struct pvfault_scan scan = new_scan();

	sim_cpu = 2;
	while (!pvfault_table_scan(&scan))
		;
	set(done);
	return NULL;
}

/*
 * READY for all, and all of its scan, while the sleeper holds its bucket and
 * has just found the number unchanged. The scan has to wait for the sleeper,
 * or the sleeper to look again.
 */
static void ready_all_while_queueing(void **state)
{
	struct sleeper *s = tell_gated(42, pvfault_generation(), 1, 1,
				       SIM_GENERATION, 1);
	bool scanned = false, returned;
	pthread_t scanner;

	assert_true(wait_for(get(&s->at_gate)));
	pvfault_ready_all();
	if (pthread_create(&scanner, NULL, scan_thread, &scanned))
		abort();
	wait_for(get(&scanned) || READ_ONCE(sim_lock_waiters));
	set(&s->gate_open);
	pthread_join(scanner, NULL);
	returned = wait_returned(s);
	if (!returned)
		scan_all();
	assert_true(returned);
	assert_int_equal(counted(PVFAULT_NR_wake) + counted(PVFAULT_NR_early_hit), 1);
	assert_int_equal(pvfault_table_outstanding(), 0);
	assert_int_equal(marks(), 0);
}

static void ready_all_spares_the_next(void **state)
{
	struct sleeper *s;

	pvfault_ready_all();
	s = put_to_sleep(42, 1);
	assert_int_equal(scan_all().sleepers, 1);
	assert_true(asleep(s));
	assert_counts(.not_present = 1, .sleep = 1, .wake_all = 1, .asleep = 1);
	ready(42);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .wake_all = 1,
		      .ready = 1, .woke = 1);
}

int test_order(void)
{
	static const struct CMUnitTest tests[] = {
		table_test(sleep_while_ready_takes_mark),
		table_test(last_touch),
		table_test(wake_is_complete),
		table_test(ready_before_schedule),
		table_test(ready_wins_over_leaving),
		table_test(ready_between_leaving_and_forgetting),
		table_test(ready_while_forgetting),
		table_test(ready_all_wakes_everybody),
		table_test(ready_all_between_told_and_queued),
		table_test(ready_all_while_queueing),
		table_test(ready_all_spares_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
