// SPDX-License-Identifier: GPL-2.0
/*
 * Passing over all sleepers of the table: for the watch, which wakes those that
 * have slept too long, and for the list in debugfs.
 */

#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include "internal.h"
#include "table.h"

/* Look at one sleeper. Context: its bucket is locked. */
static void pvfault_scan_one(struct pvfault_scan *scan, struct pvfault_node *node)
{
	struct pvfault_sleeper *s = to_sleeper(node);
	const struct pvfault_told *told = &s->told;

	scan->sleepers++;
	if (told->generation != pvfault_generation_read()) {
		pvfault_wake(node);
		return;
	}
	pvfault_probe_keep_warm(told->cpu);
	if (pvfault_overdue(told->since))
		pvfault_probe_offer(told, s->task);
	if (jiffies - told->since < scan->repair_age)
		return;
	if (told->cpu == PVFAULT_ANY_CPU)
		scan->repair_any = true;
	else
		cpumask_set_cpu(told->cpu, scan->repair);
}

/**
 * pvfault_table_scan() - pass over the sleepers
 * @scan: what to look for, where to go on, what was found
 *
 * Wakes those notified before the last READY for all, hands those past their deadline
 * to probe.c, and collects the CPUs that may have lost a READY. Looks at
 * @scan->budget sleepers or a bucket more.
 *
 * Context: any but NMI, one scan at a time.
 * Return: true when it has come to the end of the table.
 */
bool pvfault_table_scan(struct pvfault_scan *scan)
{
	struct pvfault_node *node;
	struct hlist_node *next;
	unsigned long flags;

	scan->sleepers = 0;
	if (!pvfault_buckets)
		return true;
	/*
	 * A sleeper that this pass doesn't see finds, because of its own full
	 * barriers, the generation changed (in pvfault_queue()), and the
	 * watch's timer not pending (after set_current_state(), in
	 * pvfault_watch_arm()).
	 */
	smp_mb();
	for (; scan->bucket < 1U << pvfault_bits; scan->bucket++) {
		struct pvfault_bucket *b = &pvfault_buckets[scan->bucket];

		if (!atomic_read(pvfault_group(b))) {
			scan->bucket |= (1U << PVFAULT_GROUP_BITS) - 1;
			continue;
		}
		if (hlist_empty(&b->nodes))
			continue;
		if (scan->sleepers >= scan->budget)
			return false;
		raw_spin_lock_irqsave(&b->lock, flags);
		hlist_for_each_entry_safe(node, next, &b->nodes, link)
			if (node->state == PVFAULT_SLEEPING)
				pvfault_scan_one(scan, node);
		raw_spin_unlock_irqrestore(&b->lock, flags);
	}
	scan->bucket = 0;
	return true;
}

/* Call @fn for each sleeper on the table, its bucket locked. */
static void pvfault_for_each_sleeper(void (*fn)(struct pvfault_sleeper *s, void *arg), void *arg)
{
	struct pvfault_node *node;
	unsigned long flags;
	unsigned int i;

	/* Statistics may ask while the first backend registers. */
	if (!smp_load_acquire(&pvfault_buckets))
		return;
	for (i = 0; i < 1U << pvfault_bits; i++) {
		struct pvfault_bucket *b = &pvfault_buckets[i];

		raw_spin_lock_irqsave(&b->lock, flags);
		hlist_for_each_entry(node, &b->nodes, link)
			if (node->state == PVFAULT_SLEEPING)
				fn(to_sleeper(node), arg);
		raw_spin_unlock_irqrestore(&b->lock, flags);
	}
}

/**
 * pvfault_table_outstanding() - how many tokens are waited for
 *
 * Takes no lock, so that it may be read often.
 *
 * Context: any.
 * Return: that number.
 */
unsigned int pvfault_table_outstanding(void)
{
	unsigned int i, n = 0;

	/* Statistics may ask while the first backend registers. */
	if (!smp_load_acquire(&pvfault_buckets))
		return 0;
	for (i = 0; i < 1U << pvfault_group_bits(); i++)
		n += atomic_read(&pvfault_groups[i]);
	return n;
}

static void pvfault_show_one(struct pvfault_sleeper *s, void *arg)
{
	seq_printf(arg, "%#18llx %4d %10u %6d %s\n", s->node.token, s->told.cpu,
		   jiffies_to_msecs(jiffies - s->told.since),
		   task_pid_nr(s->task), s->task->comm);
}

/**
 * pvfault_table_show() - list the sleepers
 * @m: where to
 *
 * Context: any but NMI.
 */
void pvfault_table_show(struct seq_file *m)
{
	seq_puts(m, "             token  cpu     age_ms    pid comm\n");
	pvfault_for_each_sleeper(pvfault_show_one, m);
}
