// SPDX-License-Identifier: GPL-2.0
/* Reading the frontend's nodes, see frontend.h. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend.h"
#include "pager.h"

void frontend_path(const struct pager *p, const char *name, char *path, size_t size)
{
	snprintf(path, size, "/local/domain/%u/device/%s/0%s%s", p->xen->domid,
		 XEN_PVFAULT_DEVICE, name ? "/" : "", name ? name : "");
}

static char *read_node(struct pager *p, const char *name)
{
	char path[128];

	frontend_path(p, name, path, sizeof(path));
	return xenif_read(p->xen, path);
}

static int read_number(struct pager *p, const char *name, uint64_t min, uint64_t max,
		       uint32_t *number, char *why, size_t size)
{
	char *value = read_node(p, name);
	uint64_t n;

	if (parse_number(value, min, max, &n)) {
		*number = n;
		free(value);
		return 0;
	}
	/* The guest's text isn't repeated here, because it may be anything. */
	snprintf(why, size, "node %s of the frontend %s %llu to %llu", name,
		 value ? "is not a number from" : "is missing; it is a number from",
		 (unsigned long long)min, (unsigned long long)max);
	free(value);
	return -EINVAL;
}

/* A feature that it uses. */
static int read_feature(struct pager *p, const char *name, bool *used, char *why, size_t size)
{
	char *value = read_node(p, name);
	bool none = !value && errno == ENOENT;
	uint32_t number = 0;

	free(value);
	if (!none && read_number(p, name, 0, 1, &number, why, size))
		return -EINVAL;
	*used = number;
	return 0;
}

enum xenbus_state frontend_state(struct pager *p)
{
	char *value = read_node(p, "state");
	uint64_t n = XB_UNKNOWN;

	if (!parse_number(value, XB_UNKNOWN, XB_RECONFIGURED, &n))
		n = XB_UNKNOWN;
	free(value);
	return n;
}

int frontend_read_offer(struct pager *p, struct offer *offer, uint32_t *serial, char *why,
			size_t size)
{
	const char *wrong;
	char *value;

	if (read_number(p, XEN_PVFAULT_NODE_OFFER_SERIAL, 0, UINT32_MAX, serial, why, size))
		return -EINVAL;
	value = read_node(p, XEN_PVFAULT_NODE_OFFER);
	wrong = parse_offer(value, p->domain.max_gfn, p->most_pages, offer);
	free(value);
	if (!wrong)
		return 0;
	snprintf(why, size, "node %s of the frontend is no good: %s",
		 XEN_PVFAULT_NODE_OFFER, wrong);
	return -EINVAL;
}

int frontend_read(struct pager *p, struct frontend *f, char *why, size_t size)
{
	unsigned int i;
	uint32_t version;
	char name[32];

	if (read_number(p, XEN_PVFAULT_NODE_VERSION, XEN_PVFAULT_VERSION,
			XEN_PVFAULT_VERSION, &version, why, size) ||
	    read_number(p, XEN_PVFAULT_NODE_FRONT_REF, 0, UINT32_MAX,
			&f->front_ref, why, size) ||
	    read_number(p, XEN_PVFAULT_NODE_RING_PAGE_ORDER, 0,
			XEN_PVFAULT_MAX_RING_PAGE_ORDER, &f->ring_order, why, size))
		return -EINVAL;
	for (i = 0; i < 1U << f->ring_order; i++) {
		snprintf(name, sizeof(name), "%s%u", XEN_PVFAULT_NODE_RING_REF, i);
		if (read_number(p, name, 0, UINT32_MAX, &f->ring_ref[i], why, size))
			return -EINVAL;
	}
	if (read_number(p, XEN_PVFAULT_NODE_EVENT_CHANNEL, 1, UINT32_MAX,
			&f->port, why, size) ||
	    read_number(p, XEN_PVFAULT_NODE_MAX_OUTSTANDING, 1,
			XEN_PVFAULT_RING_LENGTH(f->ring_order),
			&f->max_outstanding, why, size) ||
	    read_feature(p, XEN_PVFAULT_NODE_FEATURE_CLEAR, &f->clear, why, size))
		return -EINVAL;
	return frontend_read_offer(p, &f->offer, &f->serial, why, size);
}
