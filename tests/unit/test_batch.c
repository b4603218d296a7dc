// SPDX-License-Identifier: GPL-2.0
/* Batches: tasks that wait for several tokens at once. */

#include "told.h"
#include "unit.h"

static void ready_range(pvfault_token_t token, unsigned int n)
{
	while (n--)
		ready(token++);
}

/* READY in any order and on any CPU: the last one wakes, and none before. */
static void wakes_with_the_last(void **state)
{
	struct sleeper *s = put_batch_to_sleep(100, 4, 1);
	unsigned long before = sim_wakes;

	assert_counts(.not_present = 4, .sleep = 4, .asleep = 4, .batched = 4);
	ready_on(102, 2);
	ready_on(100, 1);
	ready_on(103, 3);
	assert_int_equal(sim_wakes, before);
	assert_true(asleep(s));
	assert_counts(.not_present = 4, .sleep = 4, .wake = 3, .ready = 3, .woke = 3,
		      .asleep = 1, .batched = 1);
	ready_on(101, 2);
	assert_returned(s);
	assert_int_equal(READ_ONCE(sim_armed), 1);
	assert_counts(.not_present = 4, .sleep = 4, .wake = 4, .ready = 4, .woke = 4);
}

static void some_are_ready_first(void **state)
{
	struct sleeper *s;

	ready(100);
	ready(102);
	s = put_batch_to_sleep(100, 4, 1);
	assert_counts(.not_present = 4, .early_hit = 2, .sleep = 2, .ready = 2, .early = 2,
		      .asleep = 2, .batched = 2);
	ready(101);
	ready(103);
	assert_returned(s);
	assert_counts(.not_present = 4, .early_hit = 2, .sleep = 2, .wake = 2, .ready = 4,
		      .early = 2, .woke = 2);
}

static void all_are_ready_first(void **state)
{
	ready_range(100, 16);
	assert_returned(tell_batch(100, 16, 1));
	assert_int_equal(READ_ONCE(sim_armed), 0);
	assert_counts(.not_present = 16, .early_hit = 16, .ready = 16, .early = 16);
}

static void spurious_wake(void **state)
{
	struct sleeper *s = put_batch_to_sleep(100, 2, 1);

	ready(100);
	sim_wake(s->task);
	assert_true(wait_for(READ_ONCE(sim_armed) == 2 && asleep(s)));
	ready(101);
	assert_returned(s);
	assert_counts(.not_present = 2, .sleep = 2, .wake = 2, .ready = 2, .woke = 2);
}

/* One bucket for all, another batch's and a lone task's tokens among them. */
static void each_wakes_its_own(void **state)
{
	struct sleeper *a, *b, *c;

	sim_hash = SIM_HASH_ONE;
	a = put_batch_to_sleep(100, 3, 1);
	b = put_batch_to_sleep(102, 3, 1);
	c = put_to_sleep(102, 2);
	ready_range(100, 2);
	assert_true(asleep(a) && asleep(b) && asleep(c));
	ready(102);
	assert_returned(a);
	assert_returned(c);
	assert_true(asleep(b));
	ready_range(103, 2);
	assert_returned(b);
	assert_counts(.not_present = 7, .sleep = 7, .wake = 7, .ready = 5, .woke = 5);
}

/* A fatal signal: what was left is dropped when it comes, and pushed nothing out. */
static void killed(void **state)
{
	struct sleeper *s;
	unsigned int i;

	for (i = 0; i < MARKS; i++)
		ready_on(200 + i, 1);
	s = put_batch_to_sleep(100, 16, 1);
	ready(107);
	sim_kill(s->task);
	assert_returned(s);
	assert_counts(.not_present = 16, .sleep = 16, .wake = 1, .abandoned = 15,
		      .ready = MARKS + 1, .early = MARKS, .woke = 1, .marks = MARKS,
		      .batched = 15);
	ready_range(100, 7);
	ready_range(108, 8);
	assert_counts(.not_present = 16, .sleep = 16, .wake = 1, .abandoned = 15,
		      .ready = MARKS + 16, .early = MARKS, .woke = 1, .dropped = 15,
		      .marks = MARKS);
	assert_int_equal(sim_warnings, 0);
}

static void killed_in_one_bucket(void **state)
{
	sim_hash = SIM_HASH_ONE;
	killed(state);
}

/* What somebody else waits for stays as it is. */
static void killed_beside_others(void **state)
{
	struct sleeper *a, *b, *c;

	sim_hash = SIM_HASH_ONE;
	a = put_batch_to_sleep(100, 2, 1);
	b = put_batch_to_sleep(100, 2, 2);
	c = put_to_sleep(100, 3);
	sim_kill(b->task);
	assert_returned(b);
	assert_true(asleep(a) && asleep(c));
	assert_counts(.not_present = 5, .sleep = 5, .abandoned = 2, .asleep = 3, .batched = 4);
	ready_range(100, 2);
	assert_returned(a);
	assert_returned(c);
	assert_counts(.not_present = 5, .sleep = 5, .abandoned = 2, .wake = 3, .ready = 2,
		      .woke = 2);
}

static void left_then_told_anew(void **state)
{
	struct sleeper *s = put_batch_to_sleep(100, 2, 1);

	sim_kill(s->task);
	assert_returned(s);
	s = put_to_sleep(100, 2);
	assert_int_equal(batched(), 1);
	ready_range(100, 2);
	assert_returned(s);
	assert_counts(.not_present = 3, .sleep = 3, .abandoned = 2, .wake = 1, .ready = 2,
		      .woke = 1, .dropped = 1);
}

static void deadline(void **state)
{
	struct sleeper *s = put_batch_to_sleep(100, 5, 1);

	ready(100);
	sim_advance(pvfault_deadline);
	scan_all();
	assert_returned(s);
	assert_counts(.not_present = 5, .sleep = 5, .wake = 1, .retry = 4, .ready = 1,
		      .woke = 1, .batched = 4);
	ready_range(101, 4);
	assert_counts(.not_present = 5, .sleep = 5, .wake = 1, .retry = 4, .ready = 5,
		      .woke = 1, .dropped = 4);
}

/* Asked to probe it gives up instead, and lets others have the turn. */
static void gives_up_instead_of_probing(void **state)
{
	struct sleeper *s = put_batch_to_sleep(100, 3, 1);

	sim_probes = true;
	sim_advance(pvfault_deadline);
	scan_all();
	assert_returned(s);
	assert_int_equal(sim_probes_cancelled, 1);
	ready_range(100, 3);
	assert_counts(.not_present = 3, .sleep = 3, .retry = 3, .ready = 3, .dropped = 3);
}

static void repair_goes_to_its_cpu(void **state)
{
	struct sleeper *s = put_batch_to_sleep(100, 5, 3);

	sim_advance(sim_repair_age);
	assert_int_equal(scan_all().sleepers, 5);
	assert_int_equal(cpumask_weight(&repair), 1);
	assert_true(cpumask_test_cpu(3, &repair));
	ready_range(100, 5);
	assert_returned(s);
}

/* READY for all, by a scan that is cut in pieces. */
static void ready_for_all(void **state)
{
	struct sleeper *s = put_batch_to_sleep(100, 16, 1);
	struct pvfault_scan scan = new_scan();
	unsigned int pieces = 1;

	pvfault_ready_all();
	scan.budget = 1;
	while (!pvfault_table_scan(&scan))
		pieces++;
	assert_in_range(pieces, 2, 17);
	assert_returned(s);
	assert_counts(.not_present = 16, .sleep = 16, .wake = 16, .wake_all = 1);
}

static void ready_for_all_comes_first(void **state)
{
	struct sleeper *s = put_batch_to_sleep(100, 3, 1);

	pvfault_ready_all();
	/* Outdated: READY for one of them means another page now. */
	ready(101);
	assert_true(asleep(s));
	scan_all();
	assert_returned(s);
	expect_at_once(101, 2);
	assert_counts(.not_present = 4, .sleep = 3, .wake = 3, .early_hit = 1, .wake_all = 1,
		      .ready = 1, .early = 1);
}

/* A CPU has slots for two full batches; those that were left count, too. */
static void no_slot(void **state)
{
	struct sleeper *a = put_batch_to_sleep(100, 16, 1), *b = put_batch_to_sleep(200, 16, 1);
	struct sleeper *c, *d;

	assert_int_equal(pvfault_table_batched(1), BATCHED);
	c = tell_batch(300, 1, 1);
	assert_returned(c);
	assert_int_equal(c->added, 0);
	/* Not a matter of other CPUs. */
	d = put_batch_to_sleep(400, 1, 2);
	assert_counts(.not_present = 34, .sleep = 33, .rejected = 1, .asleep = 33,
		      .batched = 33);
	sim_kill(a->task);
	assert_returned(a);
	assert_int_equal(pvfault_table_batched(1), BATCHED);
	ready(100);
	assert_int_equal(pvfault_table_batched(1), BATCHED - 1);
	ready_range(101, 15);
	ready_range(200, 16);
	assert_returned(b);
	ready(400);
	assert_returned(d);
	assert_counts(.not_present = 34, .sleep = 33, .rejected = 1, .abandoned = 16,
		      .wake = 17, .ready = 33, .woke = 17, .dropped = 16);
}

static void leave_all_slots(void)
{
	struct sleeper *a = put_batch_to_sleep(100, 16, 1), *b = put_batch_to_sleep(200, 16, 1);

	sim_kill(a->task);
	sim_kill(b->task);
	assert_returned(a);
	assert_returned(b);
	assert_int_equal(pvfault_table_batched(1), BATCHED);
}

/* What was left doesn't block its slot for ever if its READY was lost. */
static void stale_gives_way(void **state)
{
	struct sleeper *s;

	leave_all_slots();
	sim_advance(pvfault_deadline);
	s = tell_batch(300, 1, 1);
	assert_returned(s);
	assert_int_equal(s->added, 0);
	sim_advance(1);
	s = put_batch_to_sleep(300, 2, 1);
	assert_int_equal(pvfault_table_batched(1), BATCHED);
	ready_range(300, 2);
	assert_returned(s);
	assert_int_equal(pvfault_table_batched(1), BATCHED - 2);
	/* Its READY comes after all, and is nobody's. */
	ready(100);
	assert_int_equal(marks(), 1);
	erase_marks(100, 215);
}

static void outdated_gives_way(void **state)
{
	struct sleeper *s;

	leave_all_slots();
	pvfault_ready_all();
	s = put_batch_to_sleep(300, 16, 1);
	ready_range(300, 16);
	assert_returned(s);
	assert_int_equal(pvfault_table_batched(1), BATCHED - 16);
	erase_marks(100, 215);
}

/* A task that still sleeps keeps its slots, although the scan is on its way to it. */
static void asleep_keeps_its_slots(void **state)
{
	struct sleeper *a = put_batch_to_sleep(100, 16, 1), *b = put_batch_to_sleep(200, 16, 1);
	struct sleeper *c;

	pvfault_ready_all();
	c = tell_batch(300, 1, 1);
	assert_returned(c);
	assert_int_equal(c->added, 0);
	scan_all();
	assert_returned(a);
	assert_returned(b);
	assert_counts(.not_present = 33, .sleep = 32, .rejected = 1, .wake = 32, .wake_all = 1);
}

static struct pvfault_batch own;

static bool add(pvfault_token_t token, unsigned int cpu)
{
	bool added;

	sim_cpu = cpu;
	local_irq_disable();
	pvfault_note(not_present, token);
	added = batch_on(&own, token, pvfault_generation(), cpu) == 1;
	local_irq_enable();
	sim_cpu = 0;
	return added;
}

/* Migrated while it is told: the batch stays with the first CPU. */
static void told_on_another_cpu(void **state)
{
	pvfault_batch_init(&own);
	assert_true(add(101, 1));
	assert_true(add(102, 1));
	assert_false(add(103, 2));
	pvfault_note(rejected, 103);
	assert_int_equal(pvfault_table_batched(1), 2);
	assert_int_equal(pvfault_table_batched(2), 0);
	ready_range(101, 2);
	/* Both came first: no sleep. */
	assert_int_equal(pvfault_batch_wait(&own), 2);
	assert_int_equal(READ_ONCE(sim_armed), 0);
	/* Empty: it may begin anew on the other one. */
	assert_true(add(103, 2));
	ready(103);
	assert_int_equal(pvfault_batch_wait(&own), 1);
	assert_counts(.not_present = 4, .sleep = 3, .rejected = 1, .wake = 3, .ready = 3,
		      .woke = 3);
}

/* A host that announces one token twice. */
static void same_token_twice(void **state)
{
	pvfault_batch_init(&own);
	assert_true(add(100, 1) && add(100, 1));
	current->fatal = true;
	pvfault_batch_wait(&own);
	current->fatal = false;
	assert_counts(.not_present = 2, .sleep = 2, .abandoned = 2, .batched = 2);
	ready(100);
	assert_counts(.not_present = 2, .sleep = 2, .abandoned = 2, .ready = 1, .dropped = 1);

	assert_true(add(100, 1) && add(100, 1));
	ready(100);
	assert_int_equal(pvfault_batch_wait(&own), 2);
	assert_counts(.not_present = 4, .sleep = 4, .abandoned = 2, .wake = 2, .ready = 2,
		      .dropped = 1, .woke = 1);
}

static void room(void **state)
{
	unsigned int i;

	pvfault_batch_init(&own);
	assert_int_equal(pvfault_batch_wait(&own), 0);
	for (i = 0; i < PVFAULT_BATCH; i++) {
		assert_true(pvfault_batch_room(&own));
		assert_true(add(100 + i, 1));
	}
	assert_false(pvfault_batch_room(&own));
	ready_range(100, PVFAULT_BATCH);
	assert_int_equal(pvfault_batch_wait(&own), PVFAULT_BATCH);
	assert_true(pvfault_batch_room(&own));
}

int test_batch(void)
{
	static const struct CMUnitTest tests[] = {
		table_test(wakes_with_the_last),
		table_test(some_are_ready_first),
		table_test(all_are_ready_first),
		table_test(spurious_wake),
		table_test(each_wakes_its_own),
		table_test(killed),
		table_test(killed_in_one_bucket),
		table_test(killed_beside_others),
		table_test(left_then_told_anew),
		table_test(deadline),
		table_test(gives_up_instead_of_probing),
		table_test(repair_goes_to_its_cpu),
		table_test(ready_for_all),
		table_test(ready_for_all_comes_first),
		table_test(no_slot),
		table_test(stale_gives_way),
		table_test(outdated_gives_way),
		table_test(asleep_keeps_its_slots),
		table_test(told_on_another_cpu),
		table_test(same_token_twice),
		table_test(room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
