// SPDX-License-Identifier: GPL-2.0
/*
 * Hooks in mm/ that are armed by evidence. A static key each:
 *
 *	off	at boot; a guest whose host takes no such pages pays one no-op
 *	on	when a task has met what the hook is for
 *	off	after five minutes in which the hook made no task wait; without a backend
 */

#include <linux/array_size.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/pvfault_alloc.h>
#include <linux/workqueue.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(pvfault_alloc_enabled);
DEFINE_STATIC_KEY_FALSE(pvfault_read_enabled);

/* After so long without a wait at a hook its pages are no longer out. */
unsigned long pvfault_hook_idle __read_mostly = 300 * HZ;

struct pvfault_hook {
	struct static_key *key;
	enum pvfault_event wait;	/* counts the waits at this hook */
	unsigned long waits;		/* of these, when last looked at; work items only */
	struct irq_work irq_work;
	struct work_struct work;
	struct delayed_work idle_work;
};

static void pvfault_hook_queue(struct irq_work *irq_work)
{
	schedule_work(&container_of(irq_work, struct pvfault_hook, irq_work)->work);
}

static void pvfault_hook_enable(struct work_struct *work)
{
	struct pvfault_hook *hook = container_of(work, struct pvfault_hook, work);

	hook->waits = pvfault_count(hook->wait);
	static_key_enable(hook->key);
	schedule_delayed_work(&hook->idle_work, pvfault_hook_idle);
}

static void pvfault_hook_check(struct work_struct *work)
{
	struct pvfault_hook *hook = container_of(to_delayed_work(work), struct pvfault_hook,
						 idle_work);
	unsigned long waits = pvfault_count(hook->wait);

	if (waits == hook->waits) {
		static_key_disable(hook->key);
		return;
	}
	hook->waits = waits;
	schedule_delayed_work(&hook->idle_work, pvfault_hook_idle);
}

static struct pvfault_hook pvfault_hooks[] = {
	[PVFAULT_HOOK_ALLOC] = {
		.key	= &pvfault_alloc_enabled.key,
		.wait	= PVFAULT_NR_sleep_alloc,
	},
	[PVFAULT_HOOK_READ] = {
		.key	= &pvfault_read_enabled.key,
		.wait	= PVFAULT_NR_sleep_read,
	},
};

/**
 * pvfault_hook_arm() - a task has met what a hook is for
 * @which: hook
 *
 * By irq_work, because the interrupted code may hold any lock.
 *
 * Context: any but NMI.
 */
void pvfault_hook_arm(enum pvfault_hooks which)
{
	if (!static_key_enabled(pvfault_hooks[which].key))
		irq_work_queue(&pvfault_hooks[which].irq_work);
}

/**
 * pvfault_hooks_stop() - disarm all hooks
 *
 * Context: process context, may sleep; no NOT_PRESENT comes any more.
 */
void pvfault_hooks_stop(void)
{
	struct pvfault_hook *hook;

	for (hook = pvfault_hooks; hook < pvfault_hooks + ARRAY_SIZE(pvfault_hooks); hook++) {
		irq_work_sync(&hook->irq_work);
		cancel_work_sync(&hook->work);
		cancel_delayed_work_sync(&hook->idle_work);
		static_key_disable(hook->key);
	}
}

static int __init pvfault_hooks_init(void)
{
	struct pvfault_hook *hook;

	for (hook = pvfault_hooks; hook < pvfault_hooks + ARRAY_SIZE(pvfault_hooks); hook++) {
		init_irq_work(&hook->irq_work, pvfault_hook_queue);
		INIT_WORK(&hook->work, pvfault_hook_enable);
		INIT_DELAYED_WORK(&hook->idle_work, pvfault_hook_check);
	}
	return 0;
}
early_initcall(pvfault_hooks_init);
