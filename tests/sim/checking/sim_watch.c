// SPDX-License-Identifier: GPL-2.0
/*
 * Stands in for watch.c and core.c: a timer that drives the scan.
 *
 * A test calls pvfault_table_scan() by hand, and only counts what the table
 * asks of the watch. The stress test has a thread that calls sim_watch_tick().
 */

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/sched.h>

#include "internal.h"

unsigned long pvfault_deadline = 10000;
unsigned long sim_repair_age = 1000;
unsigned long sim_period = 1000;
unsigned int sim_budget = 4096;
unsigned int sim_armed, sim_kicked;
void (*sim_repair)(int cpu);

/* The timer: jiffies at which it is due plus one, or 0 if it isn't pending. */
static unsigned long sim_timer;

/* Like timer_reduce(): start the timer, or make it come earlier. */
static void sim_timer_reduce(unsigned long due)
{
	unsigned long old = __atomic_load_n(&sim_timer, __ATOMIC_SEQ_CST);

	do {
		if (old && old <= due + 1)
			return;
	} while (!__atomic_compare_exchange_n(&sim_timer, &old, due + 1, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

void pvfault_watch_arm(void)
{
	sim_point(SIM_ARM);
	__atomic_fetch_add(&sim_armed, 1, SIM_RELAXED);
	if (!READ_ONCE(sim_timer))
		sim_timer_reduce(jiffies + sim_period);
}

void pvfault_watch_kick(void)
{
	__atomic_fetch_add(&sim_kicked, 1, SIM_RELAXED);
	sim_timer_reduce(jiffies);
}

/*
 * What probe.c is for the table: each sleeper past its deadline retries by itself, or, if
 * a test says so, probes.
 */
bool sim_probes;
unsigned int sim_probes_cancelled;
atomic_t pvfault_probing = ATOMIC_INIT(0);

void pvfault_probe_offer(const struct pvfault_told *told, struct task_struct *task)
{
	wake_up_process(task);
}

enum pvfault_turn pvfault_probe_turn(const struct pvfault_told *told)
{
	if (!pvfault_overdue(told->since))
		return PVFAULT_SLEEP_ON;
	return sim_probes ? PVFAULT_TRY : PVFAULT_GIVE_UP;
}

void pvfault_probe_over(const struct pvfault_told *told)
{
}

void pvfault_probe_keep_warm(int cpu)
{
}

void pvfault_probe_cancel(const struct pvfault_told *told)
{
	__atomic_fetch_add(&sim_probes_cancelled, 1, SIM_RELAXED);
}

static void sim_watch_repair(const struct pvfault_scan *scan)
{
	unsigned int cpu;

	for (cpu = 0; cpu < sim_nr_cpus; cpu++)
		if (scan->repair_any || cpumask_test_cpu(cpu, scan->repair))
			sim_repair(cpu);
	cpumask_clear(scan->repair);
}

/* One tick has passed. Context: always the same thread. */
void sim_watch_tick(void)
{
	static struct cpumask repair;
	static struct pvfault_scan scan = { .repair = &repair };
	static bool found;
	unsigned long due;
	bool complete;

	sim_advance(1);
	due = __atomic_load_n(&sim_timer, __ATOMIC_SEQ_CST);
	if (!due || !time_after_eq(jiffies, due - 1))
		return;
	/* A running timer isn't pending. */
	__atomic_store_n(&sim_timer, 0, __ATOMIC_SEQ_CST);

	if (!scan.bucket)
		found = false;
	scan.repair_age = sim_repair_age;
	scan.budget = sim_budget;
	scan.repair_any = false;
	complete = pvfault_table_scan(&scan);
	found |= scan.sleepers > 0;
	if (sim_repair)
		sim_watch_repair(&scan);
	if (!complete)
		sim_timer_reduce(jiffies + 1);
	else if (found)
		sim_timer_reduce(jiffies + sim_period);
}
