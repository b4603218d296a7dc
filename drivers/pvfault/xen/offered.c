// SPDX-License-Identifier: GPL-2.0
/*
 * The offer that the backend knows, and memory hotplug.
 *
 * Each offer has a serial number. The state machine in state.c writes the
 * newest one into XenStore and reports when the backend has agreed to it. A
 * page that has left the offer may still be out until then.
 *
 *	going offline	the memory leaves the offer. When the backend has
 *			agreed, the memory may go, and may become kernel
 *			memory later. If the backend doesn't agree in time,
 *			the memory stays online and on offer. If the backend
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

/* For the backend to bring a memory block back. */
#define XEN_PVFAULT_WITHDRAW_MS	30000

static struct {
	/*
	 * Guards all other fields. Nests inside memory hotplug's lock. Nothing
	 * waits while it holds this lock.
	 */
	struct mutex lock;
	bool open;			/* the backend knows, or is about to */
	bool away;			/* not open, and pages may be missing */
	u32 serial;			/* of the offer */
	u32 agreed;			/* the last one the backend agreed to */
	struct xen_pvfault_offer offer;
	struct xen_pvfault_offer next;	/* while looking anew */
} offered = {
	.lock = __MUTEX_INITIALIZER(offered.lock),
};

/* Woken when open or agreed change. */
static DECLARE_WAIT_QUEUE_HEAD(offered_wait);

/*
 * Look anew. Context: both locks are held. Return: the offer's serial, an old
 * one if nothing has changed.
 */
static u32 offered_scan(const struct xen_pvfault_range *without)
{
	struct xen_pvfault_offer *old = &offered.offer, *next = &offered.next;

	xen_pvfault_offer_init(next, old->max);
	xen_pvfault_offer_scan(next, without);
	if (next->nr == old->nr &&
	    !memcmp(next->range, old->range, old->nr * sizeof(old->range[0])))
		return offered.serial;
	*old = *next;
	WRITE_ONCE(offered.serial, offered.serial + 1);
	return offered.serial;
}

/**
 * xen_pvfault_offered_open() - look what there is to offer, and keep it so
 * @max_ranges: of the backend
 *
 * Context: may sleep, memory hotplug is not locked.
 */
void xen_pvfault_offered_open(unsigned int max_ranges)
{
	static const struct xen_pvfault_range nothing;

	/* Under both locks, so that memory that goes from here on finds it open. */
	get_online_mems();
	mutex_lock(&offered.lock);
	xen_pvfault_offer_init(&offered.offer, max_ranges);
	offered_scan(&nothing);
	offered.open = true;
	WRITE_ONCE(offered.away, false);
	mutex_unlock(&offered.lock);
	put_online_mems();
}

/**
 * xen_pvfault_offered_close() - no page will be taken any more
 * @away: pages may be out, maybe for ever; else every one is there
 *
 * Context: may sleep.
 */
void xen_pvfault_offered_close(bool away)
{
	mutex_lock(&offered.lock);
	WRITE_ONCE(offered.away, away);
	WRITE_ONCE(offered.open, false);
	mutex_unlock(&offered.lock);
	wake_up_all(&offered_wait);
}

/**
 * xen_pvfault_offered_text() - the offer as it is now
 * @serial: set to its number
 *
 * Context: may sleep.
 * Return: a string to be freed with kfree(), or NULL without memory.
 */
char *xen_pvfault_offered_text(u32 *serial)
{
	char *text;

	mutex_lock(&offered.lock);
	*serial = offered.serial;
	text = xen_pvfault_offer_format(&offered.offer);
	mutex_unlock(&offered.lock);
	return text;
}

/**
 * xen_pvfault_offered_changed() - is there a newer offer?
 * @serial: of the one the backend was given
 *
 * Context: any.
 * Return: true if so.
 */
bool xen_pvfault_offered_changed(u32 serial)
{
	return READ_ONCE(offered.serial) != serial;
}

/**
 * xen_pvfault_offered_agreed() - the backend has agreed to an offer
 * @serial: its number
 *
 * Context: may sleep.
 */
void xen_pvfault_offered_agreed(u32 serial)
{
	mutex_lock(&offered.lock);
	WRITE_ONCE(offered.agreed, serial);
	mutex_unlock(&offered.lock);
	wake_up_all(&offered_wait);
}

/**
 * xen_pvfault_offered_pages() - how many pages the backend may take away
 *
 * Context: may sleep.
 * Return: 0 if there is no backend.
 */
u64 xen_pvfault_offered_pages(void)
{
	u64 pages;

	mutex_lock(&offered.lock);
	pages = offered.open ? xen_pvfault_offer_pages(&offered.offer) : 0;
	mutex_unlock(&offered.lock);
	return pages;
}

/* Look anew, and make the backend agree. Return: false if there is no backend. */
static bool offered_change(const struct xen_pvfault_range *without, u32 *serial)
{
	bool open;

	mutex_lock(&offered.lock);
	open = offered.open;
	if (open)
		*serial = offered_scan(without);
	mutex_unlock(&offered.lock);
	xen_pvfault_kick();
	return open;
}

static bool offered_withdrawn(u32 serial)
{
	return !READ_ONCE(offered.open) ||
	       (s32)(READ_ONCE(offered.agreed) - serial) >= 0;
}

/*
 * Context: a thread that takes memory offline and holds memory hotplug's lock:
 * the state machine takes that one only while nothing is open.
 */
static int offered_withdraw(const struct xen_pvfault_range *range)
{
	long left = 1;
	u32 serial;

	if (offered_change(range, &serial))
		left = wait_event_killable_timeout(offered_wait, offered_withdrawn(serial),
						   msecs_to_jiffies(XEN_PVFAULT_WITHDRAW_MS));
	/* It isn't known which pages are out, so no memory may go. */
	if (left > 0)
		return READ_ONCE(offered.away) ? -EBUSY : 0;
	pr_warn_ratelimited("memory stays online, the pager hasn't brought it back\n");
	return left ? -EINTR : -EBUSY;
}

static int offered_still(const struct xen_pvfault_range *range)
{
	bool still;

	mutex_lock(&offered.lock);
	still = offered.open &&
		xen_pvfault_offer_overlaps(&offered.offer, range->start, range->count);
	mutex_unlock(&offered.lock);
	return still ? -EBUSY : 0;
}

static int offered_memory(struct notifier_block *nb, unsigned long action, void *data)
{
	static const struct xen_pvfault_range nothing;
	const struct memory_notify *arg = data;
	struct xen_pvfault_range range = { arg->start_pfn, arg->nr_pages };
	u32 serial;
	int err = 0;

	switch (action) {
	case MEM_GOING_OFFLINE:
		err = offered_withdraw(&range);
		break;
	case MEM_GOING_ONLINE:
		err = offered_still(&range);
		break;
	case MEM_CANCEL_OFFLINE:
	case MEM_ONLINE:
		offered_change(&nothing, &serial);
		break;
	}
	return notifier_from_errno(err);
}

static struct notifier_block offered_memory_nb = {
	.notifier_call = offered_memory,
};

/**
 * xen_pvfault_offered_init() - follow memory hotplug
 *
 * Context: initcall.
 */
void __init xen_pvfault_offered_init(void)
{
	register_memory_notifier(&offered_memory_nb);
}
