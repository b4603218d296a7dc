// SPDX-License-Identifier: GPL-2.0
/* The scan, and the other looks at all sleepers. */

#include <linux/seq_file.h>

#include "unit.h"

static void scan_in_pieces(void **state)
{
	struct pvfault_scan scan = new_scan();
	struct sleeper *s[5];
	unsigned int i;

	/* Buckets 10, 20, 20, 30 and the last but one. */
	static const pvfault_token_t token[] = { 10, 20, 20, 30, 510 };

	sim_hash = SIM_HASH_PLAIN;
	for (i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = put_to_sleep(token[i], i + 1);
	/* Marks are no sleepers. */
	refuse(15);

	scan.budget = 2;
	assert_false(pvfault_table_scan(&scan));
	assert_int_equal(scan.sleepers, 3);
	assert_int_equal(scan.bucket, 30);
	assert_true(pvfault_table_scan(&scan));
	assert_int_equal(scan.sleepers, 2);
	assert_int_equal(scan.bucket, 0);

	/* The next piece is a pass from the start, and finds them all again. */
	scan.budget = 1;
	assert_false(pvfault_table_scan(&scan));
	assert_int_equal(scan.sleepers, 1);
	assert_int_equal(scan.bucket, 15);
	assert_int_equal(cpumask_weight(&repair), 0);

	ready(15);

	/* The second piece finds what has happened since the first. */
	pvfault_ready_all();
	scan.budget = 4096;
	assert_true(pvfault_table_scan(&scan));
	assert_int_equal(scan.sleepers, 4);
	for (i = 1; i < ARRAY_SIZE(s); i++)
		assert_returned(s[i]);
	assert_true(asleep(s[0]));
	assert_true(pvfault_table_scan(&scan));
	assert_int_equal(scan.sleepers, 1);
	assert_returned(s[0]);
	assert_counts(.not_present = 6, .sleep = 5, .wake = 5, .rejected = 1,
		      .wake_all = 1, .ready = 1, .dropped = 1);
}

static void scan_collects_repairs(void **state)
{
	struct pvfault_scan scan;
	struct sleeper *any;

	put_to_sleep(1, 1);
	put_to_sleep(3, 3);
	scan = scan_all();
	assert_int_equal(cpumask_weight(&repair), 0);
	sim_advance(sim_repair_age - 1);
	scan = scan_all();
	assert_int_equal(cpumask_weight(&repair), 0);

	/* Notified on 4, and on an unknown CPU, a tick before the others are due. */
	put_to_sleep(4, 4);
	any = tell_gated(5, pvfault_generation(), 5, PVFAULT_ANY_CPU, 0, 0);
	assert_true(wait_asleep(any));
	sim_advance(1);
	scan = scan_all();
	assert_int_equal(scan.sleepers, 4);
	assert_true(cpumask_test_cpu(1, &repair) && cpumask_test_cpu(3, &repair));
	assert_int_equal(cpumask_weight(&repair), 2);
	assert_false(scan.repair_any);

	sim_advance(sim_repair_age - 1);
	ready(1);
	ready(3);
	scan = scan_all();
	assert_true(cpumask_test_cpu(4, &repair));
	assert_int_equal(cpumask_weight(&repair), 1);
	assert_true(scan.repair_any);

	ready(4);
	ready(5);
	scan = scan_all();
	assert_int_equal(scan.sleepers, 0);
	assert_int_equal(cpumask_weight(&repair), 0);
	assert_false(scan.repair_any);
	assert_true(everybody_back());
	assert_counts(.not_present = 4, .sleep = 4, .wake = 4, .ready = 4, .woke = 4);
}

static void scan_repairs_past_deadline(void **state)
{
	struct sleeper *s = put_to_sleep(42, 1);

	sim_advance(pvfault_deadline);
	scan_all();
	assert_int_equal(cpumask_weight(&repair), 1);
	assert_returned(s);
	ready(42);
	assert_counts(.not_present = 1, .sleep = 1, .retry = 1, .ready = 1,
		      .dropped = 1);
}

static void show_lists_sleepers(void **state)
{
	struct seq_file file = { 0 };

	put_to_sleep(1, 1);
	put_to_sleep(2, 2);
	ready(3);
	pvfault_table_show(&file);
	assert_int_equal(file.lines, 3);
	ready(1);
	ready(2);
	assert_true(everybody_back());
	erase_marks(3, 3);
}

int test_scan(void)
{
	static const struct CMUnitTest tests[] = {
		table_test(scan_in_pieces),
		table_test(scan_collects_repairs),
		table_test(scan_repairs_past_deadline),
		table_test(show_lists_sleepers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
