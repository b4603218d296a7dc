// SPDX-License-Identifier: GPL-2.0
/*
 * The conformance kit: what its cases stand on. Tasks that the host tells, what is
 * counted, and what must hold at the end of each case. The cases are in
 * kit_ready.c and kit_life.c, the injection of a #PF in kit_inject.c.
 *
 * Nothing here waits without a bound. A task that isn't back in time fails its case,
 * and is then killed.
 */

#include <linux/completion.h>
#include <linux/cpufeature.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/iopoll.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/signal.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <linux/suspend.h>
#include <linux/uaccess.h>

#include <asm/processor-flags.h>

#include "kit.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"pvfault_kit."

unsigned long kit_seed;
module_param_named(seed, kit_seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of the lies that hosts tell; 0: a new one each boot");

/* So far a task counts that is to be seen in user mode: some milliseconds. */
#define KIT_LINGER	BIT(23)

struct kit kit;

#define EVENT_NAME(name) __stringify(name),
static const char * const event_names[] = {
	PVFAULT_EVENTS(EVENT_NAME)
};

/**
 * pvfault_test_count() - how often something happened since boot
 * @name: of a file in /sys/kernel/pvfault/counters
 *
 * Context: any. Exact once nothing is under way.
 * Return: the sum over all CPUs, or 0 if there is no such counter.
 */
unsigned long pvfault_test_count(const char *name)
{
	int i = match_string(event_names, PVFAULT_NR_EVENTS, name);

	return WARN_ON_ONCE(i < 0) ? 0 : pvfault_count(i);
}

/**
 * pvfault_test_outstanding() - how many tasks sleep and have not been woken
 *
 * Context: any but NMI.
 * Return: that number.
 */
unsigned int pvfault_test_outstanding(void)
{
	return pvfault_table_outstanding();
}

/**
 * pvfault_test_set_deadline_ms() - set how long a task waits before it retries
 * @ms: milliseconds, 1000 to 3600000
 *
 * Context: any.
 * Return: 0, or -EINVAL if out of range.
 */
int pvfault_test_set_deadline_ms(unsigned long ms)
{
	return pvfault_set_deadline_ms(ms);
}

/* What has been counted since the case began. */
unsigned long kit_since(const char *name)
{
	return pvt_since(match_string(event_names, PVFAULT_NR_EVENTS, name));
}

void kit_expect(struct kunit *test, const char *what, unsigned long n)
{
	KUNIT_EXPECT_EQ_MSG(test, kit_since(what), n, "counter %s", what);
}

pvfault_token_t kit_token(unsigned int cpu, unsigned int n)
{
	return kit.host->token(cpu, n);
}

void kit_ready(unsigned int cpu, pvfault_token_t token)
{
	kit.host->ready(cpu, &token, 1, PVFAULT_TEST_KEPT);
}

/* In user mode: told on its way there, before its first instruction. */
static int user_task(void *data)
{
	struct kit_sleeper *s = data;

	set_cpus_allowed_ptr(current, cpumask_of(s->cpu));
	/* Which threads of the kernel ignore. */
	kernel_sigaction(SIGKILL, SIG_DFL);
	local_irq_disable();
	s->fault.user = true;
	kit.host->not_present(s->token, &s->fault);
	complete(&s->told);
	kit_inject_user(&s->fault, kit.code, kit.code + PAGE_SIZE / 2 + (s - kit.sleepers),
			kit.linger ? KIT_LINGER : 0);
	return 0;
}

/* In kernel mode: told at an access to user memory. */
static int kernel_task(void *data)
{
	struct kit_sleeper *s = data;

	allow_signal(SIGKILL);
	kthread_use_mm(kit.mm);
	local_irq_disable();
	kit.host->not_present(s->token, &s->fault);
	complete(&s->told);
	s->err = pvfault_test_inject(&s->fault, X86_EFLAGS_IF, (void *)kit.code);
	local_irq_enable();
	kthread_unuse_mm(kit.mm);
	flush_signals(current);
	complete(&s->back);
	return 0;
}

static struct kit_sleeper *sleeper_new(struct kunit *test, unsigned int cpu,
				       pvfault_token_t token)
{
	struct kit_sleeper *s;

	KUNIT_ASSERT_LT(test, kit.nr_sleepers, ARRAY_SIZE(kit.sleepers));
	s = &kit.sleepers[kit.nr_sleepers++];
	*s = (struct kit_sleeper) { .cpu = cpu, .token = token };
	init_completion(&s->told);
	init_completion(&s->back);
	return s;
}

/* A task in the case's user memory. */
static struct task_struct *user_task_new(struct kunit *test, int (*fn)(void *), void *data)
{
	struct task_struct *task;
	struct pid *pid;
	pid_t nr;

	/* SIGCHLD, which threads of the kernel ignore: nobody has to wait for it. */
	nr = user_mode_thread(fn, data, CLONE_VM | SIGCHLD);
	KUNIT_ASSERT_GT(test, nr, 0);
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	return task;
}

/*
 * Linux 7 expects that memory ends with the last task that uses it: numbers that CPUs
 * have there (MM CID) are lost then. A case's memory outlives its tasks, so that
 * the next ones would find no number left. Therefore one task stays until the case ends.
 */
static int keeper_task(void *unused)
{
	kernel_sigaction(SIGKILL, SIG_DFL);
	while (!fatal_signal_pending(current))
		schedule_timeout_killable(MAX_SCHEDULE_TIMEOUT);
	return 0;
}

/* A task in user mode on @cpu is told that @token is missing. */
struct kit_sleeper *kit_sleep(struct kunit *test, unsigned int cpu, pvfault_token_t token)
{
	struct kit_sleeper *s = sleeper_new(test, cpu, token);

	s->task = user_task_new(test, user_task, s);
	KUNIT_ASSERT_TRUE(test, wait_for_completion_timeout(&s->told,
							    msecs_to_jiffies(WAIT_MS)));
	return s;
}

/* A task in kernel mode on @cpu is told that @token is missing. */
struct kit_sleeper *kit_sleep_kernel(struct kunit *test, unsigned int cpu,
				     pvfault_token_t token)
{
	struct kit_sleeper *s = sleeper_new(test, cpu, token);
	struct task_struct *task = kthread_create(kernel_task, s, "pvfault_kit/%u", cpu);

	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	s->kernel = true;
	kthread_bind(task, cpu);
	s->task = get_task_struct(task);
	wake_up_process(task);
	KUNIT_ASSERT_TRUE(test, wait_for_completion_timeout(&s->told,
							    msecs_to_jiffies(WAIT_MS)));
	return s;
}

/* Return: whether it has come back within @ms. */
static bool sleeper_join(struct kit_sleeper *s, unsigned int ms)
{
	int state;

	if (!s->task)
		return true;
	if (s->kernel) {
		if (!wait_for_completion_timeout(&s->back, msecs_to_jiffies(ms)))
			return false;
		kthread_stop(s->task);
	} else if (read_poll_timeout(READ_ONCE, state, state, 200, ms * 1000, false,
				     s->task->exit_state)) {
		return false;
	}
	put_task_struct(s->task);
	s->task = NULL;
	return true;
}

void kit_expect_back(struct kunit *test, struct kit_sleeper *s)
{
	char went_on = 0;

	KUNIT_ASSERT_TRUE_MSG(test, sleeper_join(s, WAIT_MS), "token %#llx of CPU %u still waits",
			      s->token, s->cpu);
	if (s->kernel) {
		KUNIT_EXPECT_EQ_MSG(test, s->err, 0, "NOT_PRESENT was taken for a genuine fault");
		return;
	}
	KUNIT_EXPECT_EQ(test, 0, get_user(went_on, (char __user *)kit.code + PAGE_SIZE / 2 +
						   (s - kit.sleepers)));
	KUNIT_EXPECT_EQ_MSG(test, went_on, 1, "the task ended, and not by going on");
}

/* It was killed: it is gone, and has not gone on. */
void kit_expect_killed(struct kunit *test, struct kit_sleeper *s)
{
	KUNIT_ASSERT_TRUE(test, sleeper_join(s, WAIT_MS));
	kit.nr_sleepers--;
}

void kit_expect_all_back(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < kit.nr_sleepers; i++)
		kit_expect_back(test, &kit.sleepers[i]);
	KUNIT_EXPECT_EQ(test, 0, clear_user((char __user *)kit.code + PAGE_SIZE / 2,
					    ARRAY_SIZE(kit.sleepers)));
	kit.nr_sleepers = 0;
}

/* A task on @cpu sleeps and is woken. */
void kit_expect_works(struct kunit *test, unsigned int cpu)
{
	unsigned long sleep = kit_since("sleep"), wake = kit_since("wake");
	unsigned long retry = kit_since("retry"), ready = kit_since("ready");
	pvfault_token_t token = kit_token(cpu, 0);

	kit_sleep(test, cpu, token);
	pvt_expect_asleep(test, 1);
	kit_ready(cpu, token);
	kit_expect_all_back(test);
	kit_expect(test, "sleep", sleep + 1);
	kit_expect(test, "wake", wake + 1);
	kit_expect(test, "ready", ready + 1);
	kit_expect(test, "retry", retry);
}

/* Nobody sleeps, the sums are right, and the host is content. */
void kit_expect_end(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, pvfault_table_outstanding(), 0);
	KUNIT_EXPECT_EQ(test, kit_since("not_present") + kit_since("probe_held"),
			kit_since("sleep") + kit_since("early_hit") + kit_since("rejected"));
	KUNIT_EXPECT_EQ(test, kit_since("sleep"), kit_since("wake") + kit_since("retry") +
			kit_since("probe") + kit_since("abandoned"));
	KUNIT_EXPECT_EQ_MSG(test, kit.host->mistakes(), 0, "mistakes that the host saw");
}

/* Undo what has been said to the core of suspend, restart or crash. */
void kit_end_quiet(void)
{
	pvfault_pm(NULL, PM_POST_SUSPEND, NULL);
	pvfault_reboot_undo();
	kit.quiet = false;
}

void kit_register(struct kunit *test)
{
	pvt_register(test);
}

static int kit_user_memory(struct kunit *test)
{
	const void *code;
	size_t size = kit_user_code_size(&code);

	kit.code = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, kit.code, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(kit.code));
	kit.mm = current->mm;
	KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)kit.code, code, size));
	return 0;
}

static void fill_marks(void *token)
{
	pvfault_token_t first = *(pvfault_token_t *)token + raw_smp_processor_id() * MARKS;
	unsigned int i;

	for (i = 0; i < MARKS; i++)
		pvfault_ready(first + i);
}

/* Let the core forget what it remembers of earlier cases: other marks take their place. */
void kit_forget(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(nr_cpu_ids * MARKS);
	unsigned int cpu;

	on_each_cpu(fill_marks, &token, true);
	for_each_online_cpu(cpu)
		pvt_drain(test, token + cpu * MARKS, MARKS);
	pvt_count_from_here(test);
}

/**
 * pvfault_kit_init() - begin a case
 * @test: the case
 * @host: that plays the hypervisor
 *
 * For PVFAULT_CONFORMANCE() alone.
 *
 * Context: may sleep.
 * Return: 0; a case that can't be begun has failed, or is skipped.
 */
int pvfault_kit_init(struct kunit *test, const struct pvfault_test_host *host)
{
	kit.host = host;
	kit.nr_sleepers = 0;
	kit.quiet = false;
	kit.linger = false;
	kit.mode_changed = false;
	KUNIT_ASSERT_FALSE_MSG(test, pvt.stuck, "a task of an earlier case sleeps");
	KUNIT_ASSERT_GE(test, host->nr_tokens, PVFAULT_MAX_OUTSTANDING);
#ifdef X86_FEATURE_FRED
	/* There an exception's frame holds more than the kit pushes. */
	if (cpu_feature_enabled(X86_FEATURE_FRED))
		kunit_skip(test, "no injection with FRED");
#endif
	/* The real host has the backend's ear. */
	if (!pvfault_backend_why_none())
		kunit_skip(test, "backend %s is active", pvfault_backend_name());
	kit_user_memory(test);
	if (!host->start())
		kunit_skip(test, "the host can't be played here");
	kit.started = true;
	kit.keeper.task = user_task_new(test, keeper_task, NULL);
	pvt_begin(test, host->backend);
	kit_forget(test);
	return 0;
}

/* Only after a failure is there anybody to be fetched back. */
static void fetch_back(struct kit_sleeper *s)
{
	if (sleeper_join(s, 1))
		return;
	send_sig(SIGKILL, s->task, 1);
	pvfault_ready_all();
	if (!sleeper_join(s, WAIT_MS))
		pvt.stuck = true;
}

/**
 * pvfault_kit_exit() - end a case, whatever became of it
 * @test: the case
 *
 * For PVFAULT_CONFORMANCE() alone.
 *
 * Context: may sleep.
 */
void pvfault_kit_exit(struct kunit *test)
{
	unsigned int i;

	if (!kit.started)
		return;
	kit.started = false;
	for (i = 0; i < kit.nr_sleepers; i++)
		fetch_back(&kit.sleepers[i]);
	if (kit.keeper.task)
		send_sig(SIGKILL, kit.keeper.task, 1);
	if (!sleeper_join(&kit.keeper, WAIT_MS))
		pvt.stuck = true;
	if (kit.quiet)
		kit_end_quiet();
	if (kit.mode_changed)
		pvfault_set_mode("kernel");
	if (kit.host->fail_online)
		kit.host->fail_online(-1);
	pvt_exit(test);
	kit.host->stop();
}
