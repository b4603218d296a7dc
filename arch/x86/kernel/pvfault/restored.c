// SPDX-License-Identifier: GPL-2.0
/*
 * After a restore most of the guest's memory is out. This reports how long that lasts:
 *
 *	pvfault: restored: 812 waits, quiet after 14300 ms
 *
 * Quiet: no task waits for the host, and none has begun to for a whole second. The time runs
 * from the restore to the end of the last wait before that, to a tenth of a second, and the
 * waits are those that began in that time. If ten minutes are not enough, the line says
 * "not quiet after 600000 ms" and is the last about this restore. Without a wait there
 * is no line.
 */

#define pr_fmt(fmt) "pvfault: " fmt

#include <linux/jiffies.h>
#include <linux/printk.h>
#include <linux/pvfault.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "internal.h"

#define PVFAULT_RESTORED_LOOK		(HZ / 10)
#define PVFAULT_RESTORED_QUIET		HZ
#define PVFAULT_RESTORED_LIMIT		(600 * HZ)

/* The lock guards what follows: a restore may be reported in an interrupt. */
static DEFINE_RAW_SPINLOCK(pvfault_restored_lock);
static unsigned long pvfault_restored_at;	/* jiffies */
static unsigned long pvfault_restored_moved;	/* jiffies, when a task last waited */
static unsigned long pvfault_restored_before;	/* waits up to the restore */
static unsigned long pvfault_restored_seen;	/* waits up to the last look */

static void pvfault_restored_look(struct work_struct *unused);
static DECLARE_DELAYED_WORK(pvfault_restored_work, pvfault_restored_look);

static void pvfault_restored_say(const char *how, unsigned long waits, unsigned long took)
{
	if (waits)
		pr_info("restored: %lu waits, %s after %u ms\n", waits, how,
			jiffies_to_msecs(took));
}

static void pvfault_restored_look(struct work_struct *unused)
{
	unsigned int asleep = pvfault_table_outstanding();
	unsigned long waits = pvfault_count(PVFAULT_NR_sleep), took, still;
	unsigned long now = jiffies;

	raw_spin_lock_irq(&pvfault_restored_lock);
	if (asleep || waits != pvfault_restored_seen)
		pvfault_restored_moved = now;
	pvfault_restored_seen = waits;
	waits -= pvfault_restored_before;
	took = pvfault_restored_moved - pvfault_restored_at;
	still = now - pvfault_restored_moved;
	raw_spin_unlock_irq(&pvfault_restored_lock);

	if (still >= PVFAULT_RESTORED_QUIET)
		pvfault_restored_say("quiet", waits, took);
	else if (took >= PVFAULT_RESTORED_LIMIT)
		pvfault_restored_say("not quiet", waits, took);
	else
		schedule_delayed_work(&pvfault_restored_work, PVFAULT_RESTORED_LOOK);
}

/**
 * pvfault_restored() - this guest has been restored from a saved state
 *
 * For a backend whose host shows it. Each CPU may find out by itself, so it may be called
 * again, and begins anew then. It wakes no task; READY for all does that.
 *
 * Context: any but NMI.
 */
void pvfault_restored(void)
{
	unsigned long waits = pvfault_count(PVFAULT_NR_sleep), flags;

	raw_spin_lock_irqsave(&pvfault_restored_lock, flags);
	pvfault_restored_at = jiffies;
	pvfault_restored_moved = pvfault_restored_at;
	pvfault_restored_before = waits;
	pvfault_restored_seen = waits;
	raw_spin_unlock_irqrestore(&pvfault_restored_lock, flags);
	schedule_delayed_work(&pvfault_restored_work, PVFAULT_RESTORED_LOOK);
}
EXPORT_SYMBOL_GPL(pvfault_restored);
