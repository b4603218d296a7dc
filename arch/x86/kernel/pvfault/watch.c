// SPDX-License-Identifier: GPL-2.0
/*
 * The watch: no task sleeps for ever.
 *
 * One timer passes over the table once a second while a task sleeps there, instead
 * of a timer for each sleeper. So a wait costs no timer, and the first pass that
 * finds a sleeper older than a second comes when it is one to two seconds old.
 *
 *	after one second	repair: the notified CPU looks for a READY whose
 *				interrupt was lost; again each second
 *	after the deadline	one task touches its page again, for all that
 *				were notified on its CPU, see probe.c
 *
 * READY for all uses the same pass, at once. A pass that has many sleepers to
 * look at is cut into pieces of one tick each.
 *
 * The timer stops when a whole pass in one piece has found no sleeper, and is armed
 * by the next one. A sleeper that queues after the pass has gone by finds the timer
 * not pending (a running timer never is) and arms it; pvfault_table_scan() names the
 * barriers.
 */

#define pr_fmt(fmt) "pvfault: " fmt

#include <linux/array_size.h>
#include <linux/compiler.h>
#include <linux/cpu.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/timer.h>

#include "internal.h"

#define PVFAULT_PERIOD		HZ
#define PVFAULT_BUDGET		4096	/* sleepers a tick: some 0.4 ms */

#define PVFAULT_DEADLINE_MS	60000
#define PVFAULT_DEADLINE_MIN	1000
#define PVFAULT_DEADLINE_MAX	3600000

unsigned long pvfault_deadline __read_mostly = PVFAULT_DEADLINE_MS / 1000 * HZ;

static bool pvfault_watch_kicked;
static bool pvfault_watch_found;	/* in this pass; timer only */
static struct cpumask pvfault_watch_repair;

static void pvfault_watch_timer(struct timer_list *timer);
static DEFINE_TIMER(pvfault_watch, pvfault_watch_timer);

static void pvfault_repair_cpu(struct irq_work *work)
{
	pvfault_note(repair, smp_processor_id());
	pvfault_backend_repair();
}

static DEFINE_PER_CPU(struct irq_work, pvfault_repair_work) =
	IRQ_WORK_INIT_HARD(pvfault_repair_cpu);

/*
 * Look for a lost READY on this CPU. It sends itself no interrupt, because raising one
 * reads memory that nothing else reads. If that is out, the host holds the CPU.
 */
static void pvfault_repair_here(void)
{
	unsigned long flags;

	local_irq_save(flags);
	pvfault_repair_cpu(NULL);
	local_irq_restore(flags);
}

/* Send the CPUs in the mask, or all, to look for a lost READY. */
static void pvfault_watch_send_repair(bool all)
{
	unsigned int cpu;

	/* A CPU that is online now stays so until preemption is on again. */
	preempt_disable();
	for_each_cpu_and(cpu, all ? cpu_possible_mask : &pvfault_watch_repair,
			 cpu_online_mask) {
		if (cpu == smp_processor_id())
			pvfault_repair_here();
		else
			irq_work_queue_on(&per_cpu(pvfault_repair_work, cpu), cpu);
	}
	preempt_enable();
	cpumask_clear(&pvfault_watch_repair);
}

/*
 * In an outage of the host, a CPU that needs code or data that is out is held. So each pass
 * touches the code and data that are needed then and that nothing else uses.
 */
static void pvfault_keep_warm(void)
{
	static void * const rare[] = {
		pvfault_repair_cpu,
		pvfault_probe_offer,
		__pvfault_probe_missing,
		pvfault_backend_repair,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rare); i++)
		(void)READ_ONCE(*(const u8 *)rare[i]);
	pvfault_backend_keep_warm();
}

static void pvfault_watch_timer(struct timer_list *timer)
{
	static struct pvfault_scan scan = {
		.repair = &pvfault_watch_repair,
		.repair_age = HZ,
		.budget = PVFAULT_BUDGET,
	};
	bool complete;

	if (!scan.bucket) {
		WRITE_ONCE(pvfault_watch_kicked, false);
		pvfault_watch_found = false;
	}
	scan.repair_any = false;
	complete = pvfault_table_scan(&scan);
	pvfault_watch_found |= scan.sleepers;
	pvfault_keep_warm();
	pvfault_watch_send_repair(scan.repair_any);

	/* Not mod_timer(): a kick may have armed the timer for now, which must stay. */
	if (!complete || READ_ONCE(pvfault_watch_kicked))
		timer_reduce(timer, jiffies + 1);
	else if (!pvfault_mode_follow() || pvfault_watch_found)
		timer_reduce(timer, jiffies + PVFAULT_PERIOD);
}

/**
 * pvfault_watch_arm() - a task is about to sleep
 *
 * Context: after the sleeper is on the table and set_current_state().
 */
void pvfault_watch_arm(void)
{
	if (!timer_pending(&pvfault_watch))
		timer_reduce(&pvfault_watch, jiffies + PVFAULT_PERIOD);
}

/**
 * pvfault_watch_kick() - pass over the table now
 *
 * Context: any but NMI.
 */
void pvfault_watch_kick(void)
{
	WRITE_ONCE(pvfault_watch_kicked, true);
	timer_reduce(&pvfault_watch, jiffies);
}

/**
 * pvfault_watch_sync() - wait until a repair on @cpu is over
 * @cpu: any possible CPU
 *
 * Context: process context, may sleep.
 */
void pvfault_watch_sync(int cpu)
{
	irq_work_sync(&per_cpu(pvfault_repair_work, cpu));
}

/**
 * pvfault_deadline_ms() - how long a task waits before one probes
 *
 * Context: any.
 * Return: milliseconds; the probe comes up to a second later.
 */
unsigned long pvfault_deadline_ms(void)
{
	return jiffies_to_msecs(READ_ONCE(pvfault_deadline));
}

/**
 * pvfault_set_deadline_ms() - set how long a task waits before one probes
 * @ms: milliseconds, 1000 to 3600000
 *
 * Context: any.
 * Return: 0, or -EINVAL if out of range; the old value then stays.
 */
int pvfault_set_deadline_ms(unsigned long ms)
{
	if (ms < PVFAULT_DEADLINE_MIN || ms > PVFAULT_DEADLINE_MAX)
		return -EINVAL;
	WRITE_ONCE(pvfault_deadline, msecs_to_jiffies(ms));
	return 0;
}

static int __init pvfault_deadline_param(char *arg)
{
	unsigned long ms;

	if (!arg || kstrtoul(arg, 0, &ms) || pvfault_set_deadline_ms(ms))
		pr_warn("pvfault_deadline_ms=%s is not in 1000..3600000, using %u\n",
			arg ?: "", PVFAULT_DEADLINE_MS);
	return 0;
}
early_param("pvfault_deadline_ms", pvfault_deadline_param);
