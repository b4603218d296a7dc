// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the core, with a backend that is no hypervisor: it withholds
 * no memory, it only says so.
 *
 * There is a case for each edge of the transition table in table.c, for each
 * row of the contract in pvfault.h, and for what must not happen in between.
 * A case says which counters it moves and by how much; all others must stand
 * still, and the balance equations of internal.h must hold once it is over.
 *
 * NOT_PRESENT comes from threads that call pvfault_wait(), and, where it is to
 * be refused, from a real #PF in kernel mode that the backend claims.
 *
 * Nothing here waits for a fixed time, and nothing waits without a bound: a
 * thread that doesn't come back fails its case, and is then woken by READY for
 * all. Boot with "pvfault_test.seed=N" to repeat the random cases.
 */

#include <kunit/test.h>

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/iopoll.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/stringify.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "internal.h"

#define WAIT_MS		15000		/* for what comes at once if all is well */
#define SLACK		(2 * HZ)	/* an emulated machine may be slow */
#define LONG_MS		3600000		/* a deadline that no case reaches */
#define SHORT_MS	1000		/* the shortest deadline there is */
#define MARKS		64		/* see pvfault_table_marks() */
#define NR_SLEEPERS	8

static unsigned long seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of the random cases; 0: a new one each boot");

/* A thread that is told NOT_PRESENT. */
struct sleeper {
	pvfault_token_t token;
	unsigned int count;		/* of tokens from there on, in turn */
	unsigned int span;		/* if not 0: at random from so many */
	struct rnd_state rnd;
	bool told;			/* was told at this generation */
	u32 generation;
	bool ready_first;		/* READY from itself first */
	bool all_first;			/* READY for all first */
	bool killed_first;		/* gets a fatal signal first */

	struct task_struct *task;	/* NULL: not running */
	struct completion back;
	unsigned int done;		/* waits that have ended */
	unsigned long waited;		/* jiffies, of the last one */
	unsigned int wrong;		/* returns in a wrong state */
	bool stop;
};

/* Static, so that a thread which never comes back has something to stand on. */
static struct {
	bool stuck;
	bool registered;
	pvfault_token_t next_token;
	struct sleeper sleepers[NR_SLEEPERS];
	unsigned int nr_sleepers;
	unsigned long base[PVFAULT_NR_EVENTS];
	unsigned int marks;
	unsigned long deadline_ms;
	int removed_cpu;		/* to be added again */
} fx = { .next_token = 0x7e57000000000000 };

/* The backend: what it was asked to do, and what it is to do when asked. */
static struct {
	struct cpumask told;		/* these CPUs now */
	struct cpumask hushed;		/* was called for these */
	struct cpumask repaired;	/* was called on these */
	atomic_t wrong;			/* calls in a wrong context */
	int fail_cpu;			/* cpu_online says no */
	atomic_t lost;			/* the next repair finds this */
	pvfault_token_t lost_token;
	/* A genuine fault here is a notification, that often. */
	unsigned long address;
	unsigned int faults;
	pvfault_token_t fault_token;
} fake;

static noinstr bool fake_recognise(struct pt_regs *regs, unsigned long error_code,
				   unsigned long address, pvfault_token_t *token)
{
	if (!READ_ONCE(fake.faults) || address != fake.address)
		return false;
	WRITE_ONCE(fake.faults, fake.faults - 1);
	*token = fake.fault_token;
	return true;
}

static void fake_check_context(unsigned int cpu)
{
	if (!irqs_disabled() || cpu != raw_smp_processor_id())
		atomic_inc(&fake.wrong);
}

static int fake_cpu_online(unsigned int cpu)
{
	fake_check_context(cpu);
	if (cpu == fake.fail_cpu)
		return -EIO;
	cpumask_set_cpu(cpu, &fake.told);
	return 0;
}

static void fake_cpu_offline(unsigned int cpu)
{
	fake_check_context(cpu);
	cpumask_clear_cpu(cpu, &fake.told);
	cpumask_set_cpu(cpu, &fake.hushed);
}

static void fake_repair(void)
{
	unsigned int cpu = raw_smp_processor_id();

	fake_check_context(cpu);
	if (!cpumask_test_cpu(cpu, &fake.told))
		atomic_inc(&fake.wrong);
	if (atomic_xchg(&fake.lost, 0))
		pvfault_ready(fake.lost_token);
	cpumask_set_cpu(cpu, &fake.repaired);
}

static const struct pvfault_backend fake_backend = {
	.name		= "test",
	.recognise	= fake_recognise,
	.cpu_online	= fake_cpu_online,
	.cpu_offline	= fake_cpu_offline,
	.repair		= fake_repair,
};

/* What has been counted since the case began. */
static unsigned long since(enum pvfault_event event)
{
	return pvfault_count(event) - fx.base[event];
}

static unsigned int total_marks(void)
{
	unsigned int sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += pvfault_table_marks(cpu);
	return sum;
}

static void expect_marks(struct kunit *test, unsigned int more)
{
	KUNIT_EXPECT_EQ(test, total_marks(), fx.marks + more);
}

/* The equations of internal.h, and that nothing is left. @woke: by READYs. */
static void expect_balance(struct kunit *test, unsigned long woke)
{
	KUNIT_EXPECT_EQ(test, pvfault_table_outstanding(), 0);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_not_present),
			since(PVFAULT_NR_sleep) + since(PVFAULT_NR_early_hit) +
			since(PVFAULT_NR_rejected));
	/* Whom a case sends to sleep comes through pvfault_wait(). */
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_not_present),
			since(PVFAULT_NR_deferred) + since(PVFAULT_NR_rejected));
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_sleep),
			since(PVFAULT_NR_wake) + since(PVFAULT_NR_retry) +
			since(PVFAULT_NR_abandoned));
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_ready),
			woke + since(PVFAULT_NR_early) + since(PVFAULT_NR_dropped));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.wrong), 0);
	expect_marks(test, 0);
}

#define EVENT_NAME(name) __stringify(name),
static const char * const event_names[] = {
	PVFAULT_EVENTS(EVENT_NAME)
};

static void expect_events(struct kunit *test, unsigned long woke,
			  const unsigned long *expected)
{
	int i;

	for (i = 0; i < PVFAULT_NR_EVENTS; i++) {
		/*
		 * A slow machine may be asked for a repair in any case;
		 * deferred is what expect_balance() says it is.
		 */
		if (i != PVFAULT_NR_repair && i != PVFAULT_NR_deferred)
			KUNIT_EXPECT_EQ_MSG(test, since(i), expected[i],
					    "counter %s", event_names[i]);
	}
	expect_balance(test, woke);
}

/* The end of a case: so many READYs woke somebody, and these were counted. */
#define N(event, n) \
	[PVFAULT_NR_##event] = (n)
#define expect_counts(test, woke, ...)					\
	expect_events(test, woke,					\
		      (const unsigned long [PVFAULT_NR_EVENTS]) { __VA_ARGS__ })

/* Tokens that no other case has used. */
static pvfault_token_t fresh_tokens(unsigned int n)
{
	pvfault_token_t token = fx.next_token;

	fx.next_token += n;
	return token;
}

static void sleeper_wait(struct sleeper *s, pvfault_token_t token)
{
	unsigned long start = jiffies;

	if (s->killed_first)
		send_sig(SIGKILL, current, 1);
	local_irq_disable();
	if (s->ready_first) {
		/* The first one may be dropped: the token was abandoned. */
		pvfault_ready(token);
		pvfault_ready(token);
	}
	if (s->all_first)
		pvfault_ready_all();
	pvfault_wait(token, s->told ? s->generation : pvfault_generation());
	if (!irqs_disabled() || !task_is_running(current))
		s->wrong++;
	local_irq_enable();
	s->waited = jiffies - start;
	flush_signals(current);
}

static int sleeper_thread(void *data)
{
	struct sleeper *s = data;
	unsigned int i;

	allow_signal(SIGKILL);
	for (i = 0; i < s->count && !READ_ONCE(s->stop); i++) {
		u32 n = s->span ? prandom_u32_state(&s->rnd) % s->span : i;

		sleeper_wait(s, s->token + n);
		WRITE_ONCE(s->done, i + 1);
		cond_resched();
	}
	complete(&s->back);
	return 0;
}

static struct sleeper *sleeper_new(struct kunit *test, pvfault_token_t token)
{
	struct sleeper *s;

	KUNIT_ASSERT_LT(test, fx.nr_sleepers, NR_SLEEPERS);
	s = &fx.sleepers[fx.nr_sleepers++];
	*s = (struct sleeper) { .token = token, .count = 1 };
	init_completion(&s->back);
	return s;
}

/* @cpu: where, or -1 */
static void sleeper_run(struct kunit *test, struct sleeper *s, int cpu)
{
	struct task_struct *task;

	task = kthread_create(sleeper_thread, s, "pvfault_test/%td",
			      s - fx.sleepers);
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	if (cpu >= 0)
		kthread_bind(task, cpu);
	s->task = get_task_struct(task);
	wake_up_process(task);
}

static bool sleeper_join(struct sleeper *s, unsigned int ms)
{
	if (!s->task)
		return true;
	if (!wait_for_completion_timeout(&s->back, msecs_to_jiffies(ms)))
		return false;
	kthread_stop(s->task);
	put_task_struct(s->task);
	s->task = NULL;
	return true;
}

static void expect_back(struct kunit *test, struct sleeper *s)
{
	KUNIT_ASSERT_TRUE_MSG(test, sleeper_join(s, WAIT_MS),
			      "still asleep after %u of %u waits",
			      READ_ONCE(s->done), s->count);
	KUNIT_EXPECT_EQ(test, s->done, s->count);
	KUNIT_EXPECT_EQ(test, s->wrong, 0);
}

static struct sleeper *start_on(struct kunit *test, pvfault_token_t token, int cpu)
{
	struct sleeper *s = sleeper_new(test, token);

	sleeper_run(test, s, cpu);
	return s;
}

/* A task is told that @token is missing. */
static struct sleeper *start(struct kunit *test, pvfault_token_t token)
{
	return start_on(test, token, -1);
}

/* NOT_PRESENT for @count tokens that each had their READY: nobody sleeps. */
static void drain(struct kunit *test, pvfault_token_t token, unsigned int count)
{
	struct sleeper *s = sleeper_new(test, token);

	s->count = count;
	sleeper_run(test, s, -1);
	expect_back(test, s);
	fx.nr_sleepers--;
}

/* Erase whatever is remembered of @count tokens, whichever they are. */
static void forget(struct kunit *test, pvfault_token_t token, unsigned int count)
{
	struct sleeper *s = sleeper_new(test, token);

	s->count = count;
	s->ready_first = true;
	sleeper_run(test, s, -1);
	expect_back(test, s);
	fx.nr_sleepers--;
}

static void expect_asleep(struct kunit *test, unsigned int n)
{
	unsigned int got;

	KUNIT_ASSERT_EQ(test, 0,
			read_poll_timeout(pvfault_table_outstanding, got, got == n,
					  200, WAIT_MS * 1000, false));
}

static void expect_still_asleep(struct kunit *test, struct sleeper *s)
{
	KUNIT_EXPECT_FALSE(test, completion_done(&s->back));
}

static void ready_ipi(void *token)
{
	pvfault_ready(*(pvfault_token_t *)token);
}

static void ready_on(struct kunit *test, int cpu, pvfault_token_t token)
{
	KUNIT_EXPECT_EQ(test, smp_call_function_single(cpu, ready_ipi, &token, true), 0);
}

static int other_cpu(struct kunit *test)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, 0);

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs a second CPU");
	return cpu;
}

/* One READY after the other, on one CPU. */
struct flood {
	pvfault_token_t token;
	unsigned int count;
};

static int flood_fn(void *data)
{
	struct flood *f = data;
	unsigned int i;

	for (i = 0; i < f->count; i++) {
		pvfault_ready(f->token + i);
		cond_resched();
	}
	return 0;
}

static void flood(struct kunit *test, int cpu, pvfault_token_t token,
		  unsigned int count)
{
	struct flood f = { token, count };

	KUNIT_ASSERT_EQ_MSG(test, fx.marks, 0, "left behind by an earlier case");
	KUNIT_EXPECT_EQ(test, smp_call_on_cpu(cpu, flood_fn, &f, false), 0);
}

/* Touch the address that the backend claims; the retry finds it unmapped. */
static int refuse_fn(void *irqs_off)
{
	unsigned long flags;
	long err;
	char c;

	if (!irqs_off)
		return copy_from_kernel_nofault(&c, (void *)fake.address, 1);
	local_irq_save(flags);
	err = copy_from_kernel_nofault(&c, (void *)fake.address, 1);
	local_irq_restore(flags);
	return err;
}

/* NOT_PRESENT where no task may sleep: a #PF in kernel mode, on CPU 0. */
static void refuse(struct kunit *test, pvfault_token_t token, bool irqs_off)
{
	if (!fake.address) {
		void *page = vmalloc(PAGE_SIZE);

		KUNIT_ASSERT_NOT_NULL(test, page);
		/* A guard page follows. */
		fake.address = (unsigned long)page + PAGE_SIZE;
	}
	fake.fault_token = token;
	WRITE_ONCE(fake.faults, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			smp_call_on_cpu(0, refuse_fn, irqs_off ? test : NULL, false));
	KUNIT_EXPECT_EQ(test, fake.faults, 0);
}

/* A fatal signal for somebody who is asleep. */
static void kill_sleeper(struct kunit *test, struct sleeper *s)
{
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, s->task, 1), 0);
	expect_back(test, s);
}

static void fx_register(struct kunit *test)
{
	int err;

	err = pvfault_register(&fake_backend);
	if (err == -EBUSY)
		kunit_skip(test, "backend %s is active", pvfault_backend_name());
	if (err == -ENODEV)
		kunit_skip(test, "switched off at boot");
	KUNIT_ASSERT_EQ(test, err, 0);
	fx.registered = true;
}

static int pvfault_test_init(struct kunit *test)
{
	int i;

	KUNIT_ASSERT_FALSE_MSG(test, fx.stuck, "a thread of an earlier case sleeps");
	memset(&fake, 0, sizeof(fake));
	fake.fail_cpu = -1;
	fx.removed_cpu = -1;
	fx.nr_sleepers = 0;
	fx_register(test);
	fx.deadline_ms = pvfault_deadline_ms();
	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(LONG_MS), 0);

	for (i = 0; i < PVFAULT_NR_EVENTS; i++)
		fx.base[i] = pvfault_count(i);
	fx.marks = total_marks();
	KUNIT_ASSERT_EQ(test, pvfault_table_outstanding(), 0);
	return 0;
}

/* Only after a failure is there anybody to be fetched back. */
static void fetch_back(struct sleeper *s)
{
	unsigned long end = jiffies + msecs_to_jiffies(WAIT_MS);

	WRITE_ONCE(s->stop, true);
	while (!sleeper_join(s, 0) && time_before(jiffies, end)) {
		pvfault_ready_all();
		sleeper_join(s, 100);
	}
	if (s->task)
		fx.stuck = true;
}

static void pvfault_test_exit(struct kunit *test)
{
	int i;

	if (!fx.registered)
		return;
	for (i = 0; i < NR_SLEEPERS; i++)
		fetch_back(&fx.sleepers[i]);
	if (fx.removed_cpu >= 0)
		add_cpu(fx.removed_cpu);
	pvfault_unregister(&fake_backend);
	pvfault_set_deadline_ms(fx.deadline_ms);
	if (fake.address)
		vfree((void *)(fake.address - PAGE_SIZE));
	fx.registered = false;
}

/* SLEEPING to WOKEN, by READY. */
static void sleep_and_wake(struct kunit *test, int sleep_cpu, int ready_cpu)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = start_on(test, token, sleep_cpu);

	expect_asleep(test, 1);
	expect_marks(test, 0);
	expect_still_asleep(test, s);
	ready_on(test, ready_cpu, token);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

static void test_wake_same_cpu(struct kunit *test)
{
	sleep_and_wake(test, 0, 0);
}

static void test_wake_other_cpu(struct kunit *test)
{
	sleep_and_wake(test, 0, other_cpu(test));
}

/* (free mark) to EARLY by READY, and back by NOT_PRESENT. */
static void early_ready(struct kunit *test, int sleep_cpu, int ready_cpu)
{
	pvfault_token_t token = fresh_tokens(1);
	unsigned int before = pvfault_table_marks(ready_cpu);

	ready_on(test, ready_cpu, token);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(ready_cpu), before + 1);
	expect_marks(test, 1);
	expect_back(test, start_on(test, token, sleep_cpu));
	expect_counts(test, 0, N(not_present, 1), N(early_hit, 1),
		      N(ready, 1), N(early, 1));
}

static void test_early_same_cpu(struct kunit *test)
{
	early_ready(test, 0, 0);
}

static void test_early_other_cpu(struct kunit *test)
{
	early_ready(test, 0, other_cpu(test));
}

static void test_early_twice(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);

	pvfault_ready(token);
	pvfault_ready(token);
	expect_marks(test, 1);
	drain(test, token, 1);
	expect_counts(test, 0, N(not_present, 1), N(early_hit, 1),
		      N(ready, 2), N(early, 1), N(dropped, 1));
}

/* The second one may be an early READY of the same token, used anew. */
static void test_late_twice(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = start(test, token);

	expect_asleep(test, 1);
	pvfault_ready(token);
	pvfault_ready(token);
	expect_back(test, s);
	expect_marks(test, 1);
	drain(test, token, 1);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 1), N(wake, 1),
		      N(early_hit, 1), N(ready, 2), N(early, 1));
}

/* An EARLY mark is good for one NOT_PRESENT. */
static void test_early_once(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s;

	pvfault_ready(token);
	drain(test, token, 1);
	s = start(test, token);
	expect_asleep(test, 1);
	pvfault_ready(token);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 1), N(wake, 1),
		      N(early_hit, 1), N(ready, 2), N(early, 1));
}

static void test_two_sleepers(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(2);
	struct sleeper *s[] = { start(test, token), start(test, token) };
	struct sleeper *bystander = start(test, token + 1);

	expect_asleep(test, 3);
	pvfault_ready(token);
	expect_back(test, s[0]);
	expect_back(test, s[1]);
	expect_still_asleep(test, bystander);
	expect_asleep(test, 1);
	pvfault_ready(token + 1);
	expect_back(test, bystander);
	expect_counts(test, 2, N(not_present, 3), N(sleep, 3), N(wake, 3), N(ready, 2));
}

/* No edge: whatever else wakes the task, it goes back to sleep. */
static void test_spurious_wake(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = start(test, token);
	unsigned long before, now;
	int i;

	expect_asleep(test, 1);
	for (i = 0; i < 3; i++) {
		unsigned int io;

		/* Only who really sleeps can be woken. */
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
	expect_asleep(test, 1);
	expect_still_asleep(test, s);
	pvfault_ready(token);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

/* Who waits for the host waits for I/O, killably. */
static void test_iowait(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = start(test, token);
	unsigned int state;

	expect_asleep(test, 1);
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
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

/*
 * SLEEPING to LEFT and (free mark) to ABANDONED by a fatal signal, and back by
 * READY. The READY after that is one for a token that nobody knows.
 */
static void test_abandoned(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = start(test, token);

	expect_asleep(test, 1);
	kill_sleeper(test, s);
	expect_asleep(test, 0);
	expect_marks(test, 1);
	pvfault_ready(token);
	expect_marks(test, 0);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_dropped), 1);

	pvfault_ready(token);
	expect_marks(test, 1);
	drain(test, token, 1);
	expect_counts(test, 0, N(not_present, 2), N(sleep, 1), N(abandoned, 1),
		      N(early_hit, 1), N(ready, 2), N(dropped, 1), N(early, 1));
}

static void test_killed_before(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = sleeper_new(test, token);

	s->killed_first = true;
	sleeper_run(test, s, -1);
	expect_back(test, s);
	expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 1), N(sleep, 1), N(abandoned, 1),
		      N(ready, 1), N(dropped, 1));
}

/* ABANDONED to (free mark) by NOT_PRESENT: the token is used anew. */
static void test_abandoned_anew(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = start(test, token);

	expect_asleep(test, 1);
	kill_sleeper(test, s);
	expect_marks(test, 1);
	s = start(test, token);
	expect_asleep(test, 1);
	expect_marks(test, 0);
	pvfault_ready(token);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 2), N(abandoned, 1),
		      N(wake, 1), N(ready, 1));
}

/* One READY for the one who waits and for the one who has left. */
static void test_abandoned_by_one_of_two(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *killed = start(test, token);
	struct sleeper *s = start(test, token);

	expect_asleep(test, 2);
	kill_sleeper(test, killed);
	expect_asleep(test, 1);
	expect_still_asleep(test, s);
	expect_marks(test, 1);
	pvfault_ready(token);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 2), N(abandoned, 1),
		      N(wake, 1), N(ready, 1));
}

/* A token is known once, however many have left it. */
static void test_abandoned_by_two(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s[] = { start(test, token), start(test, token) };

	expect_asleep(test, 2);
	kill_sleeper(test, s[0]);
	kill_sleeper(test, s[1]);
	expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 2), N(sleep, 2), N(abandoned, 2),
		      N(ready, 1), N(dropped, 1));
}

/* (free mark) to ABANDONED by a refuser. Refused again, it stays what it is. */
static void test_rejected(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);

	refuse(test, token, false);
	expect_marks(test, 1);
	refuse(test, token, false);
	expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 2), N(rejected, 2),
		      N(ready, 1), N(dropped, 1));
}

/* The table can't be touched here, so the READY finds an unknown token. */
static void test_rejected_irqs_off(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);

	refuse(test, token, true);
	expect_marks(test, 0);
	pvfault_ready(token);
	expect_marks(test, 1);
	drain(test, token, 1);
	expect_counts(test, 0, N(not_present, 2), N(rejected, 1), N(early_hit, 1),
		      N(ready, 1), N(early, 1));
}

/* EARLY to (free mark) by who leaves: that READY was the one to be dropped. */
static void test_rejected_early(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s;

	pvfault_ready(token);
	expect_marks(test, 1);
	refuse(test, token, false);
	expect_marks(test, 0);
	s = start(test, token);
	expect_asleep(test, 1);
	pvfault_ready(token);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(rejected, 1), N(sleep, 1),
		      N(wake, 1), N(ready, 2), N(early, 1));
}

/* Refused to one while another sleeps: he is not harmed. */
static void test_rejected_beside_sleeper(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = start(test, token);

	expect_asleep(test, 1);
	refuse(test, token, false);
	expect_marks(test, 1);
	expect_asleep(test, 1);
	pvfault_ready(token);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(rejected, 1), N(sleep, 1),
		      N(wake, 1), N(ready, 1));
}

/* SLEEPING to LEFT by the deadline. */
static void test_retry(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s;

	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(SHORT_MS), 0);
	s = start(test, token);
	expect_back(test, s);
	KUNIT_EXPECT_GE(test, s->waited, msecs_to_jiffies(SHORT_MS));
	KUNIT_EXPECT_LE(test, s->waited, msecs_to_jiffies(SHORT_MS) + HZ + SLACK);
	expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 1), N(sleep, 1), N(retry, 1),
		      N(ready, 1), N(dropped, 1));
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
			read_poll_timeout(since, got, got >= n, 1000,
					  WAIT_MS * 1000, false, PVFAULT_NR_repair));
}

static void expect_repaired(struct kunit *test, const struct cpumask *cpus)
{
	bool got;

	KUNIT_ASSERT_EQ(test, 0,
			read_poll_timeout(cpumask_equal, got, got, 1000,
					  WAIT_MS * 1000, false, &fake.repaired, cpus));
}

/* No edge: a repair that finds nothing. Any CPU may have been told. */
static void test_repair(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(1);
	unsigned long begin = jiffies;
	struct sleeper *s = start(test, token);

	expect_asleep(test, 1);
	expect_repaired(test, cpu_online_mask);
	KUNIT_EXPECT_GE(test, jiffies - begin, HZ);
	KUNIT_EXPECT_LE(test, jiffies - begin, 2 * HZ + SLACK);

	/* And again each second. */
	cpumask_clear(&fake.repaired);
	expect_repaired(test, cpu_online_mask);
	expect_asleep(test, 1);
	expect_still_asleep(test, s);
	pvfault_ready(token);
	expect_back(test, s);
	KUNIT_EXPECT_GE(test, since(PVFAULT_NR_repair), 2 * num_online_cpus());
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

static void test_repair_finds_lost(struct kunit *test)
{
	struct sleeper *s;

	fake.lost_token = fresh_tokens(1);
	atomic_set(&fake.lost, 1);
	s = start(test, fake.lost_token);
	expect_back(test, s);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.lost), 0);
	KUNIT_EXPECT_GE(test, s->waited, HZ);
	KUNIT_EXPECT_LE(test, s->waited, 2 * HZ + SLACK);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

/* SLEEPING to WOKEN, by READY for all. It leaves marks alone. */
static void test_ready_all(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(3);
	u32 generation = pvfault_generation();
	struct sleeper *s[] = {
		start(test, token), start(test, token + 1), start(test, token),
	};

	expect_asleep(test, 3);
	pvfault_ready(token + 2);
	pvfault_ready_all();
	KUNIT_EXPECT_EQ(test, pvfault_generation(), generation + 1);
	expect_back(test, s[0]);
	expect_back(test, s[1]);
	expect_back(test, s[2]);
	expect_marks(test, 1);
	drain(test, token + 2, 1);
	expect_counts(test, 0, N(not_present, 4), N(sleep, 3), N(wake, 3),
		      N(early_hit, 1), N(wake_all, 1), N(ready, 1), N(early, 1));
}

/* Told before READY for all, but asleep only after it: not at all, that is. */
static void test_ready_all_in_between(struct kunit *test)
{
	struct sleeper *s = sleeper_new(test, fresh_tokens(1));

	s->told = true;
	s->generation = pvfault_generation();
	pvfault_ready_all();
	sleeper_run(test, s, -1);
	expect_back(test, s);
	expect_counts(test, 0, N(not_present, 1), N(early_hit, 1), N(wake_all, 1));
}

/* Told after READY for all, which is still under way: sleeps through it. */
static void test_ready_all_before(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(2);
	struct sleeper *old = start(test, token);
	struct sleeper *s;

	expect_asleep(test, 1);
	s = sleeper_new(test, token + 1);
	s->all_first = true;
	sleeper_run(test, s, -1);
	expect_back(test, old);
	/* One pass has woken that one; a repair shows that one has seen this. */
	expect_repairs(test, since(PVFAULT_NR_repair) + 1);
	expect_asleep(test, 1);
	expect_still_asleep(test, s);
	pvfault_ready(token + 1);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 2), N(wake, 2),
		      N(wake_all, 1), N(ready, 1));
}

/* EARLY to (free mark) by the owner CPU: the oldest gives way. */
static void test_overflow(struct kunit *test)
{
	const unsigned int more = 6;
	pvfault_token_t token = fresh_tokens(MARKS + more);
	struct sleeper *s;

	flood(test, 0, token, MARKS);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_overwritten), 0);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(0), MARKS);
	flood(test, 0, token + MARKS, more);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_overwritten), more);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(0), MARKS);

	/* The first one is forgotten by now, the last 64 aren't. */
	s = start(test, token + more - 1);
	expect_asleep(test, 1);
	drain(test, token + more, MARKS);
	expect_marks(test, 0);
	pvfault_ready(token + more - 1);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, MARKS + 1), N(sleep, 1), N(wake, 1),
		      N(early_hit, MARKS), N(ready, MARKS + more + 1),
		      N(early, MARKS + more), N(overwritten, more));
}

/* Another CPU's pool isn't touched, and a mark goes back to its own. */
static void test_overflow_other_cpu(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(2 * MARKS + 1);
	int cpu = other_cpu(test);

	flood(test, cpu, token, MARKS);
	flood(test, 0, token + MARKS, MARKS + 1);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_overwritten), 1);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(cpu), MARKS);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(0), MARKS);
	drain(test, token, MARKS);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(cpu), 0);
	KUNIT_EXPECT_EQ(test, pvfault_table_marks(0), MARKS);
	drain(test, token + MARKS + 1, MARKS);
	expect_counts(test, 0, N(not_present, 2 * MARKS), N(early_hit, 2 * MARKS),
		      N(ready, 2 * MARKS + 1), N(early, 2 * MARKS + 1),
		      N(overwritten, 1));
}

/* ABANDONED to (free mark) by the owner CPU: its late READY is then unknown. */
static void test_overflow_abandoned(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(MARKS + 1);

	refuse(test, token, false);
	flood(test, 0, token + 1, MARKS);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_overwritten), 1);
	drain(test, token + 1, MARKS);
	expect_marks(test, 0);
	pvfault_ready(token);
	expect_marks(test, 1);
	drain(test, token, 1);
	expect_counts(test, 0, N(not_present, MARKS + 2), N(rejected, 1),
		      N(early_hit, MARKS + 1), N(ready, MARKS + 1),
		      N(early, MARKS + 1), N(overwritten, 1));
}

/* No value of a token means anything to the core. */
static void test_any_token(struct kunit *test)
{
	static const pvfault_token_t token[] = {
		0, ~0ULL, 1, U32_MAX, 1ULL << 32, 1ULL << 63,
	};
	const unsigned int n = ARRAY_SIZE(token);
	struct sleeper *s[ARRAY_SIZE(token)];
	int i;

	for (i = 0; i < n; i++)
		pvfault_ready(token[i]);
	expect_marks(test, n);
	for (i = 0; i < n; i++)
		drain(test, token[i], 1);
	expect_marks(test, 0);
	for (i = 0; i < n; i++)
		s[i] = start(test, token[i]);
	expect_asleep(test, n);
	for (i = 0; i < n; i++) {
		pvfault_ready(token[i]);
		expect_back(test, s[i]);
		expect_asleep(test, n - i - 1);
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
		.work = IRQ_WORK_INIT_HARD(ready_irq), .token = fresh_tokens(1),
	};
	struct irq_ready early = {
		.work = IRQ_WORK_INIT_HARD(ready_irq), .token = fresh_tokens(1),
	};
	struct sleeper *s = start(test, late.token);

	expect_asleep(test, 1);
	irq_work_queue(&late.work);
	irq_work_queue(&early.work);
	irq_work_sync(&late.work);
	irq_work_sync(&early.work);
	KUNIT_EXPECT_TRUE(test, late.hard);
	KUNIT_EXPECT_TRUE(test, early.hard);
	expect_back(test, s);
	expect_marks(test, 1);
	drain(test, early.token, 1);
	expect_counts(test, 1, N(not_present, 2), N(sleep, 1), N(wake, 1),
		      N(early_hit, 1), N(ready, 2), N(early, 1));
}

/* The backend goes: all wake, and what the host still says does no harm. */
static void test_unregister(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(3);
	struct sleeper *s[] = {
		start(test, token), start(test, token + 1), start(test, token + 1),
	};
	int i;

	expect_asleep(test, 3);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&fake.told, cpu_online_mask));
	pvfault_unregister(&fake_backend);
	KUNIT_EXPECT_STREQ(test, pvfault_backend_name(), "none");
	KUNIT_EXPECT_TRUE(test, cpumask_empty(&fake.told));
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&fake.hushed, cpu_online_mask));
	for (i = 0; i < 3; i++)
		expect_back(test, s[i]);

	for (i = 0; i < 3; i++)
		pvfault_ready(token + i);
	expect_marks(test, 3);
	fx_register(test);
	expect_marks(test, 3);
	drain(test, token, 3);
	/* How often it took READY for all is the core's own affair. */
	KUNIT_EXPECT_GE(test, since(PVFAULT_NR_wake_all), 1);
	expect_counts(test, 0, N(not_present, 6), N(sleep, 3), N(wake, 3),
		      N(early_hit, 3), N(ready, 3), N(early, 3),
		      N(wake_all, since(PVFAULT_NR_wake_all)));
}

/* The slot: one backend at a time, a whole one, and nobody else lets go of it. */
static void test_slot(struct kunit *test)
{
	static const struct pvfault_backend second = {
		.name = "second", .recognise = fake_recognise,
	};
	static const struct pvfault_backend no_name = { .recognise = fake_recognise };
	static const struct pvfault_backend no_recognise = { .name = "blind" };
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s = start(test, token);

	expect_asleep(test, 1);
	KUNIT_EXPECT_EQ(test, pvfault_register(&second), -EBUSY);
	KUNIT_EXPECT_EQ(test, pvfault_register(&fake_backend), -EBUSY);
	KUNIT_EXPECT_EQ(test, pvfault_register(&no_name), -EINVAL);
	KUNIT_EXPECT_EQ(test, pvfault_register(&no_recognise), -EINVAL);
	pvfault_unregister(&second);
	KUNIT_EXPECT_STREQ(test, pvfault_backend_name(), fake_backend.name);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&fake.told, cpu_online_mask));
	KUNIT_EXPECT_TRUE(test, cpumask_empty(&fake.hushed));
	expect_asleep(test, 1);
	expect_still_asleep(test, s);
	pvfault_ready(token);
	expect_back(test, s);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1));
}

/* The optional callbacks are optional, and a slot that is free can be taken. */
static void test_bare_backend(struct kunit *test)
{
	static const struct pvfault_backend bare = {
		.name = "bare", .recognise = fake_recognise,
	};
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s;

	pvfault_unregister(&fake_backend);
	pvfault_unregister(&fake_backend);
	KUNIT_ASSERT_EQ(test, pvfault_register(&bare), 0);
	s = start(test, token);
	expect_asleep(test, 1);
	expect_repairs(test, num_online_cpus());
	pvfault_unregister(&bare);
	expect_back(test, s);
	KUNIT_EXPECT_TRUE(test, cpumask_empty(&fake.repaired));
	fx_register(test);
	expect_counts(test, 0, N(not_present, 1), N(sleep, 1), N(wake, 1),
		      N(wake_all, since(PVFAULT_NR_wake_all)));
}

/* A CPU that takes no part: nobody else minds, and it isn't asked for anything. */
static void test_cpu_online_fails(struct kunit *test)
{
	static struct cpumask others;
	pvfault_token_t token = fresh_tokens(1);
	struct sleeper *s;

	pvfault_unregister(&fake_backend);
	cpumask_clear(&fake.hushed);
	fake.fail_cpu = cpumask_last(cpu_online_mask);
	cpumask_copy(&others, cpu_online_mask);
	cpumask_clear_cpu(fake.fail_cpu, &others);
	fx_register(test);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&fake.told, &others));

	s = start_on(test, token, fake.fail_cpu);
	expect_asleep(test, 1);
	expect_repairs(test, num_online_cpus());
	expect_repaired(test, &others);
	pvfault_ready(token);
	expect_back(test, s);
	pvfault_unregister(&fake_backend);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&fake.repaired, &others));
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&fake.hushed, &others));
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(wake, 1), N(ready, 1),
		      N(wake_all, since(PVFAULT_NR_wake_all)));
}

/* A CPU goes: what it was told is uncertain, what it remembers is not lost. */
static void test_cpu_offline(struct kunit *test)
{
	pvfault_token_t token = fresh_tokens(3);
	int cpu = other_cpu(test);
	struct sleeper *s[2];

	ready_on(test, cpu, token + 2);
	s[0] = start(test, token);
	s[1] = start(test, token + 1);
	expect_asleep(test, 2);
	if (remove_cpu(cpu)) {
		forget(test, token, 3);
		kunit_skip(test, "CPU %d can't be taken offline", cpu);
	}
	fx.removed_cpu = cpu;
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&fake.hushed, cpumask_of(cpu)));
	KUNIT_EXPECT_FALSE(test, cpumask_test_cpu(cpu, &fake.told));
	expect_back(test, s[0]);
	expect_back(test, s[1]);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_wake_all), 1);
	pvfault_ready(token);
	pvfault_ready(token + 1);
	expect_marks(test, 3);
	drain(test, token, 3);

	KUNIT_ASSERT_EQ(test, add_cpu(cpu), 0);
	fx.removed_cpu = -1;
	KUNIT_EXPECT_TRUE(test, cpumask_equal(&fake.told, cpu_online_mask));
	KUNIT_EXPECT_TRUE(test, cpumask_test_cpu(cpu, &fake.told));
	expect_counts(test, 0, N(not_present, 5), N(sleep, 2), N(wake, 2),
		      N(early_hit, 3), N(ready, 3), N(early, 3), N(wake_all, 1));
}

#define RANDOM_SPAN	16
#define RANDOM_WAITS	400

static bool random_done(void)
{
	int i;

	for (i = 0; i < NR_SLEEPERS; i++)
		if (READ_ONCE(fx.sleepers[i].done) < RANDOM_WAITS)
			return false;
	return true;
}

/* READY here and there, sometimes a fatal signal, sometimes READY for all. */
static void random_op(struct kunit *test, struct rnd_state *rnd,
		      pvfault_token_t token, bool all)
{
	u32 dice = prandom_u32_state(rnd) % 100;

	if (dice < 3)
		send_sig(SIGKILL, fx.sleepers[prandom_u32_state(rnd) % NR_SLEEPERS].task, 1);
	else if (dice < 4 && all)
		pvfault_ready_all();
	else if (dice < 40)
		ready_on(test, cpumask_nth(dice % num_online_cpus(), cpu_online_mask), token);
	else
		pvfault_ready(token);
}

/*
 * Threads that wait for random tokens, and somebody who sends random READYs.
 * Either each thread has tokens of its own, so that each READY wakes one at
 * most, or all share a few, and there is READY for all too.
 */
static void random_ops(struct kunit *test, bool share)
{
	unsigned int span = share ? RANDOM_SPAN : RANDOM_SPAN * NR_SLEEPERS;
	unsigned long end = jiffies + msecs_to_jiffies(2 * WAIT_MS);
	unsigned long my_seed = seed ?: get_random_u32();
	pvfault_token_t token = fresh_tokens(span);
	unsigned long woke;
	struct rnd_state rnd;
	int i;

	kunit_info(test, "pvfault_test.seed=%lu\n", my_seed);
	prandom_seed_state(&rnd, my_seed);
	for (i = 0; i < NR_SLEEPERS; i++) {
		struct sleeper *s = sleeper_new(test, token);

		if (!share)
			s->token += i * RANDOM_SPAN;
		s->span = RANDOM_SPAN;
		s->count = RANDOM_WAITS;
		prandom_seed_state(&s->rnd, my_seed + i + 1);
		sleeper_run(test, s, -1);
	}
	while (!random_done() && time_before(jiffies, end)) {
		random_op(test, &rnd, token + prandom_u32_state(&rnd) % span, share);
		cond_resched();
	}
	for (i = 0; i < NR_SLEEPERS; i++)
		expect_back(test, &fx.sleepers[i]);

	fx.nr_sleepers = 0;
	forget(test, token, span);
	woke = since(PVFAULT_NR_ready) - since(PVFAULT_NR_early) -
	       since(PVFAULT_NR_dropped);
	if (share)
		KUNIT_EXPECT_LE(test, woke, since(PVFAULT_NR_wake));
	else
		KUNIT_EXPECT_EQ(test, woke, since(PVFAULT_NR_wake));
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_not_present),
			NR_SLEEPERS * RANDOM_WAITS + span);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_retry), 0);
	expect_balance(test, woke);
}

static void test_random_own(struct kunit *test)
{
	random_ops(test, false);
}

static void test_random_shared(struct kunit *test)
{
	random_ops(test, true);
}

/* Notifications without end, and no NOT_PRESENT for any of them. */
static void test_flood(struct kunit *test)
{
	const unsigned int n = 100000 / num_online_cpus();
	unsigned int cpus = num_online_cpus(), cpu;

	for_each_online_cpu(cpu) {
		pvfault_token_t token = fresh_tokens(n);

		flood(test, cpu, token, n);
		KUNIT_EXPECT_EQ(test, pvfault_table_marks(cpu), MARKS);
		expect_marks(test, MARKS);
		drain(test, token + n - MARKS, MARKS);
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
	pvfault_token_t token = fresh_tokens(n + ahead);
	struct sleeper *s = sleeper_new(test, token);
	unsigned int done, i;
	int cpu;

	s->count = n;
	sleeper_run(test, s, -1);
	while ((done = READ_ONCE(s->done)) < n && time_before(jiffies, end)) {
		for (i = ahead; i--; ) {
			pvfault_ready(token + done + i);
			if (i & 1)
				pvfault_ready(token + done + i);
		}
		cond_resched();
	}
	expect_back(test, s);
	for_each_possible_cpu(cpu)
		KUNIT_EXPECT_LE(test, pvfault_table_marks(cpu), MARKS);

	forget(test, token, n + ahead);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_not_present), 2 * n + ahead);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_retry), 0);
	KUNIT_EXPECT_EQ(test, since(PVFAULT_NR_abandoned), 0);
	/* One thread, so each wake is by a READY of its own. */
	expect_balance(test, since(PVFAULT_NR_wake));
}

static struct kunit_case pvfault_test_cases[] = {
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
	KUNIT_CASE_SLOW(test_retry),
	KUNIT_CASE(test_deadline_range),
	KUNIT_CASE_SLOW(test_repair),
	KUNIT_CASE_SLOW(test_repair_finds_lost),
	KUNIT_CASE(test_ready_all),
	KUNIT_CASE(test_ready_all_in_between),
	KUNIT_CASE_SLOW(test_ready_all_before),
	KUNIT_CASE(test_overflow),
	KUNIT_CASE(test_overflow_other_cpu),
	KUNIT_CASE(test_overflow_abandoned),
	KUNIT_CASE(test_any_token),
	KUNIT_CASE(test_hard_irq),
	KUNIT_CASE(test_unregister),
	KUNIT_CASE(test_slot),
	KUNIT_CASE_SLOW(test_bare_backend),
	KUNIT_CASE_SLOW(test_cpu_online_fails),
	KUNIT_CASE(test_cpu_offline),
	KUNIT_CASE_SLOW(test_random_own),
	KUNIT_CASE_SLOW(test_random_shared),
	KUNIT_CASE_SLOW(test_flood),
	KUNIT_CASE_SLOW(test_hostile_order),
	{}
};

static struct kunit_suite pvfault_test_suite = {
	.name		= "pvfault",
	.init		= pvfault_test_init,
	.exit		= pvfault_test_exit,
	.test_cases	= pvfault_test_cases,
};

kunit_test_suite(pvfault_test_suite);

MODULE_DESCRIPTION("KUnit tests of pvfault's core");
MODULE_LICENSE("GPL");
