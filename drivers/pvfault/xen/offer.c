// SPDX-License-Identifier: GPL-2.0
/*
 * The offer that the pager knows, and memory hotplug.
 *
 * Each offer has a serial number. The state machine in state.c writes the
 * newest one into XenStore and reports when the pager has agreed to it. A
 * page that has left the offer may still be out until then.
 *
 *	going offline	the memory leaves the offer. When the pager has
 *			agreed, the memory may go, and may become kernel
 *			memory later. If the pager doesn't agree in time,
 *			the memory stays online and on offer. If the pager
 *			was lost, it isn't known which pages are out, and no
 *			memory may go
 *	online		offered, if it is in ZONE_MOVABLE
 *
 * So only memory that is online and movable is ever on offer, and memory on
 * offer can't become kernel memory.
 */

#define pr_fmt(fmt) "pvfault: xen: " fmt

#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "xen.h"

/* How long the pager may take to bring a memory block back. */
#define XEN_PVFAULT_WITHDRAW_MS	30000

static struct {
	/*
	 * Guards all other fields. Nests inside memory hotplug's lock. Nothing
	 * waits while it holds this lock.
	 */
	struct mutex lock;
	bool open;			/* the pager knows, or is about to */
	bool away;			/* not open, and pages may be missing */
	u32 serial;			/* of the offer */
	u32 agreed;			/* the last one the pager agreed to */
	struct xen_pvfault_ranges ranges;
	struct xen_pvfault_ranges next;	/* while looking anew */
} xen_offer = {
	.lock = __MUTEX_INITIALIZER(xen_offer.lock),
};

/* Woken when open or agreed change. */
static DECLARE_WAIT_QUEUE_HEAD(offer_wait);

/*
 * Look anew. Context: both locks are held. Return: the offer's serial, an old
 * one if nothing has changed.
 */
static u32 offer_scan(const struct xen_pvfault_range *without)
{
	struct xen_pvfault_ranges *old = &xen_offer.ranges, *next = &xen_offer.next;

	xen_pvfault_ranges_init(next, old->max);
	xen_pvfault_ranges_scan(next, without);
	if (next->nr == old->nr &&
	    !memcmp(next->range, old->range, old->nr * sizeof(old->range[0])))
		return xen_offer.serial;
	*old = *next;
	WRITE_ONCE(xen_offer.serial, xen_offer.serial + 1);
	return xen_offer.serial;
}

/**
 * xen_pvfault_offer_open() - look what there is to offer, and keep it so
 * @max_ranges: of the pager
 *
 * Context: may sleep, memory hotplug is not locked.
 */
void xen_pvfault_offer_open(unsigned int max_ranges)
{
	static const struct xen_pvfault_range nothing;

	/* Under both locks, so that memory that goes from here on finds it open. */
	get_online_mems();
	mutex_lock(&xen_offer.lock);
	xen_pvfault_ranges_init(&xen_offer.ranges, max_ranges);
	offer_scan(&nothing);
	xen_offer.open = true;
	WRITE_ONCE(xen_offer.away, false);
	mutex_unlock(&xen_offer.lock);
	put_online_mems();
}

/**
 * xen_pvfault_offer_close() - no page will be taken any more
 * @away: pages may be out, maybe for ever; else every one is there
 *
 * Context: may sleep.
 */
void xen_pvfault_offer_close(bool away)
{
	mutex_lock(&xen_offer.lock);
	WRITE_ONCE(xen_offer.away, away);
	WRITE_ONCE(xen_offer.open, false);
	mutex_unlock(&xen_offer.lock);
	wake_up_all(&offer_wait);
}

/**
 * xen_pvfault_offer_text() - the offer as it is now
 * @serial: set to its number
 *
 * Context: may sleep.
 * Return: a string to be freed with kfree(), or NULL without memory.
 */
char *xen_pvfault_offer_text(u32 *serial)
{
	char *text;

	mutex_lock(&xen_offer.lock);
	*serial = xen_offer.serial;
	text = xen_pvfault_ranges_format(&xen_offer.ranges);
	mutex_unlock(&xen_offer.lock);
	return text;
}

/**
 * xen_pvfault_offer_changed() - is there a newer offer?
 * @serial: of the one the pager was given
 *
 * Context: any.
 * Return: true if so.
 */
bool xen_pvfault_offer_changed(u32 serial)
{
	return READ_ONCE(xen_offer.serial) != serial;
}

/**
 * xen_pvfault_offer_agreed() - the pager has agreed to an offer
 * @serial: its number
 *
 * Context: may sleep.
 */
void xen_pvfault_offer_agreed(u32 serial)
{
	mutex_lock(&xen_offer.lock);
	WRITE_ONCE(xen_offer.agreed, serial);
	mutex_unlock(&xen_offer.lock);
	wake_up_all(&offer_wait);
}

/**
 * xen_pvfault_offer_pages() - how many pages the pager may take away
 *
 * Context: may sleep.
 * Return: 0 if there is no pager.
 */
u64 xen_pvfault_offer_pages(void)
{
	u64 pages;

	mutex_lock(&xen_offer.lock);
	pages = xen_offer.open ? xen_pvfault_ranges_pages(&xen_offer.ranges) : 0;
	mutex_unlock(&xen_offer.lock);
	return pages;
}

/*
 * Look what there is to offer but for @without, and let the state machine tell the pager.
 * Doesn't wait until the pager has agreed to *@serial. Return: false if there is no pager.
 */
static bool offer_change(const struct xen_pvfault_range *without, u32 *serial)
{
	bool open;

	mutex_lock(&xen_offer.lock);
	open = xen_offer.open;
	if (open)
		*serial = offer_scan(without);
	mutex_unlock(&xen_offer.lock);
	xen_pvfault_kick();
	return open;
}

static bool offer_withdrawn(u32 serial)
{
	return !READ_ONCE(xen_offer.open) ||
	       (s32)(READ_ONCE(xen_offer.agreed) - serial) >= 0;
}

/*
 * Context: a thread that takes memory offline and holds memory hotplug's lock:
 * the state machine takes that one only while nothing is open.
 */
static int offer_withdraw(const struct xen_pvfault_range *range)
{
	long left = 1;
	u32 serial;

	if (offer_change(range, &serial))
		left = wait_event_killable_timeout(offer_wait, offer_withdrawn(serial),
						   msecs_to_jiffies(XEN_PVFAULT_WITHDRAW_MS));
	/* If the pager was lost, it isn't known which pages are out, so no memory may go. */
	if (left > 0)
		return READ_ONCE(xen_offer.away) ? -EBUSY : 0;
	pr_warn_ratelimited("memory stays online, the pager hasn't brought it back\n");
	return left ? -EINTR : -EBUSY;
}

static int offer_still(const struct xen_pvfault_range *range)
{
	bool still;

	mutex_lock(&xen_offer.lock);
	still = xen_offer.open &&
		xen_pvfault_ranges_overlaps(&xen_offer.ranges, range->start, range->count);
	mutex_unlock(&xen_offer.lock);
	return still ? -EBUSY : 0;
}

static int offer_memory(struct notifier_block *nb, unsigned long action, void *data)
{
	static const struct xen_pvfault_range nothing;
	const struct memory_notify *arg = data;
	struct xen_pvfault_range range = { arg->start_pfn, arg->nr_pages };
	u32 serial;
	int err = 0;

	switch (action) {
	case MEM_GOING_OFFLINE:
		err = offer_withdraw(&range);
		break;
	case MEM_GOING_ONLINE:
		err = offer_still(&range);
		break;
	case MEM_CANCEL_OFFLINE:
	case MEM_ONLINE:
		offer_change(&nothing, &serial);
		break;
	}
	return notifier_from_errno(err);
}

static struct notifier_block offer_memory_nb = {
	.notifier_call = offer_memory,
};

/**
 * xen_pvfault_offer_init() - follow memory hotplug
 *
 * Context: initcall.
 */
void __init xen_pvfault_offer_init(void)
{
	register_memory_notifier(&offer_memory_nb);
}
