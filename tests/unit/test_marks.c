// SPDX-License-Identifier: GPL-2.0
/* The marks: a pool of each CPU, of which the oldest gives way. */

#include "unit.h"

/* A mark is given back on one CPU, and taken again at once on its own. */
static void mark_changes_hands(void **state)
{
	struct sleeper *s;

	sim_hash = SIM_HASH_PLAIN;
	ready(1);
	s = tell(1, 1);
	/* It isn't joined yet: only the mark itself orders the two. */
	assert_true(wait_returned(s));
	ready(2);
	assert_returned(s);
	expect_at_once(2, 1);
	assert_counts(.not_present = 2, .early_hit = 2, .ready = 2, .early = 2);
}

static void oldest_early_gives_way(void **state)
{
	const unsigned int more = 6;
	struct sleeper *s;
	unsigned int i;

	for (i = 0; i < MARKS + more; i++)
		ready(100 + i);
	assert_counts(.ready = MARKS + more, .early = MARKS + more,
		      .overwritten = more, .marks = MARKS);
	for (i = more; i < MARKS + more; i++)
		expect_at_once(100 + i, 1);
	assert_int_equal(marks(), 0);

	/* The oldest is forgotten, so a task that comes for it sleeps. */
	s = put_to_sleep(100, 1);
	ready(100);
	assert_returned(s);
	assert_counts(.not_present = MARKS + 1, .early_hit = MARKS, .sleep = 1,
		      .wake = 1, .woke = 1, .ready = MARKS + more + 1,
		      .early = MARKS + more, .overwritten = more);
}

/* The oldest isn't the first of the pool once a mark has been reused. */
static void oldest_is_by_age(void **state)
{
	unsigned int i;

	for (i = 0; i < MARKS; i++)
		ready(100 + i);
	expect_at_once(100, 1);
	ready(200);
	ready(201);
	assert_int_equal(counted(PVFAULT_NR_overwritten), 1);
	expect_at_once(200, 1);
	expect_at_once(102, 1);
	assert_int_equal(marks(), MARKS - 2);
	erase_marks(100, 201);
}

static void oldest_abandoned_gives_way(void **state)
{
	unsigned int i;

	for (i = 0; i < MARKS + 1; i++)
		refuse(100 + i);
	assert_counts(.not_present = MARKS + 1, .rejected = MARKS + 1,
		      .overwritten = 1, .marks = MARKS);
	for (i = 1; i < MARKS + 1; i++)
		ready(100 + i);
	assert_counts(.not_present = MARKS + 1, .rejected = MARKS + 1,
		      .overwritten = 1, .ready = MARKS, .dropped = MARKS);
}

static struct sleeper *late;

static void take_the_oldest(enum sim_point point)
{
	static int nth;
	void (*hook)(enum sim_point point) = sim_hook;

	if (point != SIM_LOCK || ++nth != 2)
		return;
	/* About to lock the bucket of the oldest: another CPU takes that mark now. */
	sim_hook = NULL;
	late = tell(100, 1);
	wait_returned(late);
	sim_hook = hook;
}

/* The oldest is given back by another CPU when it is about to give way. */
static void oldest_goes_by_itself(void **state)
{
	unsigned int i;

	for (i = 0; i < MARKS; i++)
		ready(100 + i);
	sim_hook = take_the_oldest;
	ready(200);
	sim_hook = NULL;
	assert_returned(late);
	assert_counts(.not_present = 1, .early_hit = 1, .ready = MARKS + 1,
		      .early = MARKS + 1, .marks = MARKS);
	for (i = 1; i < MARKS; i++)
		expect_at_once(100 + i, 2);
	expect_at_once(200, 2);
	assert_int_equal(marks(), 0);
}

static void each_cpu_has_its_pool(void **state)
{
	unsigned int cpu, i;

	for (cpu = 0; cpu < sim_nr_cpus; cpu++)
		for (i = 0; i < MARKS; i++)
			ready_on(1000 * cpu + i, cpu);
	for (cpu = 0; cpu < sim_nr_cpus; cpu++)
		assert_int_equal(pvfault_table_marks(cpu), MARKS);
	assert_int_equal(counted(PVFAULT_NR_overwritten), 0);

	/* Given back to the pool they came from, from whatever CPU. */
	expect_at_once(3000, 1);
	assert_int_equal(pvfault_table_marks(1), MARKS);
	assert_int_equal(pvfault_table_marks(3), MARKS - 1);
	for (cpu = 0; cpu < sim_nr_cpus; cpu++)
		for (i = cpu == 3; i < MARKS; i++)
			expect_at_once(1000 * cpu + i, 0);
	assert_counts(.not_present = MARKS * NR_CPUS, .early_hit = MARKS * NR_CPUS,
		      .ready = MARKS * NR_CPUS, .early = MARKS * NR_CPUS);
}

int test_marks(void)
{
	static const struct CMUnitTest tests[] = {
		table_test(mark_changes_hands),
		table_test(oldest_early_gives_way),
		table_test(oldest_is_by_age),
		table_test(oldest_abandoned_gives_way),
		table_test(oldest_goes_by_itself),
		table_test(each_cpu_has_its_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
