// SPDX-License-Identifier: GPL-2.0
/*
 * What the backend maps and binds: the front page, the ring's pages, and the
 * event channel of READY.
 *
 * A page is given back to the kernel when its grant has ended, and its grant
 * ends when the backend doesn't map it any more. gnttab_end_foreign_access()
 * waits for that in the background, without limit.
 */

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <xen/events.h>
#include <xen/page.h>
#include <xen/xenbus.h>

#include "xen.h"

/* There is one device, hence one ring. Closed while there is none. */
struct xen_pvfault_reader xen_pvfault_reader = {
	.lock		= __RAW_SPIN_LOCK_UNLOCKED(xen_pvfault_reader.lock),
	.ready		= pvfault_ready,
	.ready_all	= pvfault_ready_all,
};

static void share_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(share_again_work, share_again);

static unsigned int share_look(bool event)
{
	unsigned int found;
	bool more;

	found = xen_pvfault_take(&xen_pvfault_reader, event, &more);
	/*
	 * The backend fills the ring faster than we take. Let other tasks run
	 * for a tick, because a hostile backend never stops.
	 */
	if (more)
		schedule_delayed_work(&share_again_work, 1);
	return found;
}

static void share_again(struct work_struct *work)
{
	share_look(false);
}

static irqreturn_t share_event(int irq, void *r)
{
	unsigned int found = share_look(true);

	/* A backend that sends events for nothing is slowed down. */
	xen_irq_lateeoi(irq, found ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

/**
 * xen_pvfault_look() - look for a READY whose event was lost
 *
 * Context: any but NMI.
 */
void xen_pvfault_look(void)
{
	share_look(false);
}

static int share_grant(struct xenbus_device *dev, void *page, bool readonly,
		       grant_ref_t *ref)
{
	int got = gnttab_grant_foreign_access(dev->otherend_id, virt_to_gfn(page),
					      readonly);

	if (got < 0)
		return got;
	*ref = got;
	return 0;
}

/* Take back @page, whether it was granted or not. */
static void share_revoke(void *page, grant_ref_t ref)
{
	if (ref == INVALID_GRANT_REF)
		free_page((unsigned long)page);
	else
		gnttab_end_foreign_access(ref, virt_to_page(page));
}

static void share_free(struct xen_pvfault_share *s)
{
	unsigned int i;

	if (s->front)
		share_revoke(s->front, s->front_ref);
	for (i = 0; s->ring && i < 1U << s->order; i++)
		share_revoke((void *)s->ring + i * PAGE_SIZE, s->ring_ref[i]);
	s->front = NULL;
	s->ring = NULL;
}

static int share_alloc(struct xenbus_device *dev, struct xen_pvfault_share *s)
{
	unsigned int i;
	int err;

	/* GFP_KERNEL: neither movable nor, therefore, ever on offer. */
	s->front = (void *)get_zeroed_page(GFP_KERNEL);
	/* Exact: pages that are freed one by one. */
	s->ring = alloc_pages_exact(PAGE_SIZE << s->order, GFP_KERNEL | __GFP_ZERO);
	s->front_ref = INVALID_GRANT_REF;
	for (i = 0; i < ARRAY_SIZE(s->ring_ref); i++)
		s->ring_ref[i] = INVALID_GRANT_REF;
	if (!s->front || !s->ring)
		return -ENOMEM;

	err = share_grant(dev, s->front, true, &s->front_ref);
	for (i = 0; !err && i < 1U << s->order; i++)
		err = share_grant(dev, (void *)s->ring + i * PAGE_SIZE, false,
				  &s->ring_ref[i]);
	return err;
}

static int share_bind(struct xenbus_device *dev, struct xen_pvfault_share *s)
{
	int err = xenbus_alloc_evtchn(dev, &s->port);

	if (err)
		return err;
	/* Late: the next event comes when this one has been dealt with. */
	s->irq = bind_evtchn_to_irqhandler_lateeoi(s->port, share_event, 0, "pvfault",
						   &xen_pvfault_reader);
	if (s->irq >= 0)
		return 0;
	xenbus_free_evtchn(dev, s->port);
	return s->irq;
}

/**
 * xen_pvfault_share_open() - share pages and an event channel with the backend
 * @dev: the device
 * @s: closed; filled in
 * @max_order: the largest ring that the backend takes
 *
 * Context: may sleep.
 * Return: 0 or a negative error.
 */
int xen_pvfault_share_open(struct xenbus_device *dev, struct xen_pvfault_share *s,
			   unsigned int max_order)
{
	unsigned int pages = DIV_ROUND_UP(num_possible_cpus() * PVFAULT_MAX_OUTSTANDING,
					  XEN_PVFAULT_RING_LENGTH(0));
	int err;

	s->order = min_t(unsigned int, order_base_2(pages), max_order);
	err = share_alloc(dev, s);
	if (err)
		goto free;
	xen_pvfault_reader_open(&xen_pvfault_reader, s->front, s->ring,
				XEN_PVFAULT_RING_LENGTH(s->order));
	err = share_bind(dev, s);
	if (err)
		goto close;
	return 0;

close:
	xen_pvfault_reader_close(&xen_pvfault_reader);
free:
	share_free(s);
	return err;
}

/**
 * xen_pvfault_share_close() - the backend needs none of it any more
 * @s: open; closed when this returns. The reader is closed already
 *
 * Context: may sleep.
 */
void xen_pvfault_share_close(struct xen_pvfault_share *s)
{
	unbind_from_irqhandler(s->irq, &xen_pvfault_reader);
	cancel_delayed_work_sync(&share_again_work);
	share_free(s);
}
