// SPDX-License-Identifier: GPL-2.0
/*
 * The conformance kit's cases: where no task may sleep, what ends a wait from
 * outside, what becomes of CPUs and kernels, and a host that says anything.
 */

#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/hardirq.h>
#include <linux/iopoll.h>
#include <linux/irqflags.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/suspend.h>

#include <asm/processor-flags.h>

#include "kit.h"

/* Lies that a case tells, and how many READYs a backend may take at once. */
#define LIES		300
#define READIES		2048

static long inject_not_present(void *arg)
{
	struct pvfault_test_fault fault = { };
	unsigned long flags;
	long err;
	char c = 0;

	local_irq_save(flags);
	kit.host->not_present(*(pvfault_token_t *)arg, &fault);
	err = pvfault_test_inject(&fault, flags & X86_EFLAGS_IF, &c);
	local_irq_restore(flags);
	return err;
}

/* A kernel thread, a hardirq, an NMI: each retries, and its READY harms nobody. */
void pvfault_kit_rejected(struct kunit *test)
{
	enum pvt_context where;
	unsigned int n = 0;

	if (kit.host->user_only)
		kunit_skip(test, "nothing is announced in kernel mode");
	for (where = 0; where < PVT_CONTEXTS; where++) {
		pvfault_token_t token = kit_token(0, 11 + where);

		if (where == PVT_NMI && kit.host->not_in_nmi)
			continue;
		KUNIT_EXPECT_EQ(test, 0, pvt_call(0, where, inject_not_present, &token));
		kit_expect(test, "rejected", ++n);
		kit_ready(0, token);
	}
	kit_expect(test, "sleep", 0);
	kit_expect_works(test, 0);
	kit_expect_end(test);
}

void pvfault_kit_kill(struct kunit *test)
{
	pvfault_token_t token = kit_token(0, 20);
	struct kit_sleeper *s = kit_sleep(test, 0, token);

	pvt_expect_asleep(test, 1);
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, s->task, 1), 0);
	/* Before READY: its token is marked as abandoned on its way out. */
	kit_expect_killed(test, s);
	kit_ready(0, token);
	kit_expect(test, "abandoned", 1);
	kit_expect(test, "dropped", 1);
	kit_expect_works(test, 0);
	kit_expect_end(test);
}

static void expect_enabled(struct kunit *test, bool told)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		KUNIT_EXPECT_EQ_MSG(test, kit.host->enabled(cpu), told, "CPU %u", cpu);
}

/* Two tasks on @cpu sleep; of a third one READY came early. */
static void sleep_on(struct kunit *test, unsigned int cpu)
{
	kit_sleep(test, cpu, kit_token(cpu, 21));
	kit_sleep(test, cpu, kit_token(cpu, 22));
	pvt_expect_asleep(test, 2);
	kit_ready(cpu, kit_token(cpu, 23));
}

void pvfault_kit_offline(struct kunit *test)
{
	unsigned int cpu = pvt_other_cpu(test);

	expect_enabled(test, true);
	sleep_on(test, cpu);
	if (remove_cpu(cpu))
		kunit_skip(test, "CPU %u can't be taken offline", cpu);
	pvt.removed_cpu = cpu;
	KUNIT_EXPECT_FALSE(test, kit.host->enabled(cpu));
	kit_expect_all_back(test);
	kit_expect(test, "wake", 2);
	kit_expect_works(test, 0);
	KUNIT_ASSERT_EQ(test, add_cpu(cpu), 0);
	pvt.removed_cpu = -1;
	expect_enabled(test, true);
	kit_expect_works(test, cpu);
	kit_expect_end(test);
}

static void end_quiet(struct kunit *test)
{
	kit_end_quiet();
	expect_enabled(test, true);
	kit_expect_works(test, 0);
	kit_expect_works(test, pvt_other_cpu(test));
	kit_expect_end(test);
}

void pvfault_kit_suspend(struct kunit *test)
{
	sleep_on(test, 0);
	kit.quiet = true;
	pvfault_pm(NULL, PM_SUSPEND_PREPARE, NULL);
	expect_enabled(test, false);
	kit_expect_all_back(test);
	kit_expect(test, "wake", 2);
	end_quiet(test);
}

/* The same, and nobody says that it is over; here the test does. */
void pvfault_kit_kexec(struct kunit *test)
{
	sleep_on(test, 0);
	kit.quiet = true;
	pvfault_reboot(NULL, SYS_RESTART, NULL);
	expect_enabled(test, false);
	kit_expect_all_back(test);
	end_quiet(test);
}

/* As an NMI, so that lockdep sees a lock that is taken. */
static long crash(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	pvfault_crash_disable();
	local_irq_restore(flags);
	return 0;
}

/* One CPU alone, in the middle of anything; the others are stopped by then. */
void pvfault_kit_crash(struct kunit *test)
{
	unsigned int cpu = pvt_other_cpu(test);

	sleep_on(test, cpu);
	kit.quiet = true;
	pvt_call(cpu, PVT_NMI, crash, NULL);
	KUNIT_EXPECT_FALSE(test, kit.host->enabled(cpu));
	pvfault_ready_all();
	kit_expect_all_back(test);
	end_quiet(test);
}

/* One CPU takes no part; the others do. */
void pvfault_kit_online_fails(struct kunit *test)
{
	unsigned int refused = pvt_other_cpu(test), cpu;

	if (!kit.host->fail_online)
		kunit_skip(test, "the host can't refuse");
	pvfault_unregister(kit.host->backend);
	kit.host->fail_online(refused);
	kit_register(test);
	for_each_online_cpu(cpu)
		KUNIT_EXPECT_EQ_MSG(test, kit.host->enabled(cpu), cpu != refused, "CPU %u", cpu);
	kit_expect_works(test, 0);
	pvfault_unregister(kit.host->backend);
	kit.host->fail_online(-1);
	kit_register(test);
	expect_enabled(test, true);
	kit_expect_works(test, refused);
	kit_expect_end(test);
}

static void expect_asked_for(struct kunit *test, const char *mode)
{
	unsigned int cpu;
	bool asked;

	KUNIT_ASSERT_EQ(test, pvfault_set_mode(mode), 0);
	for_each_online_cpu(cpu)
		KUNIT_EXPECT_EQ_MSG(test, 0,
				    read_poll_timeout(kit.host->kernel_mode, asked,
						      asked == pvfault_kernel_mode(), 1000,
						      WAIT_MS * 1000, false, cpu),
				    "CPU %u, mode %s", cpu, mode);
}

/* Changed while the backend is there, and before it comes. */
void pvfault_kit_mode(struct kunit *test)
{
	if (!kit.host->kernel_mode)
		kunit_skip(test, "the host isn't asked for kernel mode");
	if (!pvfault_kernel_mode())
		kunit_skip(test, "kernel mode is off");
	kit.mode_changed = true;
	expect_asked_for(test, "kernel");
	expect_asked_for(test, "user");
	pvfault_unregister(kit.host->backend);
	kit_register(test);
	expect_asked_for(test, "user");
	kit_expect_works(test, 0);
	expect_asked_for(test, "kernel");
	kit_expect_end(test);
}

/* The backend goes while tasks sleep and READYs come, and comes back. */
void pvfault_kit_unregister(struct kunit *test)
{
	unsigned int round, i, n = 0;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 8; i++)
			kit_sleep(test, 0, kit_token(0, i));
		pvt_expect_asleep(test, 8);
		for (i = 0; i < 4; i++)
			kit_ready(0, kit_token(0, i));
		pvfault_unregister(kit.host->backend);
		expect_enabled(test, false);
		kit_expect_all_back(test);
		n += 8;
		kit_expect(test, "wake", n + round);
		kit_register(test);
		expect_enabled(test, true);
		kit_expect_works(test, 0);
	}
	kit_expect(test, "retry", 0);
	kit_expect_end(test);
}

/* A lie, and sometimes the #PF that comes with it. */
static long tell_lie(void *arg)
{
	struct pvfault_test_fault fault = { };
	unsigned long flags;
	char c = 0;

	local_irq_save(flags);
	if (kit.host->lie(arg, &fault))
		pvfault_test_inject(&fault, flags & X86_EFLAGS_IF, &c);
	local_irq_restore(flags);
	return 0;
}

/*
 * Between lies, tasks that are told the truth: each goes on, by its deadline at the
 * latest. When the host has come to its senses, all is as it should be.
 */
void pvfault_kit_liar(struct kunit *test)
{
	unsigned long my_seed = kit_seed ?: get_random_u32();
	struct rnd_state dice;
	unsigned int i;

	if (!kit.host->lie)
		kunit_skip(test, "the host doesn't lie");
	kunit_info(test, "pvfault_kit.seed=%lu\n", my_seed);
	prandom_seed_state(&dice, my_seed);
	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(SHORT_MS), 0);
	kit.linger = true;
	for (i = 0; i < LIES; i++) {
		u32 n = prandom_u32_state(&dice);
		pvfault_token_t token = kit_token(0, n % PVFAULT_MAX_OUTSTANDING);

		if (i % 32 == 0)
			kit_sleep(test, 0, token);
		pvt_call(0, n % PVT_CONTEXTS, tell_lie, &dice);
		if (n & BIT(8))
			kit.host->ready(0, NULL, 0, PVFAULT_TEST_KEPT);
		if (n & BIT(9))
			kit_ready(0, token);
	}
	kit_expect_all_back(test);
	/* So that the last lie, too, has been seen. */
	kit.host->ready(0, NULL, 0, PVFAULT_TEST_KEPT);
	KUNIT_EXPECT_LE_MSG(test, kit_since("ready"), LIES * READIES,
			    "the host decides for how long the guest works");

	/* What came of it may have left early READYs behind. */
	kit_forget(test);

	/* READY for all ends it, as a host does that begins anew. */
	pvfault_unregister(kit.host->backend);
	kit_register(test);
	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(LONG_MS), 0);
	kit_expect_works(test, 0);
	kit_expect_works(test, pvt_other_cpu(test));
	KUNIT_EXPECT_EQ(test, pvfault_table_outstanding(), 0);
}
