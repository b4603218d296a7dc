// SPDX-License-Identifier: GPL-2.0
/* The xenbus device, see device.h. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exitcode.h"
#include "frontend.h"
#include "log.h"
#include "neighbours.h"
#include "pager.h"

#define CLOSING_NS	10000000000ULL	/* for the frontend to answer Closing */
#define AGAIN_NS	1000000000ULL	/* at most one connection a second */
#define OFFERS_AT_ONCE	32		/* changes of the offer; then one a second */
#define FORGIVE_NS	60000000000ULL	/* after which we ask for one ourselves */

static void error_path(const struct pager *p, char *path, size_t size)
{
	snprintf(path, size, "/local/domain/0/error/backend/%s/%u/0/error",
		 XEN_PVFAULT_DEVICE, p->xen->domid);
}

static void write_number(struct pager *p, const char *name, uint32_t number)
{
	char path[128], value[16];
	int rc;

	device_path(p, name, path, sizeof(path));
	snprintf(value, sizeof(value), "%u", number);
	rc = xenif_write(p->xen, path, value);
	if (rc)
		say("%s of XenStore can't be written: %s", path, strerror(-rc));
}

static void show(struct pager *p, enum device_phase phase, enum xenbus_state state)
{
	p->device.phase = phase;
	write_number(p, "state", state);
}

void device_error(struct pager *p, const char *fmt, ...)
{
	char path[128], why[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	say("domain %u: %s", p->xen->domid, why);
	error_path(p, path, sizeof(path));
	xenif_write(p->xen, path, why);
}

bool device_tells(const struct device *d)
{
	return d->front && (d->phase == DEVICE_SERVING || d->phase == DEVICE_SHRINKING ||
			    d->phase == DEVICE_SHRUNK);
}

bool device_may_evict(const struct device *d)
{
	return d->phase == DEVICE_NONE ||
	       (d->phase == DEVICE_SERVING && d->frontend == XB_CONNECTED);
}

bool device_closed(const struct device *d)
{
	return d->phase == DEVICE_CLOSED || d->phase == DEVICE_NONE;
}

static void detach(struct pager *p)
{
	struct device *d = &p->device;

	ready_detach(&p->ready);
	if (d->front)
		xenif_unmap(p->xen, d->front, 1);
	if (d->ring)
		xenif_unmap(p->xen, d->ring, d->ring_pages);
	if (d->port >= 0)
		xenif_unbind(p->xen, d->port);
	d->front = NULL;
	d->ring = NULL;
	d->port = -1;
}

/* Adopted pages belong to the earlier offer; the frontend will say if it changes. */
static int take_offer(struct pager *p, const struct offer *offer, char *why, size_t size)
{
	int rc;

	if (p->adopted)
		return 0;
	rc = pages_init(&p->pages, offer);
	if (rc) {
		snprintf(why, size, "there is no memory to look after %u pages",
			 offer->total);
		return rc;
	}
	rc = pagefile_set_offer(&p->file, offer);
	if (rc)
		snprintf(why, size, "page file %s can't be written: %s", p->file.path,
			 strerror(-rc));
	return rc;
}

static int attach(struct pager *p, struct frontend *f, char *why, size_t size)
{
	struct device *d = &p->device;
	int rc;

	d->ring_pages = 1U << f->ring_order;
	d->max_outstanding = f->max_outstanding;
	d->clear = f->clear;
	rc = xenif_map_front(p->xen, f->front_ref, &d->front);
	if (!rc)
		rc = xenif_map_ring(p->xen, d->ring_pages, f->ring_ref, &d->ring);
	if (rc) {
		snprintf(why, size, "pages granted by the frontend can't be mapped: %s",
			 strerror(-rc));
		goto err;
	}
	rc = xenif_bind(p->xen, f->port);
	if (rc < 0) {
		snprintf(why, size, "event channel %u of the frontend can't be bound: %s",
			 f->port, strerror(-rc));
		goto err;
	}
	d->port = rc;
	rc = take_offer(p, &f->offer, why, size);
	if (rc)
		goto err;
	ready_attach(&p->ready, d->front, d->ring, XEN_PVFAULT_RING_LENGTH(f->ring_order));
	return 0;
err:
	detach(p);
	return rc;
}

/* Tokens of an earlier connection must differ from those of this one. */
static void next_generation(struct pager *p)
{
	char path[128], *value;
	uint64_t n = 0;

	device_path(p, "generation", path, sizeof(path));
	value = xenif_read(p->xen, path);
	if (!parse_number(value, 1, XEN_PVFAULT_GENERATION_MAX, &n))
		n = 0;
	free(value);
	p->device.generation = n % XEN_PVFAULT_GENERATION_MAX + 1;
	write_number(p, "generation", p->device.generation);
}

static void begin_closing(struct pager *p)
{
	p->device.ours_to_close = true;
	p->device.deadline_ns = p->now_ns + CLOSING_NS;
	show(p, DEVICE_CLOSING, XB_CLOSING);
}

static void drain(struct pager *p, bool ours)
{
	p->device.phase = DEVICE_DRAINING;
	p->device.ours_to_close = ours || p->device.ours_to_close;
	p->bring = BRING_ALL;
	p->busy = true;
}

static void device_connect(struct pager *p)
{
	struct frontend f;
	char why[200];
	int rc;

	if (!p->adopted)
		pages_free(&p->pages);
	/* Memory may have been added since. */
	xenif_domain(p->xen, &p->domain);
	p->loaded = 0;
	p->evicted = 0;
	rc = neighbours_allow(p, why, sizeof(why)) ? 0 : -EPERM;
	if (!rc)
		rc = frontend_read(p, &f, why, sizeof(why));
	if (!rc)
		rc = attach(p, &f, why, sizeof(why));
	if (rc) {
		p->stats.frontend_errors++;
		device_error(p, "%s", why);
		if (p->adopted)
			drain(p, true);
		else
			begin_closing(p);
		return;
	}
	next_generation(p);
	/* If a takeover comes in the middle of a change, the offer is still the old one. */
	if (p->device.frontend != XB_RECONFIGURING) {
		p->device.serial = f.serial;
		write_number(p, XEN_PVFAULT_NODE_AGREED_SERIAL, f.serial);
	}
	p->device.offers_left = OFFERS_AT_ONCE;
	p->device.offer_waits = false;
	p->adopted = false;
	p->policy.ops->reset(&p->policy);
	p->bring = BRING_NONE;
	p->device.ours_to_close = false;
	p->stats.connects++;
	/* Tasks that sleep since an earlier connection get no READY of their own. */
	if (p->device.frontend != XB_INITIALISED) {
		p->stats.ready_all++;
		ready_all(&p->ready);
		/* A vCPU may have been notified and paused before it could take its #PF. */
		p->device.again_ns = p->now_ns + AGAIN_NS;
	}
	chat("domain %u offers %u pages", p->xen->domid, f.offer.total);
	show(p, DEVICE_SERVING, XB_CONNECTED);
}

/* Everything is there: let go of the frontend. */
static void device_finish(struct pager *p)
{
	detach(p);
	pages_free(&p->pages);
	p->adopted = false;
	p->bring = BRING_NONE;
	p->device.deadline_ns = p->now_ns + AGAIN_NS;
	pagefile_shrink(&p->file);
	show(p, DEVICE_CLOSED, XB_CLOSED);
}

static void new_offer(struct pager *p)
{
	struct offer offer;
	uint32_t serial;
	char why[160];

	xenif_domain(p->xen, &p->domain);
	p->loaded = 0;
	p->evicted = 0;
	if (frontend_read_offer(p, &offer, &serial, why, sizeof(why))) {
		p->stats.frontend_errors++;
		device_error(p, "%s", why);
		drain(p, true);
		return;
	}
	/* Reconfigured is said already: is this the same offer, or a new one? */
	if (p->device.phase == DEVICE_SHRUNK && serial == p->device.serial)
		return;
	p->device.serial = serial;
	p->stats.offers++;
	p->device.offer = offer;
	pages_shrink(&p->pages, &offer);
	p->bring = BRING_KEPT;
	p->busy = true;
	p->device.phase = DEVICE_SHRINKING;
}

static void shrunk(struct pager *p)
{
	if (pages_replace(&p->pages, &p->device.offer)) {
		device_error(p, "there is no memory to look after %u pages",
			     p->device.offer.total);
		drain(p, true);
		return;
	}
	if (pagefile_set_offer(&p->file, &p->pages.offer)) {
		device_error(p, "page file %s can't be written", p->file.path);
		drain(p, true);
		return;
	}
	p->policy.ops->reset(&p->policy);
	p->bring = BRING_NONE;
	write_number(p, XEN_PVFAULT_NODE_AGREED_SERIAL, p->device.serial);
	show(p, DEVICE_SHRUNK, XB_RECONFIGURED);
	device_changed(p);
}

static void changed_connected(struct pager *p)
{
	switch (p->device.frontend) {
	case XB_INITIALISED:
		break;
	case XB_CONNECTED:
		if (p->device.phase == DEVICE_SHRUNK)
			show(p, DEVICE_SERVING, XB_CONNECTED);
		break;
	case XB_RECONFIGURING:
		if (p->device.phase == DEVICE_SHRINKING)
			break;
		/* Each costs time and memory that isn't the guest's. */
		p->device.offer_waits = !p->device.offers_left;
		if (p->device.offer_waits)
			break;
		p->device.offers_left--;
		new_offer(p);
		break;
	default:
		/* It leaves, has vanished, or makes no sense. */
		drain(p, false);
	}
}

void device_changed(struct pager *p)
{
	struct device *d = &p->device;

	if (d->phase == DEVICE_NONE)
		return;
	d->frontend = frontend_state(p);
	switch (d->phase) {
	case DEVICE_WAITING:
		if (d->frontend == XB_INITIALISED || d->frontend == XB_CONNECTED)
			device_connect(p);
		else if (d->frontend == XB_CLOSING)
			device_finish(p);
		break;
	case DEVICE_SERVING:
	case DEVICE_SHRINKING:
	case DEVICE_SHRUNK:
		changed_connected(p);
		break;
	case DEVICE_CLOSING:
		if (d->frontend != XB_CONNECTED && d->frontend != XB_INITIALISED &&
		    d->frontend != XB_RECONFIGURING)
			device_finish(p);
		break;
	default:
		break;
	}
}

/* The end that left comes back first: the frontend by Initialising, we by InitWait. */
static bool may_wait_again(const struct pager *p)
{
	const struct device *d = &p->device;

	if (p->leaving || p->now_ns < d->deadline_ns || d->bad_neighbour)
		return false;
	if (d->frontend == XB_INITIALISING)
		return true;
	return d->ours_to_close && d->frontend == XB_CLOSED &&
	       p->now_ns >= d->deadline_ns + FORGIVE_NS;
}

/*
 * The frontend's nodes have vanished and the domain lives: a toolstack has reset it,
 * as for a kexec. The kernel that runs there now finds another device, as soon as
 * there is a folder to put it into. libxl removes that more than once.
 */
static void make_again(struct pager *p)
{
	char path[128], *name, *state;

	if (p->leaving || p->now_ns < p->device.deadline_ns)
		return;
	p->device.deadline_ns = p->now_ns + AGAIN_NS;
	snprintf(path, sizeof(path), "/local/domain/%u/name", p->xen->domid);
	name = xenif_read(p->xen, path);
	frontend_path(p, "state", path, sizeof(path));
	state = xenif_read(p->xen, path);
	if (name && !state && errno == ENOENT) {
		/* XenStore has forgotten the permissions of the nodes that are there already. */
		device_path(p, NULL, path, sizeof(path));
		xenif_remove(p->xen, path);
		if (!device_make(p)) {
			p->device.phase = DEVICE_WAITING;
			p->device.frontend = XB_INITIALISING;
		}
	}
	free(name);
	free(state);
}

void device_run(struct pager *p)
{
	struct device *d = &p->device;
	bool late = p->now_ns >= d->deadline_ns;

	if (d->again_ns && p->now_ns >= d->again_ns && ready_attached(&p->ready)) {
		d->again_ns = 0;
		p->stats.ready_all++;
		ready_all(&p->ready);
	}
	switch (d->phase) {
	case DEVICE_SHRINKING:
		if (drain_done(p))
			shrunk(p);
		break;
	case DEVICE_DRAINING:
		if (!drain_done(p) || !audit_home(p))
			break;
		if (ready_attached(&p->ready)) {
			/* Each READY was said. READY for all costs nothing, and makes sure. */
			p->stats.ready_all++;
			ready_all(&p->ready);
			if (ready_flush(&p->ready))
				xenif_notify(p->xen, d->port);
		}
		if (d->ours_to_close) {
			begin_closing(p);
			/* It may have said Closing before us. */
			device_changed(p);
		} else {
			device_finish(p);
		}
		break;
	case DEVICE_CLOSING:
		if (late) {
			say("the frontend of domain %u doesn't answer Closing; it is left alone",
			    p->xen->domid);
			device_finish(p);
		}
		break;
	case DEVICE_WAITING:
		if (d->frontend == XB_UNKNOWN)
			make_again(p);
		break;
	case DEVICE_CLOSED:
		if (d->frontend == XB_UNKNOWN)
			make_again(p);
		else if (may_wait_again(p))
			show(p, DEVICE_WAITING, XB_INITWAIT);
		break;
	default:
		break;
	}
}

/* Once a second, because a device may have been attached, which sends no event. */
void device_tick(struct pager *p)
{
	struct device *d = &p->device;
	char why[200];

	if (d->phase == DEVICE_NONE)
		return;
	if (d->offers_left < OFFERS_AT_ONCE)
		d->offers_left++;
	if (d->offer_waits)
		device_changed(p);
	d->bad_neighbour = !neighbours_allow(p, why, sizeof(why));
	if (!d->bad_neighbour || (d->phase != DEVICE_SERVING &&
				  d->phase != DEVICE_SHRINKING &&
				  d->phase != DEVICE_SHRUNK))
		return;
	device_error(p, "%s; what was taken comes back", why);
	drain(p, true);
}

void device_leave(struct pager *p)
{
	switch (p->device.phase) {
	case DEVICE_SERVING:
	case DEVICE_SHRINKING:
	case DEVICE_SHRUNK:
		drain(p, true);
		break;
	case DEVICE_WAITING:
		device_finish(p);
		break;
	default:
		break;
	}
}

void device_gone(struct pager *p)
{
	char path[128];

	if (p->device.phase == DEVICE_NONE)
		return;
	detach(p);
	/* Not the folder above it: there is one for each domain. */
	snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", XEN_PVFAULT_DEVICE,
		 p->xen->domid);
	xenif_remove(p->xen, path);
	snprintf(path, sizeof(path), "/local/domain/0/error/backend/%s/%u",
		 XEN_PVFAULT_DEVICE, p->xen->domid);
	xenif_remove(p->xen, path);
	p->device.phase = DEVICE_CLOSED;
}

int device_start(struct pager *p)
{
	char path[128];
	int rc;

	frontend_path(p, NULL, path, sizeof(path));
	p->device.frontend = frontend_state(p);
	p->device.phase = DEVICE_WAITING;
	/* Connected to an earlier pager. The frontend needn't notice the change. */
	if (p->device.frontend == XB_CONNECTED ||
	    p->device.frontend == XB_RECONFIGURING) {
		device_connect(p);
	} else if (p->adopted) {
		/* The frontend has left meanwhile, and waits for its pages. */
		drain(p, false);
	} else {
		rc = device_make(p);
		if (rc)
			return give_up(EXIT_DENIED,
				       "the device of domain %u can't be made in XenStore: %s",
				       p->xen->domid, strerror(-rc));
	}
	rc = xenif_watch(p->xen, path, WATCH_FRONTEND);
	if (rc)
		return give_up(EXIT_DENIED, "%s of XenStore can't be watched: %s", path,
			       strerror(-rc));
	return 0;
}
