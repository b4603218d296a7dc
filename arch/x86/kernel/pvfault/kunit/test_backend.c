// SPDX-License-Identifier: GPL-2.0
/* KUnit: the core with a backend: deadlines, the slot, CPUs. */

#include <linux/cpu.h>
#include <linux/iopoll.h>
#include <linux/jiffies.h>

#include "pvfault_test.h"

/* SLEEPING to LEFT by the deadline. */
static void test_retry(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s;

	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(SHORT_MS), 0);
	s = pvt_start(test, token);
	pvt_expect_back(test, s);
	KUNIT_EXPECT_GE(test, s->waited, msecs_to_jiffies(SHORT_MS));
	KUNIT_EXPECT_LE(test, s->waited, msecs_to_jiffies(SHORT_MS) + HZ + SLACK);
	pvt_expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 1), N(sleep, 1), N(retry, 1),
		      N(ready, 1), N(dropped, 1));
}

static void expect_probes(struct kunit *test, unsigned long n)
{
	unsigned long got;

	KUNIT_ASSERT_EQ(test, 0,
			read_poll_timeout(pvt_since, got, got >= n, 1000,
					  WAIT_MS * 1000, false, PVFAULT_NR_probe));
}

/*
 * Three that were told on one CPU, and one on another CPU, are past their deadline. For
 * each CPU one of them tries, and is told of its page again: the others sleep on.
 */
static void test_probe(struct kunit *test)
{
	unsigned int one = cpumask_first(cpu_online_mask), other = cpumask_last(cpu_online_mask);
	pvfault_token_t token = pvt_fresh_tokens(8);
	unsigned int i, cpus = one == other ? 1 : 2;
	struct pvt_sleeper *s[4];

	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(SHORT_MS), 0);
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = pvt_sleeper_new(test, token + 2 * i);
		s[i]->count = 2;
		s[i]->told_cpu = i ? one : other;
		pvt_sleeper_run(test, s[i], -1);
	}
	expect_probes(test, cpus);
	pvt_expect_asleep(test, ARRAY_SIZE(s));
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_probe), cpus);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_retry), 0);
	KUNIT_EXPECT_EQ(test, pvfault_probes_running(), 0);

	/* All READYs, also of tokens that the probes have left: these are dropped. */
	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(LONG_MS), 0);
	for (i = 0; i < 2 * ARRAY_SIZE(s); i++)
		pvfault_ready(token + i);
	for (i = 0; i < ARRAY_SIZE(s); i++)
		pvt_expect_back(test, s[i]);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_dropped), cpus);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_not_present), 2 * ARRAY_SIZE(s));
}

static void test_deadline_range(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, pvfault_set_deadline_ms(SHORT_MS - 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, pvfault_set_deadline_ms(LONG_MS + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, pvfault_set_deadline_ms(ULONG_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, pvfault_deadline_ms(), LONG_MS);
	KUNIT_EXPECT_EQ(test, pvfault_set_deadline_ms(SHORT_MS), 0);
	KUNIT_EXPECT_EQ(test, pvfault_deadline_ms(), SHORT_MS);
	expect_counts(test, 0, 0);
}

static void expect_repairs(struct kunit *test, unsigned long n)
{
	unsigned long got;

	KUNIT_ASSERT_EQ(test, 0,
			read_poll_timeout(pvt_since, got, got >= n, 1000,
					  WAIT_MS * 1000, false, PVFAULT_NR_repair));
}

static void expect_repaired(struct kunit *test, const struct cpumask *cpus)
{
	bool got;

	KUNIT_ASSERT_EQ(test, 0,
			read_poll_timeout(cpumask_equal, got, got, 1000,
					  WAIT_MS * 1000, false, &pvt_host.repaired, cpus));
}

/* No edge: a repair that finds nothing. Any CPU may be the notified one. */
static void test_repair(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	unsigned long begin = jiffies;
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 1);
	expect_repaired(test, cpu_online_mask);
	KUNIT_EXPECT_GE(test, jiffies - begin, HZ);
	KUNIT_EXPECT_LE(test, jiffies - begin, 2 * HZ + SLACK);

	/* And again each second. */
	cpumask_clear(&pvt_host.repaired);
	expect_repaired(test, cpu_online_mask);
	pvt_expect_asleep(test, 1);
	pvt_expect_still_asleep(test, s);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	KUNIT_EXPECT_GE(test, pvt_since(PVFAULT_NR_repair), 2 * num_online_cpus());
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

static void test_repair_finds_lost(struct kunit *test)
{
	struct pvt_sleeper *s;

	pvt_host.lost_token = pvt_fresh_tokens(1);
	atomic_set(&pvt_host.lost, 1);
	s = pvt_start(test, pvt_host.lost_token);
	pvt_expect_back(test, s);
	KUNIT_EXPECT_EQ(test, atomic_read(&pvt_host.lost), 0);
	KUNIT_EXPECT_GE(test, s->waited, HZ);
	KUNIT_EXPECT_LE(test, s->waited, 2 * HZ + SLACK);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

/* SLEEPING to WOKEN, by READY for all. It leaves marks alone. */
static void test_ready_all(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(3);
	u32 generation = pvfault_generation();
	struct pvt_sleeper *s[] = {
		pvt_start(test, token), pvt_start(test, token + 1), pvt_start(test, token),
	};

	pvt_expect_asleep(test, 3);
	pvfault_ready(token + 2);
	pvfault_ready_all();
	KUNIT_EXPECT_EQ(test, pvfault_generation(), generation + 1);
	pvt_expect_back(test, s[0]);
	pvt_expect_back(test, s[1]);
	pvt_expect_back(test, s[2]);
	pvt_expect_marks(test, 1);
	pvt_drain(test, token + 2, 1);
	expect_counts(test, 0, N(not_present, 4), N(sleep, 3), N(wake, 3),
		      N(early_hit, 1), N(wake_all, 1), N(ready, 1), N(early, 1));
}

/* Notified before READY for all, and queues after it: doesn't sleep at all. */
static void test_ready_all_in_between(struct kunit *test)
{
	struct pvt_sleeper *s = pvt_sleeper_new(test, pvt_fresh_tokens(1));

	s->told = true;
	s->generation = pvfault_generation();
	pvfault_ready_all();
	pvt_sleeper_run(test, s, -1);
	pvt_expect_back(test, s);
	expect_counts(test, 0, N(not_present, 1), N(early_hit, 1), N(wake_all, 1));
}

/* Notified after READY for all, whose pass is still under way: sleeps on. */
static void test_ready_all_before(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(2);
	struct pvt_sleeper *old = pvt_start(test, token);
	struct pvt_sleeper *s;

	pvt_expect_asleep(test, 1);
	s = pvt_sleeper_new(test, token + 1);
	s->all_first = true;
	pvt_sleeper_run(test, s, -1);
	pvt_expect_back(test, old);
	/* One pass has woken that one; a repair shows that one has seen this. */
	expect_repairs(test, pvt_since(PVFAULT_NR_repair) + 1);
	pvt_expect_asleep(test, 1);
	pvt_expect_still_asleep(test, s);
	pvfault_ready(token + 1);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 2), N(wake, 2),
		      N(wake_all, 1), N(ready, 1));
}

/* The backend goes: all wake, and late READYs do no harm. */
static void test_unregister(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(3);
	struct pvt_sleeper *s[] = {
		pvt_start(test, token), pvt_start(test, token + 1), pvt_start(test, token + 1),
	};
	int i;

	pvt_expect_asleep(test, 3);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.told, cpu_online_mask));
	pvfault_unregister(&pvt_backend);
	KUNIT_EXPECT_STREQ(test, pvfault_backend_name(), "none");
	KUNIT_EXPECT_TRUE(test, cpumask_empty(&pvt_host.told));
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.hushed, cpu_online_mask));
	for (i = 0; i < 3; i++)
		pvt_expect_back(test, s[i]);

	for (i = 0; i < 3; i++)
		pvfault_ready(token + i);
	pvt_expect_marks(test, 3);
	pvt_register(test);
	pvt_expect_marks(test, 3);
	pvt_drain(test, token, 3);
	/* The core may say READY for all any number of times. */
	KUNIT_EXPECT_GE(test, pvt_since(PVFAULT_NR_wake_all), 1);
	expect_counts(test, 0, N(not_present, 6), N(sleep, 3), N(wake, 3),
		      N(early_hit, 3), N(ready, 3), N(early, 3),
		      N(wake_all, pvt_since(PVFAULT_NR_wake_all)));
}

/* The slot: one complete backend at a time, and only it can unregister itself. */
static void test_slot(struct kunit *test)
{
	static const struct pvfault_backend second = {
		.name = "second", .recognise = pvt_recognise,
	};
	static const struct pvfault_backend no_name = { .recognise = pvt_recognise };
	static const struct pvfault_backend no_recognise = { .name = "blind" };
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 1);
	KUNIT_EXPECT_EQ(test, pvfault_register(&second), -EBUSY);
	KUNIT_EXPECT_EQ(test, pvfault_register(&pvt_backend), -EBUSY);
	KUNIT_EXPECT_EQ(test, pvfault_register(&no_name), -EINVAL);
	KUNIT_EXPECT_EQ(test, pvfault_register(&no_recognise), -EINVAL);
	pvfault_unregister(&second);
	KUNIT_EXPECT_STREQ(test, pvfault_backend_name(), pvt_backend.name);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.told, cpu_online_mask));
	KUNIT_EXPECT_TRUE(test, cpumask_empty(&pvt_host.hushed));
	pvt_expect_asleep(test, 1);
	pvt_expect_still_asleep(test, s);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

/* The optional callbacks are optional, and a slot that is free can be taken. */
static void test_bare_backend(struct kunit *test)
{
	static const struct pvfault_backend bare = {
		.name = "bare", .recognise = pvt_recognise,
	};
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s;

	pvfault_unregister(&pvt_backend);
	pvfault_unregister(&pvt_backend);
	KUNIT_ASSERT_EQ(test, pvfault_register(&bare), 0);
	s = pvt_start(test, token);
	pvt_expect_asleep(test, 1);
	expect_repairs(test, num_online_cpus());
	pvfault_unregister(&bare);
	pvt_expect_back(test, s);
	KUNIT_EXPECT_TRUE(test, cpumask_empty(&pvt_host.repaired));
	pvt_register(test);
	expect_counts(test, 0, N(not_present, 1), N(sleep, 1), N(wake, 1),
		      N(wake_all, pvt_since(PVFAULT_NR_wake_all)));
}

/* A CPU whose cpu_online() fails: the others work, and it isn't called any more. */
static void test_cpu_online_fails(struct kunit *test)
{
	static struct cpumask others;
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s;

	pvfault_unregister(&pvt_backend);
	cpumask_clear(&pvt_host.hushed);
	pvt_host.fail_cpu = cpumask_last(cpu_online_mask);
	cpumask_copy(&others, cpu_online_mask);
	cpumask_clear_cpu(pvt_host.fail_cpu, &others);
	pvt_register(test);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.told, &others));

	s = pvt_start_on(test, token, pvt_host.fail_cpu);
	pvt_expect_asleep(test, 1);
	expect_repairs(test, num_online_cpus());
	expect_repaired(test, &others);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	pvfault_unregister(&pvt_backend);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.repaired, &others));
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.hushed, &others));
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1),
		      N(wake_all, pvt_since(PVFAULT_NR_wake_all)));
}

/* A CPU goes: its notifications are uncertain, its marks are not lost. */
static void test_cpu_offline(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(3);
	int cpu = pvt_other_cpu(test);
	struct pvt_sleeper *s[2];

	pvt_ready_on(test, cpu, token + 2);
	s[0] = pvt_start(test, token);
	s[1] = pvt_start(test, token + 1);
	pvt_expect_asleep(test, 2);
	if (remove_cpu(cpu)) {
		pvt_forget(test, token, 3);
		kunit_skip(test, "CPU %d can't be taken offline", cpu);
	}
	pvt.removed_cpu = cpu;
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.hushed, cpumask_of(cpu)));
	KUNIT_EXPECT_FALSE(test, cpumask_test_cpu(cpu, &pvt_host.told));
	pvt_expect_back(test, s[0]);
	pvt_expect_back(test, s[1]);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_wake_all), 1);
	pvfault_ready(token);
	pvfault_ready(token + 1);
	pvt_expect_marks(test, 3);
	pvt_drain(test, token, 3);

	KUNIT_ASSERT_EQ(test, add_cpu(cpu), 0);
	pvt.removed_cpu = -1;
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.told, cpu_online_mask));
	KUNIT_EXPECT_TRUE(test, cpumask_test_cpu(cpu, &pvt_host.told));
	expect_counts(test, 0, N(not_present, 5), N(sleep, 2), N(wake, 2),
		      N(early_hit, 3), N(ready, 3), N(early, 3), N(wake_all, 1));
}

static void expect_told(struct kunit *test, const struct cpumask *cpus)
{
	bool got;

	KUNIT_ASSERT_EQ(test, 0,
			read_poll_timeout(cpumask_equal, got, got, 1000,
					  WAIT_MS * 1000, false, &pvt_host.told, cpus));
}

/*
 * "off" while a task sleeps: no other one begins to wait, the host is asked to stop when
 * READY has come, and each CPU is notified again afterwards.
 */
static void test_set_mode(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(2);
	enum pvfault_mode mode = pvfault_mode;
	struct pvt_sleeper *s = pvt_start(test, token), *late;

	pvt_expect_asleep(test, 1);
	KUNIT_EXPECT_EQ(test, pvfault_set_mode("often"), -EINVAL);
	KUNIT_EXPECT_EQ(test, pvfault_set_mode("off\n"), 0);
	KUNIT_EXPECT_STREQ(test, pvfault_mode_name(), "off");
	late = pvt_start(test, token + 1);
	pvt_expect_back(test, late);
	pvfault_ready(token + 1);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_dropped), 1);
	pvt_expect_still_asleep(test, s);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&pvt_host.told, cpu_online_mask));
	pvfault_ready(token);
	pvt_expect_back(test, s);
	expect_told(test, cpu_none_mask);

	KUNIT_EXPECT_EQ(test, pvfault_set_mode("user"), 0);
	expect_told(test, cpu_online_mask);
	KUNIT_EXPECT_EQ(test, pvfault_set_mode("on"), 0);
	KUNIT_EXPECT_EQ(test, pvfault_mode, mode);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_rejected), 1);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_rejected_mode), 1);
}

/* READY by a #PF: of a task that sleeps, and of one that doesn't yet. */
static void test_ready_fault(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(2);
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 1);
	pvt_tell(test, token, PVFAULT_READY, PVT_TASK);
	pvt_expect_back(test, s);
	pvt_tell(test, token + 1, PVFAULT_READY, PVT_TASK);
	pvt_expect_marks(test, 1);
	pvt_drain(test, token + 1, 1);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 1), N(wake, 1),
		      N(early_hit, 1), N(ready, 2), N(early, 1));
}

static void test_ready_all_fault(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(2);
	struct pvt_sleeper *s[] = { pvt_start(test, token), pvt_start(test, token + 1) };

	pvt_expect_asleep(test, 2);
	pvt_tell(test, token, PVFAULT_READY_ALL, PVT_TASK);
	pvt_expect_back(test, s[0]);
	pvt_expect_back(test, s[1]);
	expect_counts(test, 0, N(not_present, 2), N(sleep, 2), N(wake, 2), N(wake_all, 1));
}

/* Where the table can't be touched: all are woken, and nothing is remembered. */
static void test_ready_fault_late(struct kunit *test)
{
	enum pvt_context where;

	for (where = PVT_IRQS_OFF; where < PVT_PREEMPT_OFF; where++) {
		pvfault_token_t token = pvt_fresh_tokens(2);
		struct pvt_sleeper *s[] = {
			pvt_start(test, token), pvt_start(test, token + 1),
		};

		pvt_expect_asleep(test, 2);
		pvt_tell(test, token, PVFAULT_READY, where);
		pvt_expect_back(test, s[0]);
		pvt_expect_back(test, s[1]);
		pvt_expect_marks(test, 0);
		pvt.nr_sleepers = 0;
	}
	where -= PVT_IRQS_OFF;
	expect_counts(test, 0, N(not_present, 2 * where), N(sleep, 2 * where),
		      N(wake, 2 * where), N(ready_late, where), N(wake_all, where));
}

static struct kunit_case pvfault_backend_cases[] = {
	KUNIT_CASE_SLOW(test_retry),
	KUNIT_CASE_SLOW(test_probe),
	KUNIT_CASE(test_deadline_range),
	KUNIT_CASE_SLOW(test_repair),
	KUNIT_CASE_SLOW(test_repair_finds_lost),
	KUNIT_CASE(test_ready_fault),
	KUNIT_CASE(test_ready_fault_late),
	KUNIT_CASE(test_ready_all_fault),
	KUNIT_CASE(test_ready_all),
	KUNIT_CASE(test_ready_all_in_between),
	KUNIT_CASE_SLOW(test_ready_all_before),
	KUNIT_CASE_SLOW(test_set_mode),
	KUNIT_CASE(test_unregister),
	KUNIT_CASE(test_slot),
	KUNIT_CASE_SLOW(test_bare_backend),
	KUNIT_CASE_SLOW(test_cpu_online_fails),
	KUNIT_CASE(test_cpu_offline),
	{}
};

static struct kunit_suite pvfault_backend_suite = {
	.name		= "pvfault_backend",
	.init		= pvt_init,
	.exit		= pvt_exit,
	.test_cases	= pvfault_backend_cases,
};

kunit_test_suite(pvfault_backend_suite);
