// SPDX-License-Identifier: GPL-2.0
/*
 * Marks: how the table remembers tokens on which no task sleeps, without allocating
 * anything. Each CPU has a pool of them.
 *
 * A CPU takes marks from its own pool only, with interrupts off, so taking
 * needs no lock. Marks are given back from any CPU, after they left the list,
 * by an atomic bit (release, against acquire when it is taken again). A search
 * through the bits may miss one that is just being given back: it reads without
 * order, and the atomic taking decides. Only the owner CPU writes a mark's token, so
 * it may read it without a lock to find the bucket of a mark that has to give way.
 *
 * The pool's other slots are for the sleepers of batches (batch.c), of tokens of which
 * this CPU was notified. One that is left stays where it is, as an ABANDONED mark, so that a batch
 * which is left pushes out nothing that is remembered. While such marks fill the slots,
 * the CPU begins no more batches; one whose READY must be lost gives way.
 */

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#include "internal.h"
#include "table.h"

struct pvfault_pool {
	DECLARE_BITMAP(busy, PVFAULT_SLOTS);
	u32 clock;
	union pvfault_slot slot[PVFAULT_SLOTS];	/* marks first, then those of batches */
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

	clear_bit_unlock(container_of(mark, union pvfault_slot, mark) - pool->slot, pool->busy);
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
	struct pvfault_mark *mark = &pool->slot[0].mark;
	struct pvfault_bucket *b;
	bool mine;
	int i;

	for (i = 1; i < PVFAULT_MARKS; i++)
		if ((s32)(pool->slot[i].mark.stamp - mark->stamp) < 0)
			mark = &pool->slot[i].mark;

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
 * Never fails: the oldest mark gives way, and its task wakes at its deadline.
 *
 * Context: interrupts off, no bucket locked, because it may lock one.
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
			mark = &pool->slot[i].mark;
	} while (!mark);

	mark->node.token = token;
	mark->stamp = pool->clock++;
	return mark;
}

/*
 * Left so long ago, or before a READY for all, that its READY won't come?
 * Context: its bucket is locked.
 */
static bool pvfault_slot_stale(const struct pvfault_mark *mark)
{
	if (hlist_unhashed(&mark->node.link) || mark->node.state != PVFAULT_ABANDONED)
		return false;
	return mark->generation != pvfault_generation_read() ||
	       jiffies - mark->stamp > READ_ONCE(pvfault_deadline);
}

/* All slots of batches are busy: let one that is stale give way, or return false. */
static bool pvfault_slot_evict(struct pvfault_pool *pool)
{
	bool stale = false;
	int i;

	for (i = PVFAULT_MARKS; i < PVFAULT_SLOTS && !stale; i++) {
		struct pvfault_mark *mark = &pool->slot[i].mark;
		struct pvfault_bucket *b = pvfault_bucket(mark->node.token);

		raw_spin_lock(&b->lock);
		stale = pvfault_slot_stale(mark);
		if (stale)
			pvfault_mark_erase(&mark->node);
		raw_spin_unlock(&b->lock);
	}
	return stale;
}

/**
 * pvfault_slot_get() - take a slot for a batch's sleeper from this CPU's pool
 * @token: that it is to wait for
 *
 * Context: interrupts off, no bucket locked.
 * Return: a sleeper on no list, of which only token and CPU are set; NULL if there is
 * none.
 */
struct pvfault_sleeper *pvfault_slot_get(pvfault_token_t token)
{
	struct pvfault_pool *pool = this_cpu_ptr(pvfault_pools);

	do {
		/* As in pvfault_mark_get(). */
		unsigned long i = data_race(find_next_zero_bit(pool->busy, PVFAULT_SLOTS,
							       PVFAULT_MARKS));

		if (i < PVFAULT_SLOTS && !test_and_set_bit_lock(i, pool->busy)) {
			pool->slot[i].sleeper.node.token = token;
			return &pool->slot[i].sleeper;
		}
	} while (pvfault_slot_evict(pool));
	return NULL;
}

/**
 * pvfault_table_batched() - how many tokens told to a CPU are, or were left, in batches
 * @cpu: which
 *
 * Context: any.
 * Return: that number, at most 32.
 */
unsigned int pvfault_table_batched(unsigned int cpu)
{
	struct pvfault_pool *pool = per_cpu_ptr(pvfault_pools, cpu);

	/* For statistics: out of date as soon as it is read. */
	return data_race(bitmap_weight(pool->busy + BIT_WORD(PVFAULT_MARKS), PVFAULT_BATCHED));
}

/**
 * pvfault_table_marks() - how many tokens a CPU remembers, but for those of batches
 * @cpu: the pool's CPU
 *
 * Context: any.
 * Return: that number, at most 64.
 */
unsigned int pvfault_table_marks(unsigned int cpu)
{
	struct pvfault_pool *pool = per_cpu_ptr(pvfault_pools, cpu);

	/* For statistics: out of date as soon as it is read. */
	return data_race(bitmap_weight(pool->busy, PVFAULT_MARKS));
}

static void pvfault_pool_init(struct pvfault_pool *pool, int cpu)
{
	int i;

	for (i = 0; i < PVFAULT_SLOTS; i++) {
		INIT_HLIST_NODE(&pool->slot[i].mark.node.link);
		pool->slot[i].mark.cpu = cpu;
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
