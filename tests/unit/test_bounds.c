// SPDX-License-Identifier: GPL-2.0
/* The bounds of the table's memory and time, with any host. */

#include "unit.h"

/* Fewer under ThreadSanitizer, which checks each access. */
#ifdef __SANITIZE_THREAD__
#define PAIRS		100000
#else
#define PAIRS		1000000
#endif
#define SPAN		1000		/* tokens; more than two pools hold */

/*
 * A million pairs, with READY before, after and long after its NOT_PRESENT, on
 * two CPUs, for tokens that come again at once, and READY for all now and then.
 */
static void a_million_pairs(void **state)
{
	unsigned int before = sim_allocs, most = 0, i;

	for (i = 0; i < PAIRS; i++) {
		pvfault_token_t token = i * 7 % SPAN;
		bool first = i & 1;

		if (first)
			pvfault_ready(token);
		tell_dying(first ? token : (token + SPAN / 2) % SPAN, 1);
		if (!first)
			pvfault_ready(token);
		if (i % 10007 == 0) {
			pvfault_ready_all();
			most = marks() > most ? marks() : most;
		}
	}
	assert_int_equal(counted(PVFAULT_NR_ready), PAIRS);
	assert_int_equal(counted(PVFAULT_NR_not_present), PAIRS);
	assert_true(counted(PVFAULT_NR_overwritten) > 0);
	assert_in_range(most, 1, 2 * MARKS);
	assert_int_equal(pvfault_table_outstanding(), 0);
	assert_int_equal(sim_allocs, before);
	erase_marks(0, SPAN - 1);
	assert_int_equal(pvfault_table_outstanding(), 0);
}

/*
 * A host that chooses its tokens so that all fall into one bucket: this holds the marks of
 * all CPUs, 64 each, and no more.
 */
static void one_bucket(void **state)
{
	pvfault_token_t token = 0;
	unsigned int cpu, i;

	sim_hash = SIM_HASH_ONE;
	for (cpu = 0; cpu < sim_nr_cpus; cpu++)
		for (i = 0; i < MARKS + 10; i++)
			ready_on(token++, cpu);
	assert_int_equal(marks(), sim_nr_cpus * MARKS);
	assert_counts(.ready = token, .early = token, .overwritten = sim_nr_cpus * 10,
		      .marks = sim_nr_cpus * MARKS);
	erase_marks(0, token - 1);
}

int test_bounds(void)
{
	static const struct CMUnitTest tests[] = {
		table_test(a_million_pairs),
		table_test(one_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
