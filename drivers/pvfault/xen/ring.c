// SPDX-License-Identifier: GPL-2.0
/*
 * Taking READY out of the ring. This file uses neither XenStore nor grants nor
 * events, so that the tests can be the pager.
 *
 * The pager's page is another domain's to write: every field is read once,
 * and a wrong value costs time, never more than XEN_PVFAULT_ROUNDS lengths of
 * the ring, or a spurious wake.
 */

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>

#include <asm/barrier.h>

#include "xen.h"

/* As io/pvfault.h draws them. */
static_assert(sizeof(struct xen_pvfault_front) == 4096, "one page");
static_assert(offsetof(struct xen_pvfault_front, event) == 4, "layout");
static_assert(offsetof(struct xen_pvfault_front, clear_ip) == 8, "layout");
static_assert(offsetof(struct xen_pvfault_front, clear_base) == 16, "layout");
static_assert(offsetof(struct xen_pvfault_front, tell) == 64, "layout");
static_assert(offsetof(struct xen_pvfault_ring, all) == 4, "layout");
static_assert(offsetof(struct xen_pvfault_ring, entry) == 64, "layout");
static_assert(sizeof(struct xen_pvfault_ring) + XEN_PVFAULT_RING_LENGTH(0) * 8 <= 4096,
	      "the ring fits into its pages");

/**
 * xen_pvfault_reader_open() - begin with an empty ring
 * @r: its lock is initialised
 * @front: zeroed
 * @ring: zeroed
 * @length: of @ring, a power of two
 *
 * From here on the pager may fill the ring and is asked to notify.
 *
 * Context: any but NMI.
 */
void xen_pvfault_reader_open(struct xen_pvfault_reader *r,
			     struct xen_pvfault_front *front,
			     const struct xen_pvfault_ring *ring, u32 length)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&r->lock, flags);
	r->ring = ring;
	r->length = length;
	r->cons = 0;
	r->all = 0;
	r->front = front;
	WRITE_ONCE(front->cons, 0);
	/* The pager sends an event when prod reaches this: with 0 not for the first entry. */
	WRITE_ONCE(front->event, 1);
	raw_spin_unlock_irqrestore(&r->lock, flags);
}

/**
 * xen_pvfault_reader_close() - let go of the pages
 * @r: the reader; when this returns its pages are no longer used
 *
 * Context: any but NMI.
 */
void xen_pvfault_reader_close(struct xen_pvfault_reader *r)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&r->lock, flags);
	r->front = NULL;
	r->ring = NULL;
	raw_spin_unlock_irqrestore(&r->lock, flags);
}

static void xen_pvfault_wake_all(struct xen_pvfault_reader *r)
{
	r->count[XEN_PVFAULT_NR_ready_all]++;
	r->ready_all();
}

/* @entry is a copy, which the pager can't change. */
static void xen_pvfault_take_entry(struct xen_pvfault_reader *r, u64 entry)
{
	r->count[XEN_PVFAULT_NR_entries]++;
	if (xen_pvfault_is_token(entry))
		r->ready(entry);
	else
		r->count[XEN_PVFAULT_NR_bad_entries]++;
}

/* Take what lies before @prod, at most the ring's length. Returns how much. */
static unsigned int xen_pvfault_take_round(struct xen_pvfault_reader *r,
					   u32 prod, u32 all)
{
	unsigned int found = 0;

	if (all != r->all) {
		r->all = all;
		xen_pvfault_wake_all(r);
		found++;
	}
	/* Also if prod went backwards. What lies in between is lost. */
	if (prod - r->cons > r->length) {
		r->count[XEN_PVFAULT_NR_overruns]++;
		r->cons = prod;
		xen_pvfault_wake_all(r);
		found++;
	}
	for (; r->cons != prod; r->cons++) {
		u32 i = r->cons & (r->length - 1);

		xen_pvfault_take_entry(r, READ_ONCE(r->ring->entry[i]));
		found++;
	}
	return found;
}

/**
 * xen_pvfault_take() - deliver every READY that lies in the ring
 * @r: the reader
 * @event: an event has come; else one may have been lost
 * @more: set to true if the pager went on adding and the caller has to come
 *	again, because no event will follow
 *
 * Context: any but NMI.
 * Return: how many entries and steps of all there were.
 */
unsigned int xen_pvfault_take(struct xen_pvfault_reader *r, bool event, bool *more)
{
	unsigned int found = 0, round;
	unsigned long flags;
	u32 prod, all;

	*more = false;
	raw_spin_lock_irqsave(&r->lock, flags);
	for (round = 0; r->front; round++) {
		prod = READ_ONCE(r->ring->prod);
		all = READ_ONCE(r->ring->all);
		/*
		 * Not in the first round: an event may have been used up that
		 * belongs to an entry taken before, and a new one has to be
		 * asked for.
		 */
		if (round && prod == r->cons && all == r->all)
			break;
		if (round == XEN_PVFAULT_ROUNDS) {
			*more = true;
			break;
		}
		/* Pairs with the pager's write barrier: entries before prod. */
		virt_rmb();
		found += xen_pvfault_take_round(r, prod, all);
		/*
		 * Release: the copies are taken before the pager may use the
		 * room again; pairs with its reading cons before it writes.
		 */
		virt_store_release(&r->front->cons, r->cons);
		WRITE_ONCE(r->front->event, r->cons + 1);
		/*
		 * Pairs with the pager's full barrier between prod and event:
		 * either it sees our event, or we see its prod.
		 */
		virt_mb();
	}
	if (event)
		r->count[XEN_PVFAULT_NR_events]++;
	else
		r->count[XEN_PVFAULT_NR_unannounced] += found;
	if (*more)
		r->count[XEN_PVFAULT_NR_postponed]++;
	raw_spin_unlock_irqrestore(&r->lock, flags);
	return found;
}
