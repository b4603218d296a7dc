// SPDX-License-Identifier: GPL-2.0
/* KUnit: a case for each edge of the transition table in table.c. */

#include <linux/iopoll.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>

#include "pvfault_test.h"

/* SLEEPING to WOKEN, by READY. */
static void sleep_and_wake(struct kunit *test, int sleep_cpu, int ready_cpu)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start_on(test, token, sleep_cpu);

	pvt_expect_asleep(test, 1);
	pvt_expect_marks(test, 0);
	pvt_expect_still_asleep(test, s);
	pvt_ready_on(test, ready_cpu, token);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

static void test_wake_same_cpu(struct kunit *test)
{
	sleep_and_wake(test, 0, 0);
}

static void test_wake_other_cpu(struct kunit *test)
{
	sleep_and_wake(test, 0, pvt_other_cpu(test));
}

/* (free mark) to EARLY by READY, and back by NOT_PRESENT. */
static void early_ready(struct kunit *test, int sleep_cpu, int ready_cpu)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	unsigned int before = pvfault_table_marks(ready_cpu);

	pvt_ready_on(test, ready_cpu, token);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(ready_cpu), before + 1);
	pvt_expect_marks(test, 1);
	pvt_expect_back(test, pvt_start_on(test, token, sleep_cpu));
	expect_counts(test, 0, N(not_present, 1), N(early_hit, 1),
		      N(ready, 1), N(early, 1));
}

static void test_early_same_cpu(struct kunit *test)
{
	early_ready(test, 0, 0);
}

static void test_early_other_cpu(struct kunit *test)
{
	early_ready(test, 0, pvt_other_cpu(test));
}

static void test_early_twice(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);

	pvfault_ready(token);
	pvfault_ready(token);
	pvt_expect_marks(test, 1);
	pvt_drain(test, token, 1);
	expect_counts(test, 0, N(not_present, 1), N(early_hit, 1),
		      N(ready, 2), N(early, 1), N(dropped, 1));
}

/* The second one may be an early READY of the same token, used anew. */
static void test_late_twice(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 1);
	pvfault_ready(token);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	pvt_expect_marks(test, 1);
	pvt_drain(test, token, 1);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 1), N(wake, 1),
		      N(early_hit, 1), N(ready, 2), N(early, 1));
}

/* An EARLY mark is good for one NOT_PRESENT. */
static void test_early_once(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s;

	pvfault_ready(token);
	pvt_drain(test, token, 1);
	s = pvt_start(test, token);
	pvt_expect_asleep(test, 1);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 1), N(wake, 1),
		      N(early_hit, 1), N(ready, 2), N(early, 1));
}

static void test_two_sleepers(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(2);
	struct pvt_sleeper *s[] = { pvt_start(test, token), pvt_start(test, token) };
	struct pvt_sleeper *bystander = pvt_start(test, token + 1);

	pvt_expect_asleep(test, 3);
	pvfault_ready(token);
	pvt_expect_back(test, s[0]);
	pvt_expect_back(test, s[1]);
	pvt_expect_still_asleep(test, bystander);
	pvt_expect_asleep(test, 1);
	pvfault_ready(token + 1);
	pvt_expect_back(test, bystander);
	expect_counts(test, 2, N(not_present, 3), N(sleep, 3), N(wake, 3), N(ready, 2));
}

/* No edge: if something else wakes the task, it goes back to sleep. */
static void test_spurious_wake(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start(test, token);
	unsigned long before, now;
	int i;

	pvt_expect_asleep(test, 1);
	for (i = 0; i < 3; i++) {
		unsigned int io;

		/* Only a task that really sleeps can be woken. */
		KUNIT_ASSERT_EQ(test, 0,
				read_poll_timeout(READ_ONCE, io, io & TASK_UNINTERRUPTIBLE,
						  200, WAIT_MS * 1000, false,
						  s->task->__state));
		before = READ_ONCE(s->task->nvcsw);
		wake_up_process(s->task);
		KUNIT_ASSERT_EQ(test, 0,
				read_poll_timeout(READ_ONCE, now, now > before,
						  200, WAIT_MS * 1000, false,
						  s->task->nvcsw));
	}
	pvt_expect_asleep(test, 1);
	pvt_expect_still_asleep(test, s);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

/* A task that waits for the host waits for I/O, killably. */
static void test_iowait(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start(test, token);
	unsigned int state;

	pvt_expect_asleep(test, 1);
	KUNIT_ASSERT_EQ(test, 0,
			read_poll_timeout(READ_ONCE, state,
					  (state & TASK_KILLABLE) == TASK_KILLABLE &&
					  s->task->in_iowait, 200, WAIT_MS * 1000,
					  false, s->task->__state));
	pvfault_ready(token);
	KUNIT_ASSERT_TRUE(test, wait_for_completion_timeout(&s->back,
							    msecs_to_jiffies(WAIT_MS)));
	KUNIT_EXPECT_FALSE(test, s->task->in_iowait);
	complete(&s->back);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

/*
 * SLEEPING to LEFT and (free mark) to ABANDONED by a fatal signal, and back by
 * READY. The READY after that is for an unknown token.
 */
static void test_abandoned(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 1);
	pvt_kill_sleeper(test, s);
	pvt_expect_asleep(test, 0);
	pvt_expect_marks(test, 1);
	pvfault_ready(token);
	pvt_expect_marks(test, 0);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_dropped), 1);

	pvfault_ready(token);
	pvt_expect_marks(test, 1);
	pvt_drain(test, token, 1);
	expect_counts(test, 0, N(not_present, 2), N(sleep, 1), N(abandoned, 1),
		      N(early_hit, 1), N(ready, 2), N(dropped, 1), N(early, 1));
}

static void test_killed_before(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_sleeper_new(test, token);

	s->killed_first = true;
	pvt_sleeper_run(test, s, -1);
	pvt_expect_back(test, s);
	pvt_expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 1), N(sleep, 1), N(abandoned, 1),
		      N(ready, 1), N(dropped, 1));
}

/* ABANDONED to (free mark) by NOT_PRESENT: the token is used anew. */
static void test_abandoned_anew(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 1);
	pvt_kill_sleeper(test, s);
	pvt_expect_marks(test, 1);
	s = pvt_start(test, token);
	pvt_expect_asleep(test, 1);
	pvt_expect_marks(test, 0);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 2), N(abandoned, 1),
		      N(wake, 1), N(ready, 1));
}

/* One READY for a task that waits and one that has left. */
static void test_abandoned_by_one_of_two(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *killed = pvt_start(test, token);
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 2);
	pvt_kill_sleeper(test, killed);
	pvt_expect_asleep(test, 1);
	pvt_expect_still_asleep(test, s);
	pvt_expect_marks(test, 1);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 2), N(abandoned, 1),
		      N(wake, 1), N(ready, 1));
}

/* A token is known once, however many have left it. */
static void test_abandoned_by_two(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s[] = { pvt_start(test, token), pvt_start(test, token) };

	pvt_expect_asleep(test, 2);
	pvt_kill_sleeper(test, s[0]);
	pvt_kill_sleeper(test, s[1]);
	pvt_expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 2), N(sleep, 2), N(abandoned, 2),
		      N(ready, 1), N(dropped, 1));
}

/* (free mark) to ABANDONED by a rejection. A second rejection changes nothing. */
static void test_rejected(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);

	pvt_refuse(test, token, PVT_TASK);
	pvt_expect_marks(test, 1);
	pvt_refuse(test, token, PVT_TASK);
	pvt_expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 2), N(rejected, 2),
		      N(ready, 1), N(dropped, 1));
}

/* The table can't be touched here, so the READY finds an unknown token. */
static void test_rejected_irqs_off(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);

	pvt_refuse(test, token, PVT_IRQS_OFF);
	pvt_expect_marks(test, 0);
	pvfault_ready(token);
	pvt_expect_marks(test, 1);
	pvt_drain(test, token, 1);
	expect_counts(test, 0, N(not_present, 2), N(rejected, 1), N(early_hit, 1),
		      N(ready, 1), N(early, 1));
}

/* EARLY to (free mark) by a task that leaves: that READY was its own. */
static void test_rejected_early(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s;

	pvfault_ready(token);
	pvt_expect_marks(test, 1);
	pvt_refuse(test, token, PVT_TASK);
	pvt_expect_marks(test, 0);
	s = pvt_start(test, token);
	pvt_expect_asleep(test, 1);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(rejected, 1), N(sleep, 1),
		      N(wake, 1), N(ready, 2), N(early, 1));
}

/* A rejection while another task sleeps on the token doesn't harm the sleeper. */
static void test_rejected_beside_sleeper(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct pvt_sleeper *s = pvt_start(test, token);

	pvt_expect_asleep(test, 1);
	pvt_refuse(test, token, PVT_TASK);
	pvt_expect_marks(test, 1);
	pvt_expect_asleep(test, 1);
	pvfault_ready(token);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(rejected, 1), N(sleep, 1),
		      N(wake, 1), N(ready, 1));
}

/* EARLY to (free mark) by the owner CPU: the oldest gives way. */
static void test_overflow(struct kunit *test)
{
	const unsigned int more = 6;
	pvfault_token_t token = pvt_fresh_tokens(MARKS + more);
	struct pvt_sleeper *s;

	pvt_flood(test, 0, token, MARKS);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_overwritten), 0);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(0), MARKS);
	pvt_flood(test, 0, token + MARKS, more);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_overwritten), more);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(0), MARKS);

	/* The first one is forgotten by now, the last 64 aren't. */
	s = pvt_start(test, token + more - 1);
	pvt_expect_asleep(test, 1);
	pvt_drain(test, token + more, MARKS);
	pvt_expect_marks(test, 0);
	pvfault_ready(token + more - 1);
	pvt_expect_back(test, s);
	expect_counts(test, 1, N(not_present, MARKS + 1), N(sleep, 1), N(wake, 1),
		      N(early_hit, MARKS), N(ready, MARKS + more + 1),
		      N(early, MARKS + more), N(overwritten, more));
}

/* Another CPU's pool isn't touched, and a mark goes back to its own. */
static void test_overflow_other_cpu(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(2 * MARKS + 1);
	int cpu = pvt_other_cpu(test);

	pvt_flood(test, cpu, token, MARKS);
	pvt_flood(test, 0, token + MARKS, MARKS + 1);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_overwritten), 1);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(cpu), MARKS);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(0), MARKS);
	pvt_drain(test, token, MARKS);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(cpu), 0);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(0), MARKS);
	pvt_drain(test, token + MARKS + 1, MARKS);
	expect_counts(test, 0, N(not_present, 2 * MARKS), N(early_hit, 2 * MARKS),
		      N(ready, 2 * MARKS + 1), N(early, 2 * MARKS + 1),
		      N(overwritten, 1));
}

/* ABANDONED to (free mark) by the owner CPU: its late READY is then unknown. */
static void test_overflow_abandoned(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(MARKS + 1);

	pvt_refuse(test, token, PVT_TASK);
	pvt_flood(test, 0, token + 1, MARKS);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_overwritten), 1);
	pvt_drain(test, token + 1, MARKS);
	pvt_expect_marks(test, 0);
	pvfault_ready(token);
	pvt_expect_marks(test, 1);
	pvt_drain(test, token, 1);
	expect_counts(test, 0, N(not_present, MARKS + 2), N(rejected, 1),
		      N(early_hit, MARKS + 1), N(ready, MARKS + 1),
		      N(early, MARKS + 1), N(overwritten, 1));
}

/* No value of a token has a meaning for the core. */
static void test_any_token(struct kunit *test)
{
	static const pvfault_token_t token[] = {
		0, ~0ULL, 1, U32_MAX, 1ULL << 32, 1ULL << 63,
	};
	const unsigned int n = ARRAY_SIZE(token);
	struct pvt_sleeper *s[ARRAY_SIZE(token)];
	int i;

	for (i = 0; i < n; i++)
		pvfault_ready(token[i]);
	pvt_expect_marks(test, n);
	for (i = 0; i < n; i++)
		pvt_drain(test, token[i], 1);
	pvt_expect_marks(test, 0);
	for (i = 0; i < n; i++)
		s[i] = pvt_start(test, token[i]);
	pvt_expect_asleep(test, n);
	for (i = 0; i < n; i++) {
		pvfault_ready(token[i]);
		pvt_expect_back(test, s[i]);
		pvt_expect_asleep(test, n - i - 1);
	}
	expect_counts(test, n, N(not_present, 2 * n), N(early_hit, n), N(sleep, n),
		      N(wake, n), N(ready, 2 * n), N(early, n));
}

struct irq_ready {
	struct irq_work work;
	pvfault_token_t token;
	bool hard;
};

static void ready_irq(struct irq_work *work)
{
	struct irq_ready *r = container_of(work, struct irq_ready, work);

	r->hard = in_hardirq();
	pvfault_ready(r->token);
}

static void test_hard_irq(struct kunit *test)
{
	struct irq_ready late = {
		.work = IRQ_WORK_INIT_HARD(ready_irq), .token = pvt_fresh_tokens(1),
	};
	struct irq_ready early = {
		.work = IRQ_WORK_INIT_HARD(ready_irq), .token = pvt_fresh_tokens(1),
	};
	struct pvt_sleeper *s = pvt_start(test, late.token);

	pvt_expect_asleep(test, 1);
	irq_work_queue(&late.work);
	irq_work_queue(&early.work);
	irq_work_sync(&late.work);
	irq_work_sync(&early.work);
	KUNIT_EXPECT_TRUE(test, late.hard);
	KUNIT_EXPECT_TRUE(test, early.hard);
	pvt_expect_back(test, s);
	pvt_expect_marks(test, 1);
	pvt_drain(test, early.token, 1);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 1), N(wake, 1),
		      N(early_hit, 1), N(ready, 2), N(early, 1));
}

static struct kunit_case pvfault_table_cases[] = {
	KUNIT_CASE(test_wake_same_cpu),
	KUNIT_CASE(test_wake_other_cpu),
	KUNIT_CASE(test_early_same_cpu),
	KUNIT_CASE(test_early_other_cpu),
	KUNIT_CASE(test_early_twice),
	KUNIT_CASE(test_late_twice),
	KUNIT_CASE(test_early_once),
	KUNIT_CASE(test_two_sleepers),
	KUNIT_CASE(test_spurious_wake),
	KUNIT_CASE(test_iowait),
	KUNIT_CASE(test_abandoned),
	KUNIT_CASE(test_killed_before),
	KUNIT_CASE(test_abandoned_anew),
	KUNIT_CASE(test_abandoned_by_one_of_two),
	KUNIT_CASE(test_abandoned_by_two),
	KUNIT_CASE(test_rejected),
	KUNIT_CASE(test_rejected_irqs_off),
	KUNIT_CASE(test_rejected_early),
	KUNIT_CASE(test_rejected_beside_sleeper),
	KUNIT_CASE(test_overflow),
	KUNIT_CASE(test_overflow_other_cpu),
	KUNIT_CASE(test_overflow_abandoned),
	KUNIT_CASE(test_any_token),
	KUNIT_CASE(test_hard_irq),
	{}
};

static struct kunit_suite pvfault_table_suite = {
	.name		= "pvfault_table",
	.init		= pvt_init,
	.exit		= pvt_exit,
	.test_cases	= pvfault_table_cases,
};

kunit_test_suite(pvfault_table_suite);
