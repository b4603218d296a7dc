// SPDX-License-Identifier: GPL-2.0
/* KUnit: random and hostile sequences. */

#include <linux/cpu.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/signal.h>

#include "pvfault_test.h"

static unsigned long seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of the random cases; 0: a new one each boot");

static bool race;
module_param(race, bool, 0444);
MODULE_PARM_DESC(race, "read what another CPU writes, for KCSAN to find");

#define RANDOM_SPAN	16
#define RANDOM_WAITS	400

static bool random_done(void)
{
	int i;

	for (i = 0; i < NR_SLEEPERS; i++)
		if ((race ? pvt.sleepers[i].done : READ_ONCE(pvt.sleepers[i].done)) <
		    RANDOM_WAITS)
			return false;
	return true;
}

/* READY here and there, sometimes a fatal signal, sometimes READY for all. */
static void random_op(struct kunit *test, struct rnd_state *rnd,
		      pvfault_token_t token, bool all)
{
	u32 dice = prandom_u32_state(rnd) % 100;

	if (dice < 3)
		send_sig(SIGKILL, pvt.sleepers[prandom_u32_state(rnd) % NR_SLEEPERS].task, 1);
	else if (dice < 4 && all)
		pvfault_ready_all();
	else if (dice < 40)
		pvt_ready_on(test, cpumask_nth(dice % num_online_cpus(), cpu_online_mask), token);
	else
		pvfault_ready(token);
}

/* Threads that wait for random tokens of so many, each @apart from the one before. */
static void random_start(struct kunit *test, struct rnd_state *rnd,
			 pvfault_token_t token, unsigned int apart)
{
	unsigned long my_seed = seed ?: get_random_u32();
	int i;

	kunit_info(test, "test_random.seed=%lu\n", my_seed);
	prandom_seed_state(rnd, my_seed);
	for (i = 0; i < NR_SLEEPERS; i++) {
		struct pvt_sleeper *s = pvt_sleeper_new(test, token + i * apart);

		s->span = RANDOM_SPAN;
		s->count = RANDOM_WAITS;
		prandom_seed_state(&s->rnd, my_seed + i + 1);
		pvt_sleeper_run(test, s, -1);
	}
}

/*
 * Threads that wait for random tokens, and a sender of random READYs.
 * Either each thread has tokens of its own, so that each READY wakes one at
 * most, or all share a few, and there is READY for all too.
 */
static void random_ops(struct kunit *test, bool share)
{
	unsigned int span = share ? RANDOM_SPAN : RANDOM_SPAN * NR_SLEEPERS;
	unsigned long end = jiffies + msecs_to_jiffies(2 * WAIT_MS);
	pvfault_token_t token = pvt_fresh_tokens(span);
	unsigned long woke;
	struct rnd_state rnd;
	int i;

	random_start(test, &rnd, token, share ? 0 : RANDOM_SPAN);
	while (!random_done() && time_before(jiffies, end)) {
		random_op(test, &rnd, token + prandom_u32_state(&rnd) % span, share);
		cond_resched();
	}
	for (i = 0; i < NR_SLEEPERS; i++)
		pvt_expect_back(test, &pvt.sleepers[i]);

	pvt.nr_sleepers = 0;
	pvt_forget(test, token, span);
	woke = pvt_since(PVFAULT_NR_ready) - pvt_since(PVFAULT_NR_early) -
	       pvt_since(PVFAULT_NR_dropped);
	if (share)
		KUNIT_EXPECT_LE(test, woke, pvt_since(PVFAULT_NR_wake));
	else
		KUNIT_EXPECT_EQ(test, woke, pvt_since(PVFAULT_NR_wake));
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_not_present),
			NR_SLEEPERS * RANDOM_WAITS + span);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_retry), 0);
	pvt_expect_balance(test, woke);
}

static void test_random_own(struct kunit *test)
{
	random_ops(test, false);
}

static void test_random_shared(struct kunit *test)
{
	random_ops(test, true);
}

/* A CPU goes if all are there, and comes if not. */
static void hostile_hotplug(struct kunit *test)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, 0);

	if (pvt.removed_cpu >= 0) {
		KUNIT_EXPECT_EQ(test, add_cpu(pvt.removed_cpu), 0);
		pvt.removed_cpu = -1;
	} else if (cpu < nr_cpu_ids && !remove_cpu(cpu)) {
		pvt.removed_cpu = cpu;
	}
}

static void ready_irqs_off(pvfault_token_t token)
{
	local_irq_disable();
	pvfault_ready(token);
	pvfault_ready(token);
	local_irq_enable();
}

/* Return: 1 if this was a NOT_PRESENT that is rejected. */
static unsigned int hostile_op(struct kunit *test, struct rnd_state *rnd,
			       pvfault_token_t token)
{
	u32 dice = prandom_u32_state(rnd) % 1000;

	if (dice < 4) {
		hostile_hotplug(test);
	} else if (dice < 8) {
		pvfault_unregister(&pvt_backend);
		pvfault_ready(token);
		pvt_register(test);
	} else if (dice < 200) {
		pvt_refuse(test, token, dice % PVT_CONTEXTS);
		return 1;
	} else if (dice < 300) {
		ready_irqs_off(token);
	} else {
		random_op(test, rnd, token, true);
	}
	return 0;
}

/*
 * All that a host may do, in all contexts, while the backend and a CPU come and go.
 * A task whose READY never comes is back by its deadline.
 */
static void test_random_hostile(struct kunit *test)
{
	unsigned long end = jiffies + msecs_to_jiffies(2 * WAIT_MS);
	pvfault_token_t token = pvt_fresh_tokens(RANDOM_SPAN);
	unsigned int ops = 0, refused = 0;
	struct rnd_state rnd;
	unsigned long woke;
	int i;

	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(SHORT_MS), 0);
	random_start(test, &rnd, token, 0);
	while (!random_done() && time_before(jiffies, end)) {
		refused += hostile_op(test, &rnd, token + prandom_u32_state(&rnd) % RANDOM_SPAN);
		ops++;
		cond_resched();
	}
	for (i = 0; i < NR_SLEEPERS; i++) {
		pvt_expect_back(test, &pvt.sleepers[i]);
		KUNIT_EXPECT_LE(test, pvt.sleepers[i].longest,
				msecs_to_jiffies(SHORT_MS) + HZ + SLACK);
	}
	if (pvt.removed_cpu >= 0)
		hostile_hotplug(test);
	kunit_info(test, "%u operations, %u refused\n", ops, refused);
	KUNIT_EXPECT_EQ(test, pvfault_set_deadline_ms(LONG_MS), 0);

	pvt.nr_sleepers = 0;
	pvt_forget(test, token, RANDOM_SPAN);
	woke = pvt_since(PVFAULT_NR_ready) - pvt_since(PVFAULT_NR_early) -
	       pvt_since(PVFAULT_NR_dropped);
	KUNIT_EXPECT_LE(test, woke, pvt_since(PVFAULT_NR_wake));
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_rejected), refused);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_not_present),
			NR_SLEEPERS * RANDOM_WAITS + refused + RANDOM_SPAN);
	pvt_expect_balance(test, woke);
}

/* Notifications without end, and no NOT_PRESENT for any of them. */
static void test_flood(struct kunit *test)
{
	const unsigned int n = 100000 / num_online_cpus();
	unsigned int cpus = num_online_cpus(), cpu;

	for_each_online_cpu(cpu) {
		pvfault_token_t token = pvt_fresh_tokens(n);

		pvt_flood(test, cpu, token, n);
		KUNIT_EXPECT_EQ(test, pvfault_table_marks(cpu), MARKS);
		pvt_expect_marks(test, MARKS);
		pvt_drain(test, token + n - MARKS, MARKS);
	}
	expect_counts(test, 0, N(not_present, cpus * MARKS),
		      N(early_hit, cpus * MARKS), N(ready, cpus * n),
		      N(early, cpus * n), N(overwritten, cpus * (n - MARKS)));
}

/*
 * Pairs of READY and NOT_PRESENT in hostile order: some 40 tokens ahead of
 * where the thread is, backwards, each other one twice, and again as long as
 * the thread hasn't come past. More marks are wanted than there are, and none
 * of it leaves anything behind.
 */
static void test_hostile_order(struct kunit *test)
{
	const unsigned int n = 20000, ahead = 40;
	unsigned long end = jiffies + msecs_to_jiffies(2 * WAIT_MS);
	pvfault_token_t token = pvt_fresh_tokens(n + ahead);
	struct pvt_sleeper *s = pvt_sleeper_new(test, token);
	unsigned int done, i;
	int cpu;

	s->count = n;
	pvt_sleeper_run(test, s, -1);
	while ((done = READ_ONCE(s->done)) < n && time_before(jiffies, end)) {
		for (i = ahead; i--; ) {
			pvfault_ready(token + done + i);
			if (i & 1)
				pvfault_ready(token + done + i);
		}
		cond_resched();
	}
	pvt_expect_back(test, s);
	for_each_possible_cpu(cpu)
		KUNIT_EXPECT_LE(test, pvfault_table_marks(cpu), MARKS);

	pvt_forget(test, token, n + ahead);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_not_present), 2 * n + ahead);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_retry), 0);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_abandoned), 0);
	/* One thread, so each wake is by a READY of its own. */
	pvt_expect_balance(test, pvt_since(PVFAULT_NR_wake));
}

static struct kunit_case pvfault_random_cases[] = {
	KUNIT_CASE_SLOW(test_random_own),
	KUNIT_CASE_SLOW(test_random_shared),
	KUNIT_CASE_SLOW(test_random_hostile),
	KUNIT_CASE_SLOW(test_flood),
	KUNIT_CASE_SLOW(test_hostile_order),
	{}
};

static struct kunit_suite pvfault_random_suite = {
	.name		= "pvfault_random",
	.init		= pvt_init,
	.exit		= pvt_exit,
	.test_cases	= pvfault_random_cases,
};

kunit_test_suite(pvfault_random_suite);
