// SPDX-License-Identifier: GPL-2.0
/*
 * The token table, edge by edge: each test makes one transition of the table
 * at the top of table.c happen, and then asserts the state, the marks and
 * every counter.
 */

#include <linux/errno.h>

#include "unit.h"

/* Setting up. These two come first: afterwards the table exists for good. */

static void init_without_memory(void **state)
{
	int nth;

	for (nth = 1; nth <= 3; nth++) {
		sim_fail_alloc = nth;
		assert_int_equal(pvfault_table_init(), -ENOMEM);
		assert_int_equal(sim_fail_alloc, 0);
		assert_int_equal(sim_allocs, 0);
		assert_int_equal(pvfault_table_outstanding(), 0);
	}
}

static void look_while_init(enum sim_point point)
{
	if (point == SIM_LOCK_INIT) {
		sim_hook = NULL;
		pvfault_table_outstanding();
	}
}

/* Statistics may look at any moment, and must see only a finished table. */
static void init_is_seen_when_finished(void **state)
{
	int err;

	sim_complaints = 0;
	sim_complaints_counted = true;
	sim_hook = look_while_init;
	err = pvfault_table_init();
	sim_complaints_counted = false;
	assert_int_equal(err, 0);
	assert_int_equal(sim_complaints, 0);
	assert_int_equal(sim_allocs, 3);

	/* Done once. */
	assert_int_equal(pvfault_table_init(), 0);
	assert_int_equal(sim_allocs, 3);
	assert_counts();
}

/* NOT_PRESENT, then READY */

static void sleep_then_ready(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	assert_int_equal(READ_ONCE(s->task->state), TASK_KILLABLE | TASK_FREEZABLE);
	assert_int_equal(READ_ONCE(sim_armed), 1);
	assert_counts(.not_present = 1, .sleep = 1, .asleep = 1);
	ready_on(42, 2);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
	assert_int_equal(sim_warnings, 0);
}

static void ready_on_the_same_cpu(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	ready_on(42, 1);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
}

static void extreme_tokens(void **state)
{
	static const pvfault_token_t token[] = { 0, ~0ULL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(token); i++) {
		struct sleeper *s = put_to_sleep(token[i], 1);

		ready(token[i]);
		assert_returned(s);
		ready(token[i]);
		assert_int_equal(marks(), 1);
		expect_at_once(token[i], 1);
		assert_int_equal(marks(), 0);
		refuse(token[i]);
		assert_int_equal(marks(), 1);
		ready(token[i]);
		assert_int_equal(marks(), 0);
	}
	assert_counts(.not_present = 6, .sleep = 2, .wake = 2, .early_hit = 2,
		      .rejected = 2, .ready = 6, .woke = 2, .early = 2,
		      .dropped = 2);
}

static void one_token_of_a_bucket(void **state)
{
	struct sleeper *a, *b, *c;

	sim_hash = SIM_HASH_ONE;
	a = put_to_sleep(1, 1);
	b = put_to_sleep(2, 2);
	c = put_to_sleep(3, 3);
	ready(9);
	ready(2);
	assert_returned(b);
	assert_true(asleep(a) && asleep(c));
	assert_counts(.not_present = 3, .sleep = 3, .wake = 1, .ready = 2,
		      .woke = 1, .early = 1, .asleep = 2, .marks = 1);
	ready(1);
	ready(3);
	assert_returned(a);
	assert_returned(c);
	expect_at_once(9, 1);
	assert_counts(.not_present = 4, .sleep = 3, .wake = 3, .early_hit = 1,
		      .ready = 4, .woke = 3, .early = 1);
}

static void two_sleepers_on_one_token(void **state)
{
	struct sleeper *a = put_to_sleep(42, 1), *b = put_to_sleep(42, 2);

	assert_counts(.not_present = 2, .sleep = 2, .asleep = 2);
	ready(42);
	assert_returned(a);
	assert_returned(b);
	assert_counts(.not_present = 2, .sleep = 2, .wake = 2, .ready = 1, .woke = 1);
}

static void spurious_wake(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	sim_wake(s->task);
	/* It has been round the loop when it has armed the watch again. */
	assert_true(wait_for(READ_ONCE(sim_armed) == 2 && asleep(s)));
	assert_counts(.not_present = 1, .sleep = 1, .asleep = 1);
	ready(42);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
}

/* READY, then NOT_PRESENT */

static void ready_then_sleep(void **state)
{
	ready(42);
	assert_counts(.ready = 1, .early = 1, .marks = 1);
	expect_at_once(42, 1);
	assert_counts(.not_present = 1, .early_hit = 1, .ready = 1, .early = 1);
}

static void ready_twice_before(void **state)
{
	struct sleeper *s;

	ready(42);
	ready_on(42, 2);
	assert_counts(.ready = 2, .early = 1, .dropped = 1, .marks = 1);
	expect_at_once(42, 1);
	s = put_to_sleep(42, 1);
	ready(42);
	assert_returned(s);
	assert_counts(.not_present = 2, .sleep = 1, .early_hit = 1, .wake = 1,
		      .ready = 3, .early = 1, .dropped = 1, .woke = 1);
}

static void ready_twice_after(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	ready(42);
	ready(42);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 2,
		      .early = 1, .woke = 1, .marks = 1);
	expect_at_once(42, 1);
	assert_counts(.not_present = 2, .sleep = 1, .early_hit = 1, .wake = 1,
		      .ready = 2, .early = 1, .woke = 1);
}

/* Waits that end without READY */

static void abandoned_then_ready(void **state)
{
	abandon(42, 1);
	assert_counts(.not_present = 1, .sleep = 1, .abandoned = 1, .marks = 1);
	assert_int_equal(pvfault_table_marks(1), 1);
	ready(42);
	assert_counts(.not_present = 1, .sleep = 1, .abandoned = 1, .ready = 1,
		      .dropped = 1);
	/* Only one is dropped. */
	ready(42);
	assert_int_equal(marks(), 1);
	expect_at_once(42, 2);
	assert_counts(.not_present = 2, .sleep = 1, .abandoned = 1, .early_hit = 1,
		      .ready = 2, .dropped = 1, .early = 1);
}

/* The host begins anew with its tokens, so this READY is of another page. */
static void abandoned_before_ready_all(void **state)
{
	abandon(42, 1);
	pvfault_ready_all();
	ready(42);
	assert_counts(.not_present = 1, .sleep = 1, .abandoned = 1, .wake_all = 1,
		      .ready = 1, .early = 1, .marks = 1);
	expect_at_once(42, 2);
	assert_counts(.not_present = 2, .sleep = 1, .abandoned = 1, .wake_all = 1,
		      .ready = 1, .early = 1, .early_hit = 1);
}

static void abandoned_then_told_anew(void **state)
{
	struct sleeper *s;

	abandon(42, 1);
	s = put_to_sleep(42, 2);
	assert_counts(.not_present = 2, .sleep = 2, .abandoned = 1, .asleep = 1);
	ready(42);
	assert_returned(s);
	assert_counts(.not_present = 2, .sleep = 2, .abandoned = 1, .wake = 1,
		      .ready = 1, .woke = 1);
}

static void one_of_two_abandons(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	abandon(42, 2);
	assert_true(asleep(s));
	assert_counts(.not_present = 2, .sleep = 2, .abandoned = 1, .asleep = 1,
		      .marks = 1);
	ready(42);
	assert_returned(s);
	assert_counts(.not_present = 2, .sleep = 2, .abandoned = 1, .wake = 1,
		      .ready = 1, .woke = 1);
}

static void killed_before_sleeping(void **state)
{
	struct sleeper *s = tell_gated(42, pvfault_generation(), 1, 1, SIM_LOCK, 1);

	assert_true(wait_for(get(&s->at_gate)));
	sim_kill(s->task);
	set(&s->gate_open);
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .abandoned = 1, .marks = 1);
	ready(42);
	assert_counts(.not_present = 1, .sleep = 1, .abandoned = 1, .ready = 1,
		      .dropped = 1);
}

static void deadline_then_ready(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	sim_advance(pvfault_deadline - 1);
	scan_all();
	sim_wake(s->task);
	assert_true(wait_for(READ_ONCE(sim_armed) == 2 && asleep(s)));
	assert_counts(.not_present = 1, .sleep = 1, .asleep = 1);

	sim_advance(1);
	scan_all();
	assert_returned(s);
	assert_counts(.not_present = 1, .sleep = 1, .retry = 1, .marks = 1);
	ready(42);
	assert_counts(.not_present = 1, .sleep = 1, .retry = 1, .ready = 1,
		      .dropped = 1);
}

/* A task that probes leaves no mark: READY is remembered until it sleeps again. */
static void probe_then_ready(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	sim_probes = true;
	sim_advance(pvfault_deadline);
	scan_all();
	assert_returned(s);
	assert_int_equal(s->end, PVFAULT_PROBES);
	assert_counts(.not_present = 1, .sleep = 1, .probe = 1);
	ready(42);
	assert_counts(.not_present = 1, .sleep = 1, .probe = 1, .ready = 1, .early = 1,
		      .marks = 1);
	expect_at_once(42, 1);
	assert_counts(.not_present = 2, .sleep = 1, .probe = 1, .ready = 1, .early = 1,
		      .early_hit = 1);
	assert_int_equal(sim_probes_cancelled, 0);
}

/* It took the turn, and READY was faster than its leaving the table. */
static void probe_cancelled_by_ready(void **state)
{
	struct sleeper *s = tell_gated(42, pvfault_generation(), 1, 1, SIM_LOCK, 2);

	assert_true(wait_asleep(s));
	sim_probes = true;
	sim_advance(pvfault_deadline);
	scan_all();
	assert_true(wait_for(get(&s->at_gate)));
	ready(42);
	set(&s->gate_open);
	assert_returned(s);
	assert_int_equal(s->end, PVFAULT_OVER);
	assert_int_equal(sim_probes_cancelled, 1);
	assert_counts(.not_present = 1, .sleep = 1, .wake = 1, .ready = 1, .woke = 1);
}

/* Rejected notifications */

static void refused_then_ready(void **state)
{
	refuse(42);
	assert_counts(.not_present = 1, .rejected = 1, .marks = 1);
	ready(42);
	assert_counts(.not_present = 1, .rejected = 1, .ready = 1, .dropped = 1);
}

static void ready_then_refused(void **state)
{
	ready(42);
	assert_int_equal(marks(), 1);
	refuse(42);
	assert_counts(.not_present = 1, .rejected = 1, .ready = 1, .early = 1);
}

static void refused_twice(void **state)
{
	refuse(42);
	refuse(42);
	assert_counts(.not_present = 2, .rejected = 2, .marks = 1);
	ready(42);
	assert_counts(.not_present = 2, .rejected = 2, .ready = 1, .dropped = 1);
}

static void refused_while_another_sleeps(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	refuse(42);
	assert_true(asleep(s));
	assert_counts(.not_present = 2, .sleep = 1, .rejected = 1, .asleep = 1,
		      .marks = 1);
	ready(42);
	assert_returned(s);
	assert_counts(.not_present = 2, .sleep = 1, .rejected = 1, .wake = 1,
		      .ready = 1, .woke = 1);
}

int test_table(void)
{
	static const struct CMUnitTest init[] = {
		table_test(init_without_memory),
		table_test(init_is_seen_when_finished),
	};
	static const struct CMUnitTest tests[] = {
		table_test(sleep_then_ready),
		table_test(ready_on_the_same_cpu),
		table_test(extreme_tokens),
		table_test(one_token_of_a_bucket),
		table_test(two_sleepers_on_one_token),
		table_test(spurious_wake),
		table_test(ready_then_sleep),
		table_test(ready_twice_before),
		table_test(ready_twice_after),
		table_test(abandoned_then_ready),
		table_test(abandoned_before_ready_all),
		table_test(abandoned_then_told_anew),
		table_test(one_of_two_abandons),
		table_test(killed_before_sleeping),
		table_test(deadline_then_ready),
		table_test(probe_then_ready),
		table_test(probe_cancelled_by_ready),
		table_test(refused_then_ready),
		table_test(ready_then_refused),
		table_test(refused_twice),
		table_test(refused_while_another_sleeps),
	};
	int failed = cmocka_run_group_tests(init, NULL, NULL);

	/* ONLY= may have left these out. */
	if (!failed)
		failed = pvfault_table_init();
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
