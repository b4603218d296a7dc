// SPDX-License-Identifier: GPL-2.0
/*
 * Batches: a task that waits for several tokens at once, and wakes with the last READY.
 *
 * The batch lies on the task's stack, and holds the tokens and a count of those that are
 * still awaited. For each token there is a sleeper on the table like any other, so that
 * READY, READY for all and repair need nothing new. But it lies in a slot of the notified
 * CPU's pool (marks.c), because 80 bytes a token are much for a stack, and because a task
 * that has to leave then turns its sleepers into marks in place. A batch waits for tokens
 * of one CPU only.
 *
 * At the deadline a batch doesn't probe for others (probe.c), because a probe is one
 * instruction that is retried. If it is asked to, or if READYs of its CPU were lost, it
 * gives up, and its task touches the pages when it needs them.
 *
 *	(free slot)	SLEEPING	the task	pvfault_batch_add()
 *	SLEEPING	(free slot)	waker, scan	READY, READY for all
 *	SLEEPING	ABANDONED	the task	fatal signal, deadline
 *	ABANDONED	(free slot)	as any mark, and see pvfault_slot_get()
 *
 * The waker gives the slot back before it counts down. Counting down is the last touch of
 * the stack: the task may see it (acquire, in pvfault_batch_wait()) at any moment. It is
 * a full barrier, too, between the count and the look at the task's state in
 * try_to_wake_up(). The task, in turn, sets its state and then reads the count.
 *
 * A task that leaves finds its sleepers by their tokens, under the bucket locks, because
 * a slot that has been given back may already be another task's. Afterwards no waker
 * reaches the batch, because wakers touch it under these locks only.
 */

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "internal.h"
#include "table.h"

/**
 * pvfault_batch_room() - is there room for another NOT_PRESENT?
 * @b: the batch that it would join
 *
 * Context: any. About the CPU the answer is a guess when the task may be migrated.
 * Return: false if the batch, or this CPU's part of what a host can have outstanding, is
 * full.
 */
bool pvfault_batch_room(const struct pvfault_batch *b)
{
	return b->n < PVFAULT_BATCH &&
	       pvfault_table_batched(raw_smp_processor_id()) < PVFAULT_BATCHED;
}

/**
 * pvfault_batch_add() - NOT_PRESENT: one more token for the current task to wait for
 * @b: its batch, not full
 * @told: the task's notification, on this CPU
 *
 * Context: interrupts off since NOT_PRESENT; not inside a critical section of the table.
 * Return: 1 if the batch waits for it; 0 if READY came first; -EBUSY if there is no slot,
 * or the batch belongs to another CPU, so that the caller has to wait for it in another
 * way, or forget it.
 */
int pvfault_batch_add(struct pvfault_batch *b, const struct pvfault_told *told)
{
	struct pvfault_sleeper *s;

	lockdep_assert_irqs_disabled();
	if (b->n && b->told.cpu != told->cpu)
		return -EBUSY;
	s = pvfault_slot_get(told->token);
	if (!s)
		return -EBUSY;
	s->node.state = PVFAULT_SLEEPING;
	s->told = *told;
	s->task = current;
	s->batch = b;

	atomic_inc(&b->pending);
	if (!pvfault_queue(s)) {
		atomic_dec(&b->pending);
		pvfault_mark_put(to_mark(&s->node));
		pvfault_note(early_hit, told->token);
		return 0;
	}
	if (!b->n)
		b->told = *told;
	b->token[b->n++] = told->token;
	pvfault_note(sleep, told->token);
	return 1;
}

/**
 * pvfault_batch_woken() - one of a batch's tokens is READY
 * @s: its sleeper, which has just been taken off its list
 *
 * Context: the token's bucket is locked, interrupts off.
 * Return: true if it was the last one. The batch may be gone then.
 */
bool pvfault_batch_woken(struct pvfault_sleeper *s)
{
	struct pvfault_batch *b = s->batch;

	pvfault_note(wake, s->node.token);
	pvfault_waited(&s->told);
	s->node.state = PVFAULT_WOKEN;
	pvfault_mark_put(to_mark(&s->node));
	/* The last touch; pairs with the acquire in pvfault_batch_wait(). */
	return atomic_dec_and_test(&b->pending);
}

/* Leave @token of @b without READY. Return: false if READY was faster. */
static bool pvfault_batch_leave(struct pvfault_batch *b, pvfault_token_t token)
{
	struct pvfault_bucket *bucket = pvfault_bucket(token);
	struct pvfault_node *node;
	unsigned long flags;
	bool left = false;

	raw_spin_lock_irqsave(&bucket->lock, flags);
	hlist_for_each_entry(node, &bucket->nodes, link) {
		if (node->token != token || node->state != PVFAULT_SLEEPING ||
		    to_sleeper(node)->batch != b)
			continue;
		to_mark(node)->stamp = jiffies;
		node->state = PVFAULT_ABANDONED;
		atomic_dec(pvfault_group(bucket));
		left = true;
		break;
	}
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
	return left;
}

/* Leave the batch if there is a reason to. Return: true if so; it is empty then. */
static bool pvfault_batch_gives_up(struct pvfault_batch *b)
{
	bool killed = fatal_signal_pending(current);
	enum pvfault_turn turn;
	unsigned int i;

	if (!killed) {
		turn = pvfault_probe_turn(&b->told);
		if (turn == PVFAULT_SLEEP_ON)
			return false;
		if (turn == PVFAULT_TRY)
			pvfault_probe_cancel(&b->told);
	}
	for (i = 0; i < b->n; i++) {
		if (!pvfault_batch_leave(b, b->token[i]))
			continue;
		if (killed)
			pvfault_note(abandoned, b->token[i]);
		else
			pvfault_note(retry, b->token[i]);
		pvfault_waited(&b->told);
	}
	pvfault_batch_init(b);
	return true;
}

/**
 * pvfault_batch_wait() - sleep until all tokens of a batch are READY
 * @b: the current task's; empty when this returns
 *
 * May return without READY. The caller retries its accesses whatever happened.
 *
 * Context: process context that may sleep, interrupts on.
 * Return: for how many tokens it waited; 0 if the batch was empty.
 */
unsigned int pvfault_batch_wait(struct pvfault_batch *b)
{
	unsigned int n = b->n;

	if (!n)
		return 0;
	pvfault_wait_begins();
	set_current_state(TASK_KILLABLE);
	/* Pairs with the last touch in pvfault_batch_woken(). */
	while (atomic_read_acquire(&b->pending) && !pvfault_batch_gives_up(b)) {
		pvfault_watch_arm();
		io_schedule();
		set_current_state(TASK_KILLABLE);
	}
	__set_current_state(TASK_RUNNING);
	b->n = 0;
	return n;
}
