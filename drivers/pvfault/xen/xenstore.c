// SPDX-License-Identifier: GPL-2.0
/*
 * The nodes of both ends in XenStore. A value that isn't exactly as the protocol
 * demands is an error.
 */

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <xen/xenbus.h>

#include "xen.h"

/*
 * Read a decimal number of no more than 9 digits at @text, which ends at @end
 * or with the string. kstrtouint() would take signs and a newline, too.
 */
static bool parse_number(const char *text, char end, unsigned int *value,
			 const char **rest)
{
	unsigned int digits;

	*value = 0;
	for (digits = 0; isdigit(text[digits]); digits++) {
		if (digits == 9)
			return false;
		*value = *value * 10 + text[digits] - '0';
	}
	*rest = text + digits;
	return digits && (!**rest || **rest == end);
}

static bool parse_limit(const char *text, unsigned int min, unsigned int max,
			unsigned int *value)
{
	const char *rest;

	return text && parse_number(text, '\0', value, &rest) &&
	       *value >= min && *value <= max;
}

/* Is our version in the list? Reads all of it, because all of it has to make sense. */
static bool parse_versions(const char *text)
{
	unsigned int version;
	const char *rest;
	bool found = false;

	if (!text)
		return false;
	for (;; text = rest + 1) {
		if (!parse_number(text, ',', &version, &rest))
			return false;
		found |= version == XEN_PVFAULT_VERSION;
		if (!*rest)
			return found;
	}
}

/**
 * xen_pvfault_parse_limits() - make sense of the pager's nodes
 * @versions: value of the node of this name, NULL if there is none
 * @order: of max-ring-page-order
 * @ranges: of max-ranges
 * @limits: filled in
 *
 * Context: any.
 * Return: NULL, or the name of a node that is missing or makes no sense.
 */
const char *xen_pvfault_parse_limits(const char *versions, const char *order,
				     const char *ranges,
				     struct xen_pvfault_limits *limits)
{
	if (!parse_versions(versions))
		return XEN_PVFAULT_NODE_VERSIONS;
	if (!parse_limit(order, 0, XEN_PVFAULT_MAX_RING_PAGE_ORDER,
			 &limits->ring_page_order))
		return XEN_PVFAULT_NODE_MAX_RING_PAGE_ORDER;
	if (!parse_limit(ranges, 1, XEN_PVFAULT_MAX_RANGES, &limits->ranges))
		return XEN_PVFAULT_NODE_MAX_RANGES;
	return NULL;
}

/* The value, to be freed, or NULL if it is missing or holds a zero octet. */
static char *read_node(struct xenbus_device *dev, const char *node)
{
	unsigned int len;
	char *text = xenbus_read(XBT_NIL, dev->otherend, node, &len);

	if (IS_ERR(text))
		return NULL;
	if (strlen(text) != len) {
		kfree(text);
		return NULL;
	}
	return text;
}

/**
 * xen_pvfault_read_limits() - read the pager's nodes
 * @dev: the device; its pager is in InitWait
 * @limits: filled in
 *
 * Context: may sleep.
 * Return: as xen_pvfault_parse_limits().
 */
const char *xen_pvfault_read_limits(struct xenbus_device *dev,
				    struct xen_pvfault_limits *limits)
{
	char *versions = read_node(dev, XEN_PVFAULT_NODE_VERSIONS);
	char *order = read_node(dev, XEN_PVFAULT_NODE_MAX_RING_PAGE_ORDER);
	char *ranges = read_node(dev, XEN_PVFAULT_NODE_MAX_RANGES);
	const char *bad;

	bad = xen_pvfault_parse_limits(versions, order, ranges, limits);
	limits->clear = xenbus_read_unsigned(dev->otherend, XEN_PVFAULT_NODE_FEATURE_CLEAR,
					     0) == 1;
	kfree(versions);
	kfree(order);
	kfree(ranges);
	return bad;
}

/**
 * xen_pvfault_read_state() - which state does an end of the device show?
 * @path: of the end's nodes
 *
 * The bus's own function for that takes more arguments in later kernels.
 *
 * Context: may sleep.
 * Return: the state, XenbusStateUnknown if there is none.
 */
enum xenbus_state xen_pvfault_read_state(const char *path)
{
	int state;

	if (xenbus_scanf(XBT_NIL, path, "state", "%d", &state) != 1)
		return XenbusStateUnknown;
	return state;
}

static int write_number(struct xenbus_transaction t, struct xenbus_device *dev,
			const char *node, unsigned int value)
{
	return xenbus_printf(t, dev->nodename, node, "%u", value);
}

static int write_rings(struct xenbus_transaction t, struct xenbus_device *dev,
		       const struct xen_pvfault_grants *g)
{
	char node[sizeof(XEN_PVFAULT_NODE_RING_REF) + 10];
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < 1U << g->order; i++) {
		snprintf(node, sizeof(node), XEN_PVFAULT_NODE_RING_REF "%u", i);
		err = write_number(t, dev, node, g->ring_ref[i]);
	}
	return err;
}

static int write_offer(struct xenbus_transaction t, struct xenbus_device *dev,
		       const char *offer, u32 serial)
{
	return write_number(t, dev, XEN_PVFAULT_NODE_OFFER_SERIAL, serial) ?:
	       xenbus_write(t, dev->nodename, XEN_PVFAULT_NODE_OFFER, offer);
}

static int write_all(struct xenbus_transaction t, struct xenbus_device *dev,
		     const struct xen_pvfault_grants *g, const char *offer, u32 serial)
{
	if (!g)
		return write_offer(t, dev, offer, serial);
	return write_number(t, dev, XEN_PVFAULT_NODE_VERSION, XEN_PVFAULT_VERSION) ?:
	       write_number(t, dev, XEN_PVFAULT_NODE_FRONT_REF, g->front_ref) ?:
	       write_number(t, dev, XEN_PVFAULT_NODE_RING_PAGE_ORDER, g->order) ?:
	       write_rings(t, dev, g) ?:
	       write_number(t, dev, XEN_PVFAULT_NODE_EVENT_CHANNEL, g->port) ?:
	       write_number(t, dev, XEN_PVFAULT_NODE_MAX_OUTSTANDING,
			    XEN_PVFAULT_RING_LENGTH(g->order)) ?:
	       write_number(t, dev, XEN_PVFAULT_NODE_FEATURE_CLEAR, g->clear) ?:
	       write_offer(t, dev, offer, serial);
}

/**
 * xen_pvfault_agreed() - to which of our offers the pager has agreed
 * @dev: the device; its pager is in Connected or Reconfigured
 * @serial: filled in
 *
 * Context: may sleep.
 * Return: whether the pager says so.
 */
bool xen_pvfault_agreed(struct xenbus_device *dev, u32 *serial)
{
	return xenbus_scanf(XBT_NIL, dev->otherend, XEN_PVFAULT_NODE_AGREED_SERIAL, "%u",
			    serial) == 1;
}

/**
 * xen_pvfault_write_nodes() - write the frontend's nodes, all or none
 * @dev: the device
 * @g: what is shared; NULL: that is there already, only the offer is new
 * @offer: as text
 * @serial: of @offer
 *
 * Context: may sleep.
 * Return: 0 or a negative error.
 */
int xen_pvfault_write_nodes(struct xenbus_device *dev,
			    const struct xen_pvfault_grants *g, const char *offer,
			    u32 serial)
{
	struct xenbus_transaction t;
	int err;

	/* Try again if the same folders were changed meanwhile. */
	do {
		err = xenbus_transaction_start(&t);
		if (err)
			return err;
		err = write_all(t, dev, g, offer, serial);
		if (err) {
			xenbus_transaction_end(t, 1);
			return err;
		}
		err = xenbus_transaction_end(t, 0);
	} while (err == -EAGAIN);
	return err;
}
