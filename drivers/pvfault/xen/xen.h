/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the files of the Xen frontend. The protocol, and the words for its parts,
 * are in include/xen/interface/io/pvfault.h. The other end of the device, in Xen's words
 * its backend, is called the pager here, because a backend of pvfault's is what speaks
 * with a hypervisor (backend.c).
 *
 *	xenbus.c	the device on Xen's bus: suspend, reboot, sysfs
 *	state.c		the states of the device
 *	xenstore.c	the nodes of both ends in XenStore
 *	grants.c	front page, ring and event channel, as long as connected
 *	ring.c		taking READY out of the ring
 *	ranges.c	which memory may be taken away: ranges, and their text
 *	offer.c		the offer that the pager knows, and memory hotplug
 *	backend.c	the functions that the core calls: recogniser, CPUs, repair
 */
#ifndef PVFAULT_XEN_H
#define PVFAULT_XEN_H

#include <linux/pvfault.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

#include <xen/grant_table.h>
#include <xen/interface/event_channel.h>
#include <xen/interface/io/pvfault.h>
#include <xen/interface/io/xenbus.h>

struct xen_pvfault_grants;
struct xenbus_device;

/* Counters of the frontend; the core counts sleepers and READYs. */
#define XEN_PVFAULT_COUNTS(X)						\
	X(events)	/* the event channel's interrupt came */	\
	X(entries)	/* taken out of the ring */			\
	X(bad_entries)	/* of these: no token at all, dropped */	\
	X(overruns)	/* prod was where no pager may put it */	\
	X(ready_all)	/* steps of all, as seen, and overruns */	\
	X(unannounced)	/* found by looking without an event */		\
	X(postponed)	/* a busy ring was left to a work item */

#define XEN_PVFAULT_COUNT_ENUM(name) XEN_PVFAULT_NR_##name,
enum xen_pvfault_count {
	XEN_PVFAULT_COUNTS(XEN_PVFAULT_COUNT_ENUM)
	XEN_PVFAULT_NR_COUNTS
};

/*
 * The part of a token that identifies it: the signature, and bit 47 clear. Only one
 * shift and one comparison, because every genuine page fault passes here, too.
 */
static __always_inline bool xen_pvfault_is_token(u64 value)
{
	return value >> (XEN_PVFAULT_SIGNATURE_SHIFT - 1) ==
	       (u64)XEN_PVFAULT_SIGNATURE << 1;
}

/* ring.c */

/**
 * struct xen_pvfault_reader - the frontend's end of the ring
 * @lock: guards all other fields and the front page's indices: the interrupt,
 *	a repair and the work item may look at the same time, on any CPU
 * @front: the front page; NULL while there is no ring
 * @ring: written by the pager: each field may change at any time
 * @length: of the ring, a power of two
 * @cons: index of the next entry to take; the page's is only a copy
 * @all: the pager's count of READY for all when last looked at
 * @ready: where a token goes
 * @ready_all: where READY for all goes
 * @count: see XEN_PVFAULT_COUNTS
 */
struct xen_pvfault_reader {
	raw_spinlock_t lock;
	struct xen_pvfault_front *front;
	const struct xen_pvfault_ring *ring;
	u32 length;
	u32 cons;
	u32 all;
	void (*ready)(pvfault_token_t token);
	void (*ready_all)(void);
	unsigned long count[XEN_PVFAULT_NR_COUNTS];
};

/* Ring lengths that one look takes at most; a well-behaved pager needs two. */
#define XEN_PVFAULT_ROUNDS	4

void xen_pvfault_reader_open(struct xen_pvfault_reader *r,
			     struct xen_pvfault_front *front,
			     const struct xen_pvfault_ring *ring, u32 length);
void xen_pvfault_reader_close(struct xen_pvfault_reader *r);
unsigned int xen_pvfault_take(struct xen_pvfault_reader *r, bool event, bool *more);

/* ranges.c */

/**
 * struct xen_pvfault_range - neighbouring pages
 * @start: the first one's frame number
 * @count: how many
 */
struct xen_pvfault_range {
	u64 start;
	u64 count;
};

/**
 * struct xen_pvfault_ranges - the pages that may be taken away
 * @max: how many ranges there may be
 * @nr: how many there are
 * @open: the range that is still growing
 * @range: ascending, neither overlapping nor touching
 */
struct xen_pvfault_ranges {
	unsigned int max;
	unsigned int nr;
	struct xen_pvfault_range open;
	struct xen_pvfault_range range[XEN_PVFAULT_MAX_RANGES];
};

void xen_pvfault_ranges_init(struct xen_pvfault_ranges *rs, unsigned int max);
void xen_pvfault_ranges_add(struct xen_pvfault_ranges *rs, u64 start, u64 count);
void xen_pvfault_ranges_finish(struct xen_pvfault_ranges *rs);
bool xen_pvfault_ranges_overlaps(const struct xen_pvfault_ranges *rs, u64 start, u64 count);
u64 xen_pvfault_ranges_pages(const struct xen_pvfault_ranges *rs);
char *xen_pvfault_ranges_format(const struct xen_pvfault_ranges *rs);
void xen_pvfault_ranges_scan(struct xen_pvfault_ranges *rs,
			     const struct xen_pvfault_range *without);
bool xen_pvfault_can_offer(void);

/* offer.c */
void xen_pvfault_offer_open(unsigned int max_ranges);
void xen_pvfault_offer_close(bool away);
char *xen_pvfault_offer_text(u32 *serial);
bool xen_pvfault_offer_changed(u32 serial);
void xen_pvfault_offer_agreed(u32 serial);
u64 xen_pvfault_offer_pages(void);
void xen_pvfault_offer_init(void);

/* xenstore.c */

/**
 * struct xen_pvfault_limits - limits of the pager
 * @ring_page_order: the largest ring
 * @ranges: how many an offer may have
 * @clear: it knows feature-clear
 */
struct xen_pvfault_limits {
	unsigned int ring_page_order;
	unsigned int ranges;
	bool clear;
};

const char *xen_pvfault_parse_limits(const char *versions, const char *order,
				     const char *ranges,
				     struct xen_pvfault_limits *limits);
const char *xen_pvfault_read_limits(struct xenbus_device *dev,
				    struct xen_pvfault_limits *limits);
enum xenbus_state xen_pvfault_read_state(const char *path);
bool xen_pvfault_agreed(struct xenbus_device *dev, u32 *serial);
int xen_pvfault_write_nodes(struct xenbus_device *dev,
			    const struct xen_pvfault_grants *g, const char *offer,
			    u32 serial);

/* grants.c */

/**
 * struct xen_pvfault_grants - pages and port that the pager maps and binds
 * @front: the front page, or NULL if nothing is shared
 * @ring: the ring's pages
 * @front_ref: the front page's grant
 * @ring_ref: the grants of the ring's pages
 * @order: 1 << @order pages of ring
 * @port: event channel of READY
 * @irq: its interrupt
 * @clear: feature-clear is used
 */
struct xen_pvfault_grants {
	struct xen_pvfault_front *front;
	struct xen_pvfault_ring *ring;
	grant_ref_t front_ref;
	grant_ref_t ring_ref[1 << XEN_PVFAULT_MAX_RING_PAGE_ORDER];
	unsigned int order;
	evtchn_port_t port;
	int irq;
	bool clear;
};

extern struct xen_pvfault_reader xen_pvfault_reader;

int xen_pvfault_grants_open(struct xenbus_device *dev, struct xen_pvfault_grants *g,
			    unsigned int max_order);
void xen_pvfault_grants_close(struct xen_pvfault_grants *g);
void xen_pvfault_look(void);

/* backend.c */
extern const struct pvfault_backend xen_pvfault_backend;

int xen_pvfault_arm(void);
void xen_pvfault_disarm(void);
void xen_pvfault_enable(struct xen_pvfault_front *front, bool clear);
void xen_pvfault_disable(struct xen_pvfault_front *front);

/* state.c */
void xen_pvfault_state_look(void);
bool xen_pvfault_state_leave(unsigned int seconds);
void xen_pvfault_state_return(void);
int xen_pvfault_state_bind(struct xenbus_device *dev);
void xen_pvfault_state_unbind(void);
struct xenbus_device *xen_pvfault_state_device(void);
void xen_pvfault_kick(void);

#endif /* PVFAULT_XEN_H */
