// SPDX-License-Identifier: GPL-2.0
/*
 * The base of the core's KUnit tests: a backend that is no hypervisor (it takes no
 * memory away, it only says so), threads that it notifies, and the checks at the end
 * of each case. The cases are in test_*.c.
 *
 * There is a case for each edge of the transition table in table.c, for each
 * row of the contract in pvfault.h, and for what must not happen in between.
 * A case says which counters it moves and by how much; all others must stand
 * still, and the balance equations of internal.h must hold once it is over.
 *
 * NOT_PRESENT comes from threads that call pvfault_wait(), and, where it matters
 * where it comes, from a real #PF in kernel mode that the backend claims.
 *
 * Nothing here waits for a fixed time, and nothing waits without a bound: a
 * thread that doesn't come back fails its case, and is then woken by READY for
 * all. Boot with "test_random.seed=N" to repeat the random cases.
 */

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/iopoll.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/stringify.h>
#include <linux/vmalloc.h>

#include "pvfault_test.h"

unsigned int pvt_wait_ms = 15000;
module_param_named(wait_ms, pvt_wait_ms, uint, 0444);
MODULE_PARM_DESC(wait_ms, "how long a case waits before it fails; short to see many of them fail");

struct pvt pvt = { .next_token = 0x7e57000000000000 };

struct pvt_host pvt_host;

noinstr enum pvfault_kind pvt_recognise(struct pt_regs *regs, unsigned long error_code,
					unsigned long address, pvfault_token_t *token)
{
	unsigned long page = (address - pvt_host.address) >> PAGE_SHIFT;

	if (!READ_ONCE(pvt_host.faults) ||
	    (address != pvt_host.address && page >= pvt_host.pages))
		return PVFAULT_GENUINE;
	WRITE_ONCE(pvt_host.faults, pvt_host.faults - 1);
	pvt_host.ip = regs->ip;
	pvt_host.di = regs->di;
	*token = pvt_host.fault_token + page;
	return pvt_host.kind;
}

static void fake_check_context(unsigned int cpu)
{
	if (!irqs_disabled() || cpu != raw_smp_processor_id())
		atomic_inc(&pvt_host.wrong);
}

static int fake_cpu_online(unsigned int cpu)
{
	fake_check_context(cpu);
	if (cpu == pvt_host.fail_cpu)
		return -EIO;
	cpumask_set_cpu(cpu, &pvt_host.told);
	return 0;
}

static void fake_cpu_offline(unsigned int cpu)
{
	fake_check_context(cpu);
	cpumask_clear_cpu(cpu, &pvt_host.told);
	cpumask_set_cpu(cpu, &pvt_host.hushed);
}

static void fake_repair(void)
{
	unsigned int cpu = raw_smp_processor_id();

	fake_check_context(cpu);
	if (!cpumask_test_cpu(cpu, &pvt_host.told))
		atomic_inc(&pvt_host.wrong);
	if (atomic_xchg(&pvt_host.lost, 0))
		pvfault_ready(pvt_host.lost_token);
	cpumask_set_cpu(cpu, &pvt_host.repaired);
}

const struct pvfault_backend pvt_backend = {
	.name		= "test",
	.recognise	= pvt_recognise,
	.cpu_online	= fake_cpu_online,
	.cpu_offline	= fake_cpu_offline,
	.repair		= fake_repair,
};

/* The count of an event since the case began. */
unsigned long pvt_since(enum pvfault_event event)
{
	return pvfault_count(event) - pvt.base[event];
}

/* All waits in the histogram. */
unsigned long pvt_waits_ended(void)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < PVFAULT_WAIT_BUCKETS; i++)
		sum += pvfault_wait_count(i, PVFAULT_WAIT_USER) +
		       pvfault_wait_count(i, PVFAULT_WAIT_KERNEL);
	return sum;
}

static unsigned int total_marks(void)
{
	unsigned int sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += pvfault_table_marks(cpu);
	return sum;
}

void pvt_expect_marks(struct kunit *test, unsigned int more)
{
	KUNIT_EXPECT_EQ(test, total_marks(), pvt.marks + more);
}

/* The equations of internal.h, and that nothing is left. @woke: by READYs. */
void pvt_expect_balance(struct kunit *test, unsigned long woke)
{
	KUNIT_EXPECT_EQ(test, pvfault_table_outstanding(), 0);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_not_present),
			pvt_since(PVFAULT_NR_sleep) + pvt_since(PVFAULT_NR_early_hit) +
			pvt_since(PVFAULT_NR_rejected));
	/* Tasks sleep through pvfault_wait(), which counts as deferred, or by a #PF. */
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_not_present),
			pvt_since(PVFAULT_NR_deferred) + pvt_since(PVFAULT_NR_rejected) +
			pvt_since(PVFAULT_NR_sleep_kernel));
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_rejected),
			pvt_since(PVFAULT_NR_rejected_irqs) +
			pvt_since(PVFAULT_NR_rejected_mode) +
			pvt_since(PVFAULT_NR_rejected_no_mm) +
			pvt_since(PVFAULT_NR_rejected_insn) +
			pvt_since(PVFAULT_NR_rejected_atomic) +
			pvt_since(PVFAULT_NR_rejected_state));
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_sleep),
			pvt_since(PVFAULT_NR_wake) + pvt_since(PVFAULT_NR_retry) +
			pvt_since(PVFAULT_NR_probe) + pvt_since(PVFAULT_NR_abandoned));
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_wake) + pvt_since(PVFAULT_NR_retry) +
			pvt_since(PVFAULT_NR_abandoned), pvt_waits_ended() - pvt.waits);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_ready),
			woke + pvt_since(PVFAULT_NR_early) + pvt_since(PVFAULT_NR_dropped));
	KUNIT_EXPECT_EQ(test, atomic_read(&pvt_host.wrong), 0);
	pvt_expect_marks(test, 0);
}

#define EVENT_NAME(name) __stringify(name),
static const char * const event_names[] = {
	PVFAULT_EVENTS(EVENT_NAME)
};

void pvt_expect_events(struct kunit *test, unsigned long woke,
		       const unsigned long *expected)
{
	int i;

	for (i = 0; i < PVFAULT_NR_EVENTS; i++) {
		/*
		 * A slow machine may be asked for a repair in any case;
		 * deferred is what pvt_expect_balance() says it is, and so
		 * is the sum of the reasons for rejected.
		 */
		bool sum = i >= PVFAULT_NR_rejected_irqs && i <= PVFAULT_NR_rejected_state;

		if (i != PVFAULT_NR_repair && i != PVFAULT_NR_deferred && !sum)
			KUNIT_EXPECT_EQ_MSG(test, pvt_since(i), expected[i],
					    "counter %s", event_names[i]);
	}
	pvt_expect_balance(test, woke);
}

/* Tokens that no other case has used. */
pvfault_token_t pvt_fresh_tokens(unsigned int n)
{
	pvfault_token_t token = pvt.next_token;

	pvt.next_token += n;
	return token;
}

static void sleeper_wait(struct pvt_sleeper *s, pvfault_token_t token)
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
	pvfault_wait(token, s->told ? s->generation : pvfault_generation(), s->told_cpu);
	if (!irqs_disabled() || !task_is_running(current))
		s->wrong++;
	local_irq_enable();
	s->waited = jiffies - start;
	s->longest = max(s->longest, s->waited);
	flush_signals(current);
}

static int sleeper_thread(void *data)
{
	struct pvt_sleeper *s = data;
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

struct pvt_sleeper *pvt_sleeper_new(struct kunit *test, pvfault_token_t token)
{
	struct pvt_sleeper *s;

	KUNIT_ASSERT_LT(test, pvt.nr_sleepers, NR_SLEEPERS);
	s = &pvt.sleepers[pvt.nr_sleepers++];
	*s = (struct pvt_sleeper) { .token = token, .count = 1, .told_cpu = -1 };
	init_completion(&s->back);
	return s;
}

/* @cpu: where, or -1 */
void pvt_sleeper_run(struct kunit *test, struct pvt_sleeper *s, int cpu)
{
	struct task_struct *task;

	task = kthread_create(sleeper_thread, s, "pvfault_test/%td",
			      s - pvt.sleepers);
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	if (cpu >= 0)
		kthread_bind(task, cpu);
	s->task = get_task_struct(task);
	wake_up_process(task);
}

static bool sleeper_join(struct pvt_sleeper *s, unsigned int ms)
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

void pvt_expect_back(struct kunit *test, struct pvt_sleeper *s)
{
	KUNIT_ASSERT_TRUE_MSG(test, sleeper_join(s, WAIT_MS),
			      "still asleep after %u of %u waits",
			      READ_ONCE(s->done), s->count);
	KUNIT_EXPECT_EQ(test, s->done, s->count);
	KUNIT_EXPECT_EQ(test, s->wrong, 0);
}

struct pvt_sleeper *pvt_start_on(struct kunit *test, pvfault_token_t token, int cpu)
{
	struct pvt_sleeper *s = pvt_sleeper_new(test, token);

	pvt_sleeper_run(test, s, cpu);
	return s;
}

/* A task gets NOT_PRESENT for @token. */
struct pvt_sleeper *pvt_start(struct kunit *test, pvfault_token_t token)
{
	return pvt_start_on(test, token, -1);
}

/* NOT_PRESENT for @count tokens that each had their READY: no task sleeps. */
void pvt_drain(struct kunit *test, pvfault_token_t token, unsigned int count)
{
	struct pvt_sleeper *s = pvt_sleeper_new(test, token);

	s->count = count;
	pvt_sleeper_run(test, s, -1);
	pvt_expect_back(test, s);
	pvt.nr_sleepers--;
}

/* Erase the marks of @count tokens, whichever they are. */
void pvt_forget(struct kunit *test, pvfault_token_t token, unsigned int count)
{
	struct pvt_sleeper *s = pvt_sleeper_new(test, token);

	s->count = count;
	s->ready_first = true;
	pvt_sleeper_run(test, s, -1);
	pvt_expect_back(test, s);
	pvt.nr_sleepers--;
}

/* By the counters. */
static unsigned long asleep(void)
{
	return pvt_since(PVFAULT_NR_sleep) - pvt_since(PVFAULT_NR_wake) -
	       pvt_since(PVFAULT_NR_retry) - pvt_since(PVFAULT_NR_probe) -
	       pvt_since(PVFAULT_NR_abandoned);
}

/*
 * A task is in the table before it is counted: if READY for all comes in between, it
 * doesn't sleep. And when it has left the table, it is counted a little later.
 */
void pvt_expect_asleep(struct kunit *test, unsigned int n)
{
	unsigned long got;

	KUNIT_ASSERT_EQ(test, 0,
			read_poll_timeout(asleep, got,
					  got == n && pvfault_table_outstanding() == n,
					  200, WAIT_MS * 1000, false));
}

void pvt_expect_still_asleep(struct kunit *test, struct pvt_sleeper *s)
{
	KUNIT_EXPECT_FALSE(test, completion_done(&s->back));
}

static void ready_ipi(void *token)
{
	pvfault_ready(*(pvfault_token_t *)token);
}

void pvt_ready_on(struct kunit *test, int cpu, pvfault_token_t token)
{
	KUNIT_EXPECT_EQ(test, smp_call_function_single(cpu, ready_ipi, &token, true), 0);
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

void pvt_flood(struct kunit *test, int cpu, pvfault_token_t token,
	       unsigned int count)
{
	struct flood f = { token, count };

	KUNIT_ASSERT_EQ_MSG(test, pvt.marks, 0, "left behind by an earlier case");
	KUNIT_EXPECT_EQ(test, smp_call_on_cpu(cpu, flood_fn, &f, false), 0);
}

/* A fatal signal for a task that is asleep. */
void pvt_kill_sleeper(struct kunit *test, struct pvt_sleeper *s)
{
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, s->task, 1), 0);
	pvt_expect_back(test, s);
}

void pvt_register(struct kunit *test)
{
	const struct pvfault_backend *backend = pvt.backend;
	int err;

	err = pvfault_register(backend);
	if (err)
		pvt.backend = NULL;
	if (err == -EBUSY)
		kunit_skip(test, "backend %s is active", pvfault_backend_name());
	if (err == -ENODEV)
		kunit_skip(test, "switched off at boot");
	KUNIT_ASSERT_EQ(test, err, 0);
}

/* What was counted, and is remembered, before this moment is none of the case's. */
void pvt_count_from_here(struct kunit *test)
{
	int i;

	for (i = 0; i < PVFAULT_NR_EVENTS; i++)
		pvt.base[i] = pvfault_count(i);
	pvt.waits = pvt_waits_ended();
	pvt.marks = total_marks();
	KUNIT_ASSERT_EQ(test, pvfault_table_outstanding(), 0);
}

/* Begin a case with this backend, nobody asleep, and no deadline. */
int pvt_begin(struct kunit *test, const struct pvfault_backend *backend)
{
	KUNIT_ASSERT_FALSE_MSG(test, pvt.stuck, "a thread of an earlier case sleeps");
	pvt.removed_cpu = -1;
	pvt.nr_sleepers = 0;
	pvt.deadline_ms = pvfault_deadline_ms();
	pvt.backend = backend;
	pvt_register(test);
	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(LONG_MS), 0);

	pvt_count_from_here(test);
	return 0;
}

int pvt_init(struct kunit *test)
{
	memset(&pvt_host, 0, sizeof(pvt_host));
	pvt_host.fail_cpu = -1;
	pvt_host.kind = PVFAULT_NOT_PRESENT;
	return pvt_begin(test, &pvt_backend);
}

/* Only after a failure is a thread left that has to be woken. */
static void fetch_back(struct pvt_sleeper *s)
{
	unsigned long end = jiffies + msecs_to_jiffies(WAIT_MS);

	WRITE_ONCE(s->stop, true);
	while (!sleeper_join(s, 0) && time_before(jiffies, end)) {
		pvfault_ready_all();
		sleeper_join(s, 100);
	}
	if (s->task)
		pvt.stuck = true;
}

void pvt_exit(struct kunit *test)
{
	int i;

	if (!pvt.backend)
		return;
	for (i = 0; i < NR_SLEEPERS; i++)
		fetch_back(&pvt.sleepers[i]);
	if (pvt.removed_cpu >= 0)
		add_cpu(pvt.removed_cpu);
	pvfault_unregister(pvt.backend);
	pvfault_set_deadline_ms(pvt.deadline_ms);
	vfree(pvt_host.page);
	pvt_host.page = NULL;
	pvt.backend = NULL;
}

MODULE_DESCRIPTION("KUnit tests of pvfault's core");
MODULE_LICENSE("GPL");
