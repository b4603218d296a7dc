// SPDX-License-Identifier: GPL-2.0
/*
 * Which memory may be taken away: ZONE_MOVABLE, because it holds no kernel data.
 *
 * With one exception. A zone made by kernelcore= or movablecore= spans memory
 * that memblock had handed out long before there were zones, from the top down:
 * struct pages, per-CPU areas, the large hash tables, the initrd. It shows as
 * PageReserved. So does a hole. Memory added with its struct pages inside shows
 * these as PageVmemmapSelfHosted. Nothing of that is offered.
 */

#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/memory_hotplug.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "xen.h"

/* Two numbers of 64 bits, a plus and a blank. */
#define XEN_PVFAULT_RANGE_TEXT	42

/**
 * xen_pvfault_ranges_init() - begin with nothing
 * @rs: the ranges
 * @max: how many ranges it may have, 1 to XEN_PVFAULT_MAX_RANGES
 *
 * Context: any.
 */
void xen_pvfault_ranges_init(struct xen_pvfault_ranges *rs, unsigned int max)
{
	rs->max = clamp_t(unsigned int, max, 1, XEN_PVFAULT_MAX_RANGES);
	rs->nr = 0;
	rs->open = (struct xen_pvfault_range) { };
}

/* The open range ends. If there is no room, the smallest one is given up. */
static void xen_pvfault_ranges_flush(struct xen_pvfault_ranges *rs)
{
	unsigned int i, small = 0;

	if (!rs->open.count)
		return;
	if (rs->nr == rs->max) {
		for (i = 1; i < rs->nr; i++)
			if (rs->range[i].count < rs->range[small].count)
				small = i;
		if (rs->range[small].count >= rs->open.count)
			goto out;
		rs->nr--;
		memmove(&rs->range[small], &rs->range[small + 1],
			(rs->nr - small) * sizeof(rs->range[0]));
	}
	rs->range[rs->nr++] = rs->open;
out:
	rs->open.count = 0;
}

/**
 * xen_pvfault_ranges_add() - some more pages
 * @rs: the ranges
 * @start: the first one's frame number, not below what was added before
 * @count: how many
 *
 * Ranges that touch become one. If there are too many, the largest ones are
 * kept: what isn't offered isn't taken away, which is always safe.
 *
 * Context: any.
 */
void xen_pvfault_ranges_add(struct xen_pvfault_ranges *rs, u64 start, u64 count)
{
	if (rs->open.count && rs->open.start + rs->open.count == start) {
		rs->open.count += count;
		return;
	}
	xen_pvfault_ranges_flush(rs);
	rs->open = (struct xen_pvfault_range) { start, count };
}

/**
 * xen_pvfault_ranges_finish() - nothing more will be added, the last range is complete
 * @rs: the ranges
 *
 * Context: any.
 */
void xen_pvfault_ranges_finish(struct xen_pvfault_ranges *rs)
{
	xen_pvfault_ranges_flush(rs);
}

/**
 * xen_pvfault_ranges_overlaps() - is any of these pages among them?
 * @rs: the ranges, finished
 * @start: the first page's frame number
 * @count: how many
 *
 * Context: any.
 * Return: true if so.
 */
bool xen_pvfault_ranges_overlaps(const struct xen_pvfault_ranges *rs, u64 start, u64 count)
{
	const struct xen_pvfault_range *r;

	for (r = rs->range; r < rs->range + rs->nr; r++)
		if (start < r->start + r->count && r->start < start + count)
			return true;
	return false;
}

/**
 * xen_pvfault_ranges_pages() - how many pages they are
 * @rs: the ranges, finished
 *
 * Context: any.
 * Return: the sum of all ranges.
 */
u64 xen_pvfault_ranges_pages(const struct xen_pvfault_ranges *rs)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < rs->nr; i++)
		sum += rs->range[i].count;
	return sum;
}

/**
 * xen_pvfault_ranges_format() - as an offer stands in XenStore
 * @rs: the ranges, finished
 *
 * Context: may sleep.
 * Return: a string to be freed with kfree(), or NULL without memory.
 */
char *xen_pvfault_ranges_format(const struct xen_pvfault_ranges *rs)
{
	size_t size = rs->nr * XEN_PVFAULT_RANGE_TEXT + 1, used = 0;
	char *text = kzalloc(size, GFP_KERNEL);
	unsigned int i;

	for (i = 0; text && i < rs->nr; i++)
		used += scnprintf(text + used, size - used, "%s%llu+%llu",
				  i ? " " : "", rs->range[i].start,
				  rs->range[i].count);
	return text;
}

static bool xen_pvfault_may_offer(struct page *page)
{
	return is_zone_movable_page(page) && !PageReserved(page) &&
	       !PageVmemmapSelfHosted(page) && !PageHWPoison(page);
}

/* Offer what may be offered of [@pfn, @end), which lies in one subsection. */
static void xen_pvfault_scan_chunk(struct xen_pvfault_ranges *rs, unsigned long pfn,
				   unsigned long end,
				   const struct xen_pvfault_range *without)
{
	struct page *page = pfn_to_online_page(pfn);

	/* Memory is added and taken online in units of at least a subsection. */
	if (!page)
		return;
	for (; pfn < end; pfn++, page++)
		if (pfn - without->start >= without->count &&
		    xen_pvfault_may_offer(page))
			xen_pvfault_ranges_add(rs, pfn, 1);
}

static struct zone *xen_pvfault_movable_zone(int nid)
{
	struct zone *zone = &NODE_DATA(nid)->node_zones[ZONE_MOVABLE];

	return populated_zone(zone) ? zone : NULL;
}

/**
 * xen_pvfault_ranges_scan() - look what there is to offer
 * @rs: initialised; finished when this returns
 * @without: pages not to be offered although they are movable
 *
 * One pass over the memory that the nodes' movable zones span; some
 * milliseconds for each GiB. In an HVM or PVH guest a page's number in Linux
 * is its number in Xen.
 *
 * Context: may sleep, memory hotplug is locked.
 */
void xen_pvfault_ranges_scan(struct xen_pvfault_ranges *rs,
			     const struct xen_pvfault_range *without)
{
	unsigned long pfn = ULONG_MAX, end = 0, next;
	int nid;

	for_each_online_node(nid) {
		struct zone *zone = xen_pvfault_movable_zone(nid);

		if (zone) {
			pfn = min(pfn, zone->zone_start_pfn);
			end = max(end, zone_end_pfn(zone));
		}
	}
	for (; pfn < end; pfn = next) {
		next = min(end, ALIGN(pfn + 1, PAGES_PER_SUBSECTION));
		xen_pvfault_scan_chunk(rs, pfn, next, without);
		cond_resched();
	}
	xen_pvfault_ranges_finish(rs);
}

/**
 * xen_pvfault_can_offer() - is there a movable zone at all?
 *
 * Context: any; may be outdated if memory hotplug isn't locked.
 * Return: true if so.
 */
bool xen_pvfault_can_offer(void)
{
	int nid;

	for_each_online_node(nid)
		if (xen_pvfault_movable_zone(nid))
			return true;
	return false;
}
