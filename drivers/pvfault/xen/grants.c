// SPDX-License-Identifier: GPL-2.0
/*
 * What the pager maps and binds: the front page, the ring's pages, and the
 * event channel of READY.
 *
 * A page is given back to the kernel when its grant has ended, and its grant
 * ends when the pager doesn't map it any more. gnttab_end_foreign_access()
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

static void grants_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(grants_again_work, grants_again);

static unsigned int grants_look(bool event)
{
	unsigned int found;
	bool more;

	found = xen_pvfault_take(&xen_pvfault_reader, event, &more);
	/*
	 * The pager fills the ring faster than we take. Let other tasks run
	 * for a tick, because a hostile pager never stops.
	 */
	if (more)
		schedule_delayed_work(&grants_again_work, 1);
	return found;
}

static void grants_again(struct work_struct *work)
{
	grants_look(false);
}

static irqreturn_t grants_event(int irq, void *r)
{
	unsigned int found = grants_look(true);

	/* A pager that sends events for nothing is slowed down. */
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
	grants_look(false);
}

static int grants_grant(struct xenbus_device *dev, void *page, bool readonly,
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
static void grants_revoke(void *page, grant_ref_t ref)
{
	if (ref == INVALID_GRANT_REF)
		free_page((unsigned long)page);
	else
		gnttab_end_foreign_access(ref, virt_to_page(page));
}

static void grants_free(struct xen_pvfault_grants *g)
{
	unsigned int i;

	if (g->front)
		grants_revoke(g->front, g->front_ref);
	for (i = 0; g->ring && i < 1U << g->order; i++)
		grants_revoke((void *)g->ring + i * PAGE_SIZE, g->ring_ref[i]);
	g->front = NULL;
	g->ring = NULL;
}

static int grants_alloc(struct xenbus_device *dev, struct xen_pvfault_grants *g)
{
	unsigned int i;
	int err;

	/* GFP_KERNEL: neither movable nor, therefore, ever on offer. */
	g->front = (void *)get_zeroed_page(GFP_KERNEL);
	/* alloc_pages_exact(), because the pages are freed one by one. */
	g->ring = alloc_pages_exact(PAGE_SIZE << g->order, GFP_KERNEL | __GFP_ZERO);
	g->front_ref = INVALID_GRANT_REF;
	for (i = 0; i < ARRAY_SIZE(g->ring_ref); i++)
		g->ring_ref[i] = INVALID_GRANT_REF;
	if (!g->front || !g->ring)
		return -ENOMEM;

	err = grants_grant(dev, g->front, true, &g->front_ref);
	for (i = 0; !err && i < 1U << g->order; i++)
		err = grants_grant(dev, (void *)g->ring + i * PAGE_SIZE, false,
				   &g->ring_ref[i]);
	return err;
}

static int grants_bind(struct xenbus_device *dev, struct xen_pvfault_grants *g)
{
	int err = xenbus_alloc_evtchn(dev, &g->port);

	if (err)
		return err;
	/* lateeoi: the next event comes only when this one has been dealt with. */
	g->irq = bind_evtchn_to_irqhandler_lateeoi(g->port, grants_event, 0, "pvfault",
						   &xen_pvfault_reader);
	if (g->irq >= 0)
		return 0;
	xenbus_free_evtchn(dev, g->port);
	return g->irq;
}

/**
 * xen_pvfault_grants_open() - share pages and an event channel with the pager
 * @dev: the device
 * @g: closed; filled in
 * @max_order: the largest ring that the pager takes
 *
 * Context: may sleep.
 * Return: 0 or a negative error.
 */
int xen_pvfault_grants_open(struct xenbus_device *dev, struct xen_pvfault_grants *g,
			    unsigned int max_order)
{
	unsigned int pages = DIV_ROUND_UP(num_possible_cpus() * PVFAULT_MAX_OUTSTANDING,
					  XEN_PVFAULT_RING_LENGTH(0));
	int err;

	g->order = min_t(unsigned int, order_base_2(pages), max_order);
	err = grants_alloc(dev, g);
	if (err)
		goto free;
	xen_pvfault_reader_open(&xen_pvfault_reader, g->front, g->ring,
				XEN_PVFAULT_RING_LENGTH(g->order));
	err = grants_bind(dev, g);
	if (err)
		goto close;
	return 0;

close:
	xen_pvfault_reader_close(&xen_pvfault_reader);
free:
	grants_free(g);
	return err;
}

/**
 * xen_pvfault_grants_close() - the pager needs none of it any more
 * @g: open; closed when this returns. The reader is closed already
 *
 * Context: may sleep.
 */
void xen_pvfault_grants_close(struct xen_pvfault_grants *g)
{
	unbind_from_irqhandler(g->irq, &xen_pvfault_reader);
	cancel_delayed_work_sync(&grants_again_work);
	grants_free(g);
}
