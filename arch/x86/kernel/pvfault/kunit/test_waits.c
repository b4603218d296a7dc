// SPDX-License-Identifier: GPL-2.0
/* KUnit: how long tasks waited. That each wait is counted once, every case checks. */

#include <linux/bitops.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/timex.h>

#include "pvfault_test.h"

/* A task waits for @ticks or longer. Return: how long, as was counted. */
static unsigned long wait_for(struct kunit *test, unsigned long ticks)
{
	unsigned long before = pvfault_wait_ticks(PVFAULT_WAIT_KERNEL), end;
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 1);
	end = jiffies + ticks;
	while (time_before(jiffies, end))
		msleep(20);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	before = pvfault_wait_ticks(PVFAULT_WAIT_KERNEL) - before;
	KUNIT_EXPECT_GE(test, before, ticks);
	KUNIT_EXPECT_LE(test, before, s->waited);
	return before;
}

static void test_bucket(struct kunit *test)
{
	static const unsigned long ticks[] = { 0, 3, 20 };
	int i;

	for (i = 0; i < ARRAY_SIZE(ticks); i++) {
		unsigned long before[PVFAULT_WAIT_BUCKETS];
		unsigned int b, bucket;

		for (b = 0; b < PVFAULT_WAIT_BUCKETS; b++)
			before[b] = pvfault_wait_count(b, PVFAULT_WAIT_KERNEL);
		bucket = fls(wait_for(test, ticks[i]));
		for (b = 0; b < PVFAULT_WAIT_BUCKETS; b++)
			KUNIT_EXPECT_EQ_MSG(test, pvfault_wait_count(b, PVFAULT_WAIT_KERNEL),
					    before[b] + (b == bucket), "bucket %u of %u", b,
					    bucket);
	}
	expect_counts(test, ARRAY_SIZE(ticks), N(not_present, ARRAY_SIZE(ticks)),
		      N(sleep, ARRAY_SIZE(ticks)), N(wake, ARRAY_SIZE(ticks)),
		      N(ready, ARRAY_SIZE(ticks)));
}

static void test_longest(struct kunit *test)
{
	unsigned long longer, shorter, ever;

	pvfault_wait_longest_recent();
	KUNIT_EXPECT_EQ(test, pvfault_wait_longest_recent(), 0);
	longer = wait_for(test, 20);
	shorter = wait_for(test, 1);
	ever = pvfault_wait_longest();
	KUNIT_EXPECT_GE(test, ever, max(longer, shorter));
	KUNIT_EXPECT_EQ(test, pvfault_wait_longest_recent(), max(longer, shorter));
	shorter = wait_for(test, 1);
	KUNIT_EXPECT_EQ(test, pvfault_wait_longest_recent(), shorter);
	KUNIT_EXPECT_EQ(test, pvfault_wait_longest(), max(ever, shorter));
	expect_counts(test, 3, N(not_present, 3), N(sleep, 3), N(wake, 3), N(ready, 3));
}

/* Nobody waited: nothing to count. */
static void test_no_wait(struct kunit *test)
{
	unsigned long before = pvt_waits_ended(), ticks = pvfault_wait_ticks(PVFAULT_WAIT_KERNEL);
	pvfault_token_t token = pvt_fresh_tokens(1);

	pvfault_ready(token);
	pvt_drain(test, token, 1);
	KUNIT_EXPECT_EQ(test, pvt_waits_ended(), before);
	KUNIT_EXPECT_EQ(test, pvfault_wait_ticks(PVFAULT_WAIT_KERNEL), ticks);
	expect_counts(test, 0, N(not_present, 1), N(early_hit, 1), N(ready, 1), N(early, 1));
}

/* The call alone, to be subtracted. */
static noinline void call_nothing(const struct pvfault_told *told)
{
	barrier_data(told);
}

static noinline void call_waited(const struct pvfault_told *told)
{
	pvfault_waited(told);
}

#define COSTED	100

/* Ticks of the TSC. Context: interrupts off. */
static long ticks_of(void (*call)(const struct pvfault_told *), const struct pvfault_told *told)
{
	cycles_t begin = get_cycles();
	int i;

	for (i = 0; i < COSTED; i++)
		call(told);
	return get_cycles() - begin;
}

/*
 * What waits pay for being measured, in ticks of the TSC. Under QEMU's -icount these are
 * instructions, which benchmark roundtrip takes from this line; elsewhere they mean little.
 */
static void test_cost(struct kunit *test)
{
	struct pvfault_told told = { .since = jiffies };
	static struct pvfault_waits before;
	long nothing, user, kernel;
	unsigned long flags, ended;

	local_irq_save(flags);
	before = *this_cpu_ptr(&pvfault_waits);
	ended = pvt_waits_ended();
	nothing = ticks_of(call_nothing, &told);
	kernel = ticks_of(call_waited, &told);
	told.user = true;
	user = ticks_of(call_waited, &told);
	ended = pvt_waits_ended() - ended;
	/* Nobody has waited. */
	*this_cpu_ptr(&pvfault_waits) = before;
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, ended, 2 * COSTED);
	kunit_info(test, "%d waits cost: user %ld, kernel %ld ticks of the TSC\n", COSTED,
		   user - nothing, kernel - nothing);
}

static struct kunit_case waits_cases[] = {
	KUNIT_CASE(test_bucket),
	KUNIT_CASE(test_longest),
	KUNIT_CASE(test_no_wait),
	KUNIT_CASE(test_cost),
	{}
};

static struct kunit_suite waits_suite = {
	.name		= "pvfault_waits",
	.init		= pvt_init,
	.exit		= pvt_exit,
	.test_cases	= waits_cases,
};

kunit_test_suite(waits_suite);
