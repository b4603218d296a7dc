// SPDX-License-Identifier: GPL-2.0
/*
 * Marks: what the table remembers of tokens on which nobody sleeps, without
 * allocating anything. Each CPU has a pool of them.
 *
 * A CPU takes marks from its own pool only, with interrupts off, so taking
 * needs no lock. Marks are given back from any CPU, after they left the list,
 * by an atomic bit (release, against acquire when it is taken again). Whoever
 * looks through the bits may miss one that is just being given back: they are
 * read without order, and taking one decides. Only the owner CPU writes a mark's
 * token, so it may read it without a lock to find the bucket of a mark that has
 * to give way.
 */

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#include "internal.h"
#include "table.h"

struct pvfault_pool {
	DECLARE_BITMAP(busy, PVFAULT_MARKS);
	u32 clock;
	struct pvfault_mark mark[PVFAULT_MARKS];
};

static struct pvfault_pool __percpu *pvfault_pools __read_mostly;

/**
 * pvfault_mark_put() - give back a mark
 * @mark: on no list
 *
 * Context: any but NMI, any CPU.
 */
void pvfault_mark_put(struct pvfault_mark *mark)
{
	struct pvfault_pool *pool = per_cpu_ptr(pvfault_pools, mark->cpu);

	clear_bit_unlock(mark - pool->mark, pool->busy);
}

/**
 * pvfault_mark_erase() - take a mark off its list and give it back
 * @node: the mark's
 *
 * Context: its bucket is locked.
 */
void pvfault_mark_erase(struct pvfault_node *node)
{
	hlist_del_init(&node->link);
	pvfault_mark_put(to_mark(node));
}

/*
 * The pool is empty: let its oldest mark give way. Returns NULL if that has
 * just been given back by another CPU, so that there is a free one now.
 */
static struct pvfault_mark *pvfault_mark_evict(struct pvfault_pool *pool)
{
	struct pvfault_mark *mark = &pool->mark[0];
	struct pvfault_bucket *b;
	bool mine;
	int i;

	for (i = 1; i < PVFAULT_MARKS; i++)
		if ((s32)(pool->mark[i].stamp - mark->stamp) < 0)
			mark = &pool->mark[i];

	b = pvfault_bucket(mark->node.token);
	raw_spin_lock(&b->lock);
	mine = !hlist_unhashed(&mark->node.link);
	if (mine)
		hlist_del_init(&mark->node.link);
	raw_spin_unlock(&b->lock);

	if (!mine)
		return NULL;
	pvfault_note(overwritten, mark->node.token);
	return mark;
}

/**
 * pvfault_mark_get() - take a mark from this CPU's pool
 * @token: that it is to remember
 *
 * Never fails: the oldest gives way, and the deadline takes care of whoever
 * that concerns.
 *
 * Context: interrupts off, no bucket locked.
 * Return: a mark on no list, its state not set.
 */
struct pvfault_mark *pvfault_mark_get(pvfault_token_t token)
{
	struct pvfault_pool *pool = this_cpu_ptr(pvfault_pools);
	struct pvfault_mark *mark = NULL;

	do {
		/* Bits are given back meanwhile; see above. */
		unsigned long i = data_race(find_first_zero_bit(pool->busy, PVFAULT_MARKS));

		if (i >= PVFAULT_MARKS)
			mark = pvfault_mark_evict(pool);
		else if (!test_and_set_bit_lock(i, pool->busy))
			mark = &pool->mark[i];
	} while (!mark);

	mark->node.token = token;
	mark->stamp = pool->clock++;
	return mark;
}

/**
 * pvfault_table_marks() - how many tokens a CPU remembers
 * @cpu: whose pool
 *
 * Context: any.
 * Return: that number, at most 64.
 */
unsigned int pvfault_table_marks(unsigned int cpu)
{
	struct pvfault_pool *pool = per_cpu_ptr(pvfault_pools, cpu);

	/* A figure, out of date in any case. */
	return data_race(bitmap_weight(pool->busy, PVFAULT_MARKS));
}

static void pvfault_pool_init(struct pvfault_pool *pool, int cpu)
{
	int i;

	for (i = 0; i < PVFAULT_MARKS; i++) {
		INIT_HLIST_NODE(&pool->mark[i].node.link);
		pool->mark[i].cpu = cpu;
	}
}

/**
 * pvfault_marks_init() - allocate the pools
 *
 * Context: may sleep; once, before the table is used.
 * Return: 0 or -ENOMEM.
 */
int pvfault_marks_init(void)
{
	int cpu;

	pvfault_pools = alloc_percpu(struct pvfault_pool);
	if (!pvfault_pools)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		pvfault_pool_init(per_cpu_ptr(pvfault_pools, cpu), cpu);
	return 0;
}

/**
 * pvfault_marks_free() - undo of pvfault_marks_init()
 *
 * Context: may sleep; if the table could not be set up.
 */
void pvfault_marks_free(void)
{
	free_percpu(pvfault_pools);
	pvfault_pools = NULL;
}
