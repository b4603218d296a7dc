// SPDX-License-Identifier: GPL-2.0
/*
 * The token table: which task sleeps on which token, and which tokens are remembered
 * although no task sleeps on them.
 *
 * A token hashes to a bucket, a bucket is a lock and a list of nodes. A node
 * is a sleeper, on the stack of the task that sleeps, or a mark, from a small
 * pool that belongs to a CPU (marks.c). A task that waits for several tokens at
 * once has a sleeper for each, from the pool, and one count (batch.c). The scan
 * (scan.c) passes over all. This is a node's life:
 *
 *	from		to		by		when
 *	(new sleeper)	SLEEPING	the sleeper	NOT_PRESENT
 *	SLEEPING	WOKEN		waker, scan	READY, READY for all
 *	SLEEPING	LEFT		the sleeper	fatal signal, deadline (probe.c)
 *	(free mark)	EARLY		waker		READY for unknown token
 *	(free mark)	ABANDONED	ex-sleeper,	left without READY, or
 *					rejecter	may not sleep
 *	EARLY		(free mark)	sleeper,	NOT_PRESENT,
 *					ex-sleeper,	left just before,
 *					owner CPU	pool is empty
 *	ABANDONED	(free mark)	waker, sleeper,	READY, NOT_PRESENT anew,
 *					owner CPU	pool is empty
 *
 * After READY for all the host may begin anew with its tokens. So READY ignores nodes
 * from before it: marks are erased, and a sleeper is left to the scan, which wakes it.
 * In turn a task that was notified before READY for all ignores marks from after it.
 *
 * Ordering and lifetime
 * ---------------------
 * The bucket lock guards the bucket's list, and the token and state of the
 * nodes on it. It is a raw lock, taken with interrupts off, because READY is
 * an interrupt. It is never taken in NMI, nor in a #PF that interrupted code with
 * interrupts off. So NOT_PRESENT inside one of these critical sections is rejected
 * and can't deadlock. Inside the lock only the scheduler's own locks are taken (to
 * wake).
 *
 * A sleeper's node dies with its stack frame. The waker therefore takes the
 * node off the list, reads the task, and then stores WOKEN with release: the
 * last touch. Something else may have woken the sleeper; it then sees WOKEN (acquire,
 * in pvfault_sleep()) at any moment, without the lock, and its frame may be gone. The
 * task outlives the wake-up that follows: it was alive while its node was on the
 * list, and interrupts are off, which holds back the RCU grace period that freeing a
 * task takes.
 *
 * No wake is lost: the sleeper sets its task state before it queues, so that waker
 * and scan find it about to sleep. When it sleeps once more it sets its state (a full
 * barrier) and then looks at its node; the waker stores WOKEN and then wakes, and
 * try_to_wake_up() begins with a full barrier before it looks at the state.
 *
 * READY for all is a number, the generation. A task reads it when it is notified, and
 * looks at it again when it has queued. READY for all increments it and then lets the
 * scan pass over each bucket. Both write first, and read after a full barrier, so at
 * least one of them sees the other:
 *
 *	sleeper				READY for all, scan
 *	node on the list		generation++
 *	full barrier			full barrier
 *	look at the generation		look at the list
 */

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"
#include "table.h"

#define PVFAULT_MIN_BUCKETS	256

struct pvfault_bucket *pvfault_buckets __read_mostly;
unsigned int pvfault_bits __read_mostly;
/* Sleepers by group of buckets. Written with a bucket of the group locked. */
atomic_t *pvfault_groups __read_mostly;

/* Counts READY for all. Written rarely, by READY for all alone. */
atomic_t pvfault_generation_count = ATOMIC_INIT(0);

/*
 * For lockdep each wait for the host is an acquisition of this map, so that it sees
 * which locks are held there, and complains about those that must not sleep.
 */
static struct lock_class_key pvfault_wait_key;
static struct lockdep_map pvfault_wait_map __maybe_unused;

/* Context: the node's bucket is locked, as for pvfault_sleeper_del(). */
static void pvfault_sleeper_add(struct pvfault_bucket *b, struct pvfault_node *node)
{
	atomic_inc(pvfault_group(b));
	hlist_add_head(&node->link, &b->nodes);
}

static void pvfault_sleeper_del(struct pvfault_node *node)
{
	hlist_del_init(&node->link);
	atomic_dec(pvfault_group(pvfault_bucket(node->token)));
}

/**
 * pvfault_wake() - SLEEPING to WOKEN
 * @node: a sleeper's, on its bucket's list
 *
 * A batch's task wakes with the last of its tokens.
 *
 * Context: the node's bucket is locked, interrupts off.
 */
void pvfault_wake(struct pvfault_node *node)
{
	struct task_struct *task = to_sleeper(node)->task;

	pvfault_sleeper_del(node);
	if (to_sleeper(node)->batch) {
		if (pvfault_batch_woken(to_sleeper(node)))
			wake_up_process(task);
		return;
	}
	/* The last touch; pairs with the acquire in pvfault_sleep(). */
	smp_store_release(&node->state, PVFAULT_WOKEN);
	wake_up_process(task);
}

static void pvfault_mark_add(struct pvfault_bucket *b, struct pvfault_mark *mark,
			     enum pvfault_state state, u32 generation)
{
	mark->node.state = state;
	mark->generation = generation;
	hlist_add_head(&mark->node.link, &b->nodes);
}

/* Was @mark added after a READY for all that came after @generation? */
static bool pvfault_newer(const struct pvfault_mark *mark, u32 generation)
{
	return (s32)(mark->generation - generation) > 0;
}

/*
 * Deliver READY to the nodes with @token. Two sleepers on one token are both woken.
 * Context: @b is locked. Return: false if no node has it.
 */
static bool pvfault_settle(struct pvfault_bucket *b, pvfault_token_t token)
{
	bool woken = false, known = false;
	u32 now = pvfault_generation_read();
	struct pvfault_node *node;
	struct hlist_node *next;

	hlist_for_each_entry_safe(node, next, &b->nodes, link) {
		if (node->token != token)
			continue;
		if (node->state == PVFAULT_SLEEPING) {
			/* Outdated: the scan is on its way to it. */
			if (to_sleeper(node)->told.generation != now)
				continue;
			pvfault_wake(node);
			woken = true;
		} else if (to_mark(node)->generation != now) {
			/* Outdated: the host means another page. */
			pvfault_mark_erase(node);
			continue;
		} else if (node->state == PVFAULT_ABANDONED) {
			pvfault_mark_erase(node);
		}
		known = true;
	}
	if (known && !woken)
		pvfault_note(dropped, token);
	return known;
}

/**
 * pvfault_ready() - READY: wake the tasks that wait for the page
 * @token: as in NOT_PRESENT
 *
 * May come on any CPU, before, during or after NOT_PRESENT, more than once, or
 * for an unknown token. Allocates nothing; its work is bounded by the bucket's
 * length.
 *
 * Context: any but NMI and exceptions that may have interrupted code with interrupts
 * off, which may hold a bucket's lock. A backend has begun to register.
 */
void pvfault_ready(pvfault_token_t token)
{
	struct pvfault_bucket *b = pvfault_bucket(token);
	struct pvfault_mark *mark;
	unsigned long flags;

	pvfault_note(ready, token);

	raw_spin_lock_irqsave(&b->lock, flags);
	if (likely(pvfault_settle(b, token))) {
		raw_spin_unlock_irqrestore(&b->lock, flags);
		return;
	}
	/*
	 * No node has this token, so a mark has to be left. It may have to be taken off
	 * another bucket, and one bucket is never locked inside another: so let go of this
	 * one, take a mark, and look again, because a task may have queued meanwhile.
	 */
	raw_spin_unlock(&b->lock);

	mark = pvfault_mark_get(token);

	raw_spin_lock(&b->lock);
	if (likely(!pvfault_settle(b, token))) {
		pvfault_mark_add(b, mark, PVFAULT_EARLY,
				 pvfault_generation_read());
		mark = NULL;
	}
	raw_spin_unlock(&b->lock);

	if (mark)
		pvfault_mark_put(mark);
	else
		pvfault_note(early, token);
	local_irq_restore(flags);
}

/**
 * pvfault_generation() - how often there was READY for all
 *
 * A backend that learns of a missing page and sends the task to sleep later
 * reads this when it learns, and hands it to pvfault_wait().
 *
 * Context: any, noinstr.
 * Return: a number that changes with each READY for all.
 */
noinstr u32 pvfault_generation(void)
{
	return pvfault_generation_read();
}

/**
 * pvfault_ready_all() - wake every task that was notified before this moment
 *
 * For all that is uncertain: the host forgot its tokens, a CPU or the backend
 * goes away. Also covers tasks that have been notified and do not sleep yet.
 * Returns at once; the waking is the watch's, in timer context.
 *
 * Context: as pvfault_ready().
 */
void pvfault_ready_all(void)
{
	pvfault_note(wake_all, ~0ULL);
	atomic_inc(&pvfault_generation_count);
	pvfault_watch_kick();
}

/**
 * pvfault_queue() - put a sleeper on its bucket's list
 * @s: all its fields set
 *
 * Context: interrupts off, no bucket locked.
 * Return: false if READY came first, so that it is on no list.
 */
bool pvfault_queue(struct pvfault_sleeper *s)
{
	struct pvfault_bucket *b = pvfault_bucket(s->node.token);
	struct pvfault_node *node;
	struct hlist_node *next;
	bool early = false;

	raw_spin_lock(&b->lock);
	hlist_for_each_entry_safe(node, next, &b->nodes, link) {
		if (node->token != s->node.token ||
		    node->state == PVFAULT_SLEEPING ||
		    pvfault_newer(to_mark(node), s->told.generation))
			continue;
		/* NOT_PRESENT for an abandoned token: the host has reused it. */
		early |= node->state == PVFAULT_EARLY;
		pvfault_mark_erase(node);
	}
	if (!early) {
		pvfault_sleeper_add(b, &s->node);
		/*
		 * Pairs with the one in pvfault_table_scan(), which passes over a
		 * group without sleepers and a bucket that looks empty without
		 * taking a lock.
		 */
		smp_mb();
		if (s->told.generation != pvfault_generation_read()) {
			pvfault_sleeper_del(&s->node);
			early = true;
		}
	}
	raw_spin_unlock(&b->lock);
	return !early;
}

/*
 * Leave without READY: SLEEPING to LEFT. Returns false if a waker was faster. It no
 * longer uses the node then, because it changed the state under the lock.
 */
static bool pvfault_leave(struct pvfault_sleeper *s)
{
	struct pvfault_bucket *b = pvfault_bucket(s->node.token);
	unsigned long flags;
	bool left;

	raw_spin_lock_irqsave(&b->lock, flags);
	left = s->node.state == PVFAULT_SLEEPING;
	if (left) {
		pvfault_sleeper_del(&s->node);
		s->node.state = PVFAULT_LEFT;
	}
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return left;
}

/*
 * Is @token, of a NOT_PRESENT at @generation, remembered? Erases it if it is EARLY.
 * Context: @b is locked.
 */
static bool pvfault_unremember(struct pvfault_bucket *b, pvfault_token_t token,
			       u32 generation)
{
	struct pvfault_node *node;
	struct hlist_node *next;
	bool known = false;

	hlist_for_each_entry_safe(node, next, &b->nodes, link) {
		if (node->token != token || node->state == PVFAULT_SLEEPING ||
		    pvfault_newer(to_mark(node), generation))
			continue;
		known = true;
		if (node->state == PVFAULT_EARLY)
			pvfault_mark_erase(node);
	}
	return known;
}

/**
 * pvfault_table_forget() - no task will wait for @token any more
 * @token: of a wait that ended without READY, or never began
 * @generation: pvfault_generation() when the task was notified
 *
 * Leaves a mark, so that its READY is dropped when it comes. If READY has come
 * already, erases the mark that it has left.
 *
 * Context: any but NMI; not inside a critical section of this file.
 */
void pvfault_table_forget(pvfault_token_t token, u32 generation)
{
	struct pvfault_bucket *b = pvfault_bucket(token);
	struct pvfault_mark *mark;
	unsigned long flags;

	raw_spin_lock_irqsave(&b->lock, flags);
	if (pvfault_unremember(b, token, generation)) {
		raw_spin_unlock_irqrestore(&b->lock, flags);
		return;
	}
	/* Let go, and look again: as in pvfault_ready(). */
	raw_spin_unlock(&b->lock);

	mark = pvfault_mark_get(token);

	raw_spin_lock(&b->lock);
	if (likely(!pvfault_unremember(b, token, generation))) {
		pvfault_mark_add(b, mark, PVFAULT_ABANDONED, generation);
		mark = NULL;
	}
	raw_spin_unlock(&b->lock);

	if (mark)
		pvfault_mark_put(mark);
	local_irq_restore(flags);
}

static void pvfault_forget(const struct pvfault_sleeper *s)
{
	pvfault_table_forget(s->told.token, s->told.generation);
}

/*
 * Leave because of a fatal signal or the deadline? A task that probes leaves no mark:
 * its token is settled by the probe, and until then READY for it is remembered.
 * Context: about to sleep, in a task state for that, so that the scan's wake is not
 * lost. Return: PVFAULT_NO_WAIT if it stays.
 */
static enum pvfault_end pvfault_gives_up(struct pvfault_sleeper *s)
{
	if (fatal_signal_pending(current)) {
		if (!pvfault_leave(s))
			return PVFAULT_NO_WAIT;
		pvfault_forget(s);
		pvfault_note(abandoned, s->node.token);
		return PVFAULT_OVER;
	}
	switch (pvfault_probe_turn(&s->told)) {
	case PVFAULT_GIVE_UP:
		if (!pvfault_leave(s))
			return PVFAULT_NO_WAIT;
		pvfault_forget(s);
		pvfault_note(retry, s->node.token);
		return PVFAULT_OVER;
	case PVFAULT_TRY:
		if (!pvfault_leave(s)) {
			pvfault_probe_cancel(&s->told);
			return PVFAULT_NO_WAIT;
		}
		pvfault_note(probe, s->node.token);
		return PVFAULT_PROBES;
	case PVFAULT_SLEEP_ON:
		break;
	}
	return PVFAULT_NO_WAIT;
}

/**
 * pvfault_wait_begins() - let lockdep see what is held when a task begins a wait
 *
 * Context: may sleep.
 */
void pvfault_wait_begins(void)
{
	lock_map_acquire(&pvfault_wait_map);
	lock_map_release(&pvfault_wait_map);
}

/*
 * Sleep until READY, a fatal signal or the deadline. Context: may sleep, in task
 * state @state already.
 */
static enum pvfault_end pvfault_sleep(struct pvfault_sleeper *s, unsigned int state)
{
	pvfault_wait_begins();
	/* Pairs with the last touch in pvfault_wake(). */
	while (smp_load_acquire(&s->node.state) == PVFAULT_SLEEPING) {
		enum pvfault_end end = pvfault_gives_up(s);

		if (end != PVFAULT_NO_WAIT) {
			__set_current_state(TASK_RUNNING);
			/* A task that probes waits on if the page is still missing. */
			if (end == PVFAULT_OVER)
				pvfault_waited(&s->told);
			return end;
		}
		pvfault_watch_arm();
		/* Shows as I/O wait, also in PSI io and delay accounting. */
		io_schedule();
		set_current_state(state);
	}
	__set_current_state(TASK_RUNNING);
	pvfault_note(wake, s->node.token);
	pvfault_waited(&s->told);
	if (unlikely(pvfault_overdue(s->told.since)))
		pvfault_probe_over(&s->told);
	return PVFAULT_OVER;
}

/**
 * pvfault_table_sleep() - NOT_PRESENT: sleep until READY
 * @told: the task's notification
 *
 * Returns at once if READY came first. May return without READY; the caller
 * retries its access whatever happened. A task notified in user mode holds nothing, so
 * it may also be frozen.
 *
 * Context: process context that may sleep, but with interrupts off, and if @told->cpu
 * is this CPU, off since NOT_PRESENT. On while it sleeps, off when it returns.
 * Return: how it ended.
 */
enum pvfault_end pvfault_table_sleep(const struct pvfault_told *told)
{
	unsigned int state = TASK_KILLABLE | (told->user ? TASK_FREEZABLE : 0);
	struct pvfault_sleeper s = {
		.node = { .token = told->token, .state = PVFAULT_SLEEPING },
		.told = *told,
		.task = current,
	};
	enum pvfault_end end;

	lockdep_assert_irqs_disabled();

	set_current_state(state);
	if (!pvfault_queue(&s)) {
		__set_current_state(TASK_RUNNING);
		pvfault_note(early_hit, told->token);
		return PVFAULT_NO_WAIT;
	}
	pvfault_note(sleep, told->token);

	local_irq_enable();
	end = pvfault_sleep(&s, state);
	local_irq_disable();
	return end;
}

/**
 * pvfault_table_init() - allocate the table
 *
 * A bucket for each token that hosts can have outstanding, so that a bucket
 * holds about one node on any size of machine. Done once and kept: 16 bytes a
 * bucket, and 96 slots of 80 bytes for each possible CPU.
 *
 * Context: may sleep; callers exclude each other.
 * Return: 0 or -ENOMEM.
 */
int pvfault_table_init(void)
{
	struct pvfault_bucket *buckets;
	unsigned int i, n;

	if (pvfault_buckets)
		return 0;

	if (pvfault_marks_init())
		return -ENOMEM;
	n = max_t(unsigned int, PVFAULT_MIN_BUCKETS,
		  roundup_pow_of_two(num_possible_cpus() * PVFAULT_MARKS));
	pvfault_bits = ilog2(n);
	lockdep_init_map_wait(&pvfault_wait_map, "pvfault_wait",
			      &pvfault_wait_key, 0, LD_WAIT_SLEEP);
	pvfault_groups = kvcalloc(1U << pvfault_group_bits(), sizeof(*pvfault_groups),
				  GFP_KERNEL);
	buckets = kvcalloc(n, sizeof(*buckets), GFP_KERNEL);
	if (!buckets || !pvfault_groups) {
		kvfree(buckets);
		kvfree(pvfault_groups);
		pvfault_marks_free();
		return -ENOMEM;
	}
	for (i = 0; i < n; i++)
		raw_spin_lock_init(&buckets[i].lock);
	/* Pairs with pvfault_for_each_sleeper() and pvfault_table_outstanding(). */
	smp_store_release(&pvfault_buckets, buckets);
	return 0;
}
