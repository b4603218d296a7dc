// SPDX-License-Identifier: GPL-2.0
/*
 * The states of the device.
 *
 * One function, state_step(), looks at the pager's state and does the next step.
 * It is called for each event of XenStore's. From suspend and reboot it is called
 * directly, because no events are delivered then: the thread that delivers them is
 * the one that suspends the domain, and the bus ignores them from reboot on.
 *
 *	phase		xenbus state	left when
 *	IDLE		Initialising,	the pager is in InitWait
 *			Closed
 *	OFFERED		Initialised	the pager is Connected
 *	CONNECTED	Connected	the offer has changed
 *	RECONFIGURING	Reconfiguring	the pager is Reconfigured
 *	CLOSING		Closing		the pager is Closed, or the device gone
 *
 * From each phase between IDLE and CLOSING to CLOSING: because the pager is,
 * or because we leave. Armed, with shared pages, in all phases but IDLE.
 */

#include <linux/completion.h>
#include <linux/cpufeature.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <xen/xenbus.h>

#include "xen.h"

enum state_phase {
	IDLE,
	OFFERED,
	CONNECTED,
	RECONFIGURING,
	CLOSING,
};

static struct {
	/*
	 * Guards all other fields, and what is said to the pager. CPU hotplug
	 * and memory hotplug are locked inside it, never around it.
	 */
	struct mutex lock;
	struct xenbus_device *dev;	/* NULL: no device */
	enum state_phase phase;
	bool held;			/* don't connect: suspending, leaving */
	bool left;			/* we left, so we have to come back */
	bool served;			/* was Connected since it was IDLE */
	bool away;			/* pages may be out, and no pager will say Closed */
	u32 serial;			/* of the offer in XenStore */
	struct xen_pvfault_grants grants;
} xen_state = {
	.lock = __MUTEX_INITIALIZER(xen_state.lock),
};

static void state_kicked(struct work_struct *work);
static DECLARE_WORK(state_kick_work, state_kicked);

/*
 * Not for us, or not now. The bus would hold up the boot for a device that
 * stays in Initialising. Says why once, if there is something to say.
 */
static void state_refuse(struct xenbus_device *dev, int err, const char *why)
{
	if (why && dev->state != XenbusStateClosed)
		xenbus_dev_error(dev, err, "%s", why);
	xenbus_switch_state(dev, XenbusStateClosed);
}

static void state_close_grants(void)
{
	/* A page that may be out must not go offline and become kernel memory. */
	xen_pvfault_offer_close(xen_state.away);
	/* First, because READY needs a backend. Disarming wakes all. */
	xen_pvfault_reader_close(&xen_pvfault_reader);
	xen_pvfault_disarm();
	if (xen_state.grants.front)
		xen_pvfault_grants_close(&xen_state.grants);
}

static int state_offer(struct xenbus_device *dev, unsigned int max_ranges)
{
	char *text;
	int err;

	xen_pvfault_offer_open(max_ranges);
	text = xen_pvfault_offer_text(&xen_state.serial);
	if (!text)
		return -ENOMEM;
	err = xen_pvfault_write_nodes(dev, &xen_state.grants, text, xen_state.serial);
	kfree(text);
	return err;
}

/* IDLE to OFFERED. */
static void state_connect(struct xenbus_device *dev)
{
	struct xen_pvfault_limits limits;
	const char *bad;
	int err;

	if (!xen_pvfault_can_offer()) {
		state_refuse(dev, -ENOMEM, "no ZONE_MOVABLE to offer, see kernelcore=");
		return;
	}
	bad = xen_pvfault_read_limits(dev, &limits);
	if (bad) {
		xenbus_dev_fatal(dev, -EINVAL, "%s is missing or makes no sense", bad);
		return;
	}
	err = xen_pvfault_arm();
	if (err) {
		state_refuse(dev, err, err == -ENODEV ? NULL : "not taken by the core");
		return;
	}
	/* The registers of a nested guest's kernel would count, too. */
	xen_state.grants.clear = limits.clear && !boot_cpu_has(X86_FEATURE_SVM) &&
				 !boot_cpu_has(X86_FEATURE_VMX);
	err = xen_pvfault_grants_open(dev, &xen_state.grants, limits.ring_page_order) ?:
	      state_offer(dev, limits.ranges);
	if (err) {
		state_close_grants();
		xenbus_dev_fatal(dev, err, "sharing pages");
		return;
	}
	xen_state.phase = OFFERED;
	xen_state.left = false;
	reinit_completion(&dev->down);
	xenbus_switch_state(dev, XenbusStateInitialised);
}

/* Any phase to CLOSING. */
static void state_begin_close(struct xenbus_device *dev)
{
	xen_pvfault_disable(xen_state.grants.front);
	xen_state.phase = CLOSING;
	xenbus_switch_state(dev, XenbusStateClosing);
}

/*
 * Any phase to IDLE: the pager no longer uses what was shared, and no page is out,
 * unless it was @lost before it could say so.
 */
static void state_end(struct xenbus_device *dev, bool lost)
{
	/* A pager that never was Connected has taken no page, so away doesn't change. */
	if (xen_state.served)
		xen_state.away = lost;
	xen_pvfault_disable(xen_state.grants.front);
	state_close_grants();
	xen_state.phase = IDLE;
	xen_state.served = false;
	xenbus_frontend_closed(dev);
}

/* CONNECTED to RECONFIGURING, if the offer has changed. */
static void state_reoffer(struct xenbus_device *dev)
{
	char *text;
	int err;

	if (!xen_pvfault_offer_changed(xen_state.serial))
		return;
	text = xen_pvfault_offer_text(&xen_state.serial);
	err = text ? xen_pvfault_write_nodes(dev, NULL, text, xen_state.serial) : -ENOMEM;
	kfree(text);
	if (err) {
		/* The old offer still holds memory that we no longer offer. */
		xenbus_dev_error(dev, err, "writing the offer");
		xen_state.left = true;
		state_begin_close(dev);
		return;
	}
	xen_state.phase = RECONFIGURING;
	xenbus_switch_state(dev, XenbusStateReconfiguring);
}

static void state_pager_init_wait(struct xenbus_device *dev)
{
	/*
	 * A pager that waits for us to begin doesn't serve, so this counts as
	 * Closed. We have missed that state, or there was no pager to say it
	 * when we left.
	 */
	if (xen_state.served || (xen_state.phase == CLOSING && dev->state == XenbusStateClosed))
		state_end(dev, false);
	/* Not from Closing, where an error has put us: Closed comes first. */
	if (xen_state.phase == IDLE && !xen_state.held && dev->state != XenbusStateClosing)
		state_connect(dev);
}

static void state_pager_connected(struct xenbus_device *dev)
{
	switch (xen_state.phase) {
	case IDLE:
		/* The pager is still connected to the kernel before this one. */
		xen_state.left = true;
		xen_state.away = true;
		xenbus_switch_state(dev, XenbusStateClosing);
		break;
	case OFFERED:
		xen_state.phase = CONNECTED;
		xen_state.served = true;
		xen_pvfault_offer_agreed(xen_state.serial);
		xenbus_switch_state(dev, XenbusStateConnected);
		xen_pvfault_enable(xen_state.grants.front, xen_state.grants.clear);
		fallthrough;
	case CONNECTED:
		state_reoffer(dev);
		break;
	case RECONFIGURING:
	case CLOSING:
		break;
	}
}

static void state_pager_reconfigured(struct xenbus_device *dev)
{
	u32 agreed;

	/* Has the pager agreed to this offer, or only to the one before? */
	if (xen_state.phase != RECONFIGURING || !xen_pvfault_agreed(dev, &agreed) ||
	    agreed != xen_state.serial)
		return;
	xen_pvfault_offer_agreed(xen_state.serial);
	xen_state.phase = CONNECTED;
	xenbus_switch_state(dev, XenbusStateConnected);
}

static void state_pager_closed(struct xenbus_device *dev)
{
	if (xen_state.phase != IDLE) {
		state_end(dev, false);
	} else if (dev->state == XenbusStateClosing) {
		xen_state.away = false;
		xenbus_frontend_closed(dev);
	}
	if (xen_state.left && !xen_state.held) {
		xen_state.left = false;
		xenbus_switch_state(dev, XenbusStateInitialising);
	}
}

/*
 * Is @path gone from XenStore? In a folder that we may not read the answer for a node
 * that is gone is EACCES. No other error means that it is gone.
 */
static bool state_no_node(const char *path)
{
	char *text = xenbus_read(XBT_NIL, path, "state", NULL);

	if (IS_ERR(text))
		return PTR_ERR(text) == -ENOENT || PTR_ERR(text) == -EACCES;
	kfree(text);
	return false;
}

/* Do what is to be done next. Context: xen_state.lock is held. */
static void state_step(void)
{
	struct xenbus_device *dev = xen_state.dev;

	/* Without an otherend the bus has given the device up. */
	if (!dev || !dev->otherend)
		return;
	switch (xen_pvfault_read_state(dev->otherend)) {
	case XenbusStateUnknown:
		if (xen_state.phase != IDLE &&
		    (state_no_node(dev->otherend) || state_no_node(dev->nodename)))
			state_end(dev, true);
		break;
	case XenbusStateInitWait:
		state_pager_init_wait(dev);
		break;
	case XenbusStateConnected:
		state_pager_connected(dev);
		break;
	case XenbusStateReconfigured:
		state_pager_reconfigured(dev);
		break;
	case XenbusStateClosing:
		if (xen_state.phase != IDLE && xen_state.phase != CLOSING)
			state_begin_close(dev);
		break;
	case XenbusStateClosed:
		state_pager_closed(dev);
		break;
	default:
		break;
	}
}

/**
 * xen_pvfault_state_look() - the pager's state may have changed
 *
 * Context: may sleep.
 */
void xen_pvfault_state_look(void)
{
	mutex_lock(&xen_state.lock);
	if (!xen_state.held)
		state_step();
	mutex_unlock(&xen_state.lock);
}

static void state_kicked(struct work_struct *work)
{
	xen_pvfault_state_look();
}

/**
 * xen_pvfault_kick() - the offer may have changed
 *
 * Context: any.
 */
void xen_pvfault_kick(void)
{
	schedule_work(&state_kick_work);
}

/* Is there anything to wait for when leaving? */
static bool state_is_leaving(void)
{
	struct xenbus_device *dev = xen_state.dev;

	return dev && (xen_state.phase != IDLE ||
		       (xen_state.away && dev->state == XenbusStateClosing));
}

/**
 * xen_pvfault_state_leave() - leave, until all memory is here
 * @seconds: how long to wait for that
 *
 * From here on only the caller looks at the device, until
 * xen_pvfault_state_return() or xen_pvfault_state_unbind().
 *
 * Context: may sleep.
 * Return: false if pages may be out: the pager needs more time, or is gone.
 */
bool xen_pvfault_state_leave(unsigned int seconds)
{
	unsigned long deadline = jiffies + seconds * HZ;
	bool leaving, here;

	mutex_lock(&xen_state.lock);
	xen_state.held = true;
	xen_state.left = true;
	if (xen_state.dev && xen_state.phase != IDLE && xen_state.phase != CLOSING)
		state_begin_close(xen_state.dev);
	for (;;) {
		state_step();
		leaving = state_is_leaving();
		here = xen_state.phase == IDLE && !xen_state.away;
		mutex_unlock(&xen_state.lock);
		if (!leaving || time_after(jiffies, deadline))
			return here;
		msleep(20);
		mutex_lock(&xen_state.lock);
	}
}

/**
 * xen_pvfault_state_return() - undo of xen_pvfault_state_leave()
 *
 * Context: may sleep.
 */
void xen_pvfault_state_return(void)
{
	enum xenbus_state ours;

	mutex_lock(&xen_state.lock);
	/* When it resumes, the bus sets our state to Initialising, whatever XenStore says. */
	if (xen_state.dev && xen_state.dev->otherend) {
		ours = xen_pvfault_read_state(xen_state.dev->nodename);
		if (ours != XenbusStateUnknown)
			xen_state.dev->state = ours;
	}
	xen_state.held = false;
	mutex_unlock(&xen_state.lock);
	xen_pvfault_kick();
}

/**
 * xen_pvfault_state_bind() - there is a device
 * @dev: the device
 *
 * Context: may sleep.
 * Return: 0, or -EBUSY if there is one already.
 */
int xen_pvfault_state_bind(struct xenbus_device *dev)
{
	int err = 0;

	mutex_lock(&xen_state.lock);
	if (xen_state.dev)
		err = -EBUSY;
	else
		xen_state.dev = dev;
	/* Bound anew to a device that was Closed: come back. */
	xen_state.left = true;
	mutex_unlock(&xen_state.lock);
	return err;
}

/**
 * xen_pvfault_state_unbind() - there is no device any more
 *
 * Context: may sleep, after xen_pvfault_state_leave().
 */
void xen_pvfault_state_unbind(void)
{
	mutex_lock(&xen_state.lock);
	xen_state.dev = NULL;
	xen_state.held = false;
	mutex_unlock(&xen_state.lock);
}

/**
 * xen_pvfault_state_device() - the device, if there is one
 *
 * Context: may sleep.
 * Return: the device, to be given back by put_device(), or NULL.
 */
struct xenbus_device *xen_pvfault_state_device(void)
{
	struct xenbus_device *dev;

	mutex_lock(&xen_state.lock);
	dev = xen_state.dev;
	if (dev)
		get_device(&dev->dev);
	mutex_unlock(&xen_state.lock);
	return dev;
}
