// SPDX-License-Identifier: GPL-2.0
/*
 * The table of a stock kernel's arch/x86/kernel/kvm.c. stock.inc is cut out of
 * the kernel's source when this is built.
 */

#include <linux/hash.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "table.h"

#define hlist_entry			container_of
#define hlist_for_each(p, head)		for (p = (head)->first; p; p = p->next)
#define hlist_for_each_safe(p, n, head)					\
	for (p = (head)->first; p && (n = p->next, true); p = n)
#define hlist_del			hlist_del_init
#define cpu_relax()			__builtin_ia32_pause()

/* A simple wait queue with one task, or none. */
struct swait_queue_head {
	raw_spinlock_t lock;
	struct task_struct *task;
};

#define DECLARE_SWAITQUEUE(name)	int name __maybe_unused
#define prepare_to_swait_exclusive(wq, wait, state)			\
	((wq)->task = current, set_current_state(state))
#define finish_swait(wq, wait)		((wq)->task = NULL)

static inline void init_swait_queue_head(struct swait_queue_head *wq)
{
	raw_spin_lock_init(&wq->lock);
	wq->task = NULL;
}

static inline bool swq_has_sleeper(struct swait_queue_head *wq)
{
	smp_mb();
	return wq->task;
}

static inline void swake_up_one(struct swait_queue_head *wq)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&wq->lock, flags);
	wake_up_process(wq->task);
	wq->task = NULL;
	raw_spin_unlock_irqrestore(&wq->lock, flags);
}

#include "stock.inc"

static void init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(async_pf_sleepers); i++)
		raw_spin_lock_init(&async_pf_sleepers[i].lock);
}

static bool told(void *node, uint32_t token)
{
	struct kvm_task_sleep_node *n = node;

	if (!kvm_async_pf_queue_task(token, n))
		return false;
	n->wq.task = current;
	return true;
}

/* The host tells each CPU, and a CPU wakes its own. */
static void ready_all(void)
{
	unsigned int was = sim_cpu;

	for (sim_cpu = 0; sim_cpu < sim_nr_cpus; sim_cpu++)
		kvm_async_pf_task_wake(~0U);
	sim_cpu = was;
}

const struct table stock_table = {
	.name = "stock",
	.node_size = sizeof(struct kvm_task_sleep_node),
	.init = init,
	.told = told,
	.ready = kvm_async_pf_task_wake,
	.ready_all = ready_all,
};
