// SPDX-License-Identifier: GPL-2.0
/*
 * The host has said READY for all and begins anew with its tokens, so that
 * number 42 means another page now, whose READY comes before its NOT_PRESENT.
 * A node that is left of the old 42 mustn't take that READY, or the new task would
 * sleep until its deadline. The model found each of these, tests/model/table.pml.
 */

#include "unit.h"

/* The old sleeper hasn't been reached by the scan yet. */
static void ready_is_not_for_the_old_sleeper(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	pvfault_ready_all();
	ready(42);
	assert_true(asleep(s));
	scan_all();
	assert_returned(s);
	expect_at_once(42, 2);
	assert_counts(.not_present = 2, .sleep = 1, .wake = 1, .early_hit = 1,
		      .wake_all = 1, .ready = 1, .early = 1);
}

/* An old READY that no task came for isn't the new one. */
static void ready_is_not_the_old_one(void **state)
{
	u32 told = pvfault_generation();
	struct sleeper *s;

	ready(42);
	pvfault_ready_all();
	ready(42);
	assert_int_equal(marks(), 1);
	/* A task notified of the old page comes too late for either READY. */
	s = tell_gated(42, told, 1, 1, 0, 0);
	assert_returned(s);
	assert_int_equal(marks(), 1);
	expect_at_once(42, 2);
	assert_counts(.not_present = 2, .early_hit = 2, .wake_all = 1, .ready = 2,
		      .early = 2);
}

/* The old sleeper gives up by itself, before the scan, and forgets its token. */
static void old_sleeper_forgets_its_own_only(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	pvfault_ready_all();
	ready(42);
	sim_kill(s->task);
	assert_returned(s);
	expect_at_once(42, 2);
	assert_counts(.not_present = 2, .sleep = 1, .abandoned = 1, .early_hit = 1,
		      .wake_all = 1, .ready = 1, .early = 1);
}

/* Notified before, rejected after: the READY that is dropped is the old one. */
static void old_refusal_drops_no_new_ready(void **state)
{
	u32 told = pvfault_generation();

	pvfault_note(not_present, 42);
	pvfault_ready_all();
	pvfault_note(rejected, 42);
	pvfault_table_forget(42, told);
	ready(42);
	expect_at_once(42, 2);
	assert_counts(.not_present = 2, .rejected = 1, .early_hit = 1, .wake_all = 1,
		      .ready = 1, .early = 1);
}

int test_anew(void)
{
	static const struct CMUnitTest tests[] = {
		table_test(ready_is_not_for_the_old_sleeper),
		table_test(ready_is_not_the_old_one),
		table_test(old_sleeper_forgets_its_own_only),
		table_test(old_refusal_drops_no_new_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
