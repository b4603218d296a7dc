// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what the Xen frontend offers, and of the nodes in XenStore. No
 * Xen is needed.
 */

#include <kunit/test.h>

#include <linux/limits.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "xen.h"

/* Too large for the stack. */
static struct xen_pvfault_ranges *new_ranges(struct kunit *test, unsigned int max)
{
	struct xen_pvfault_ranges *rs = kunit_kzalloc(test, sizeof(*rs), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rs);
	xen_pvfault_ranges_init(rs, max);
	return rs;
}

/* Nothing more is added to @rs. Check that it reads @text. */
static void expect_ranges(struct kunit *test, struct xen_pvfault_ranges *rs,
			  const char *text)
{
	char *got;

	xen_pvfault_ranges_finish(rs);
	got = xen_pvfault_ranges_format(rs);
	KUNIT_ASSERT_NOT_NULL(test, got);
	KUNIT_EXPECT_STREQ(test, got, text);
	kfree(got);
}

static void test_ranges_empty(struct kunit *test)
{
	struct xen_pvfault_ranges *rs = new_ranges(test, 64);

	expect_ranges(test, rs, "");
	KUNIT_EXPECT_EQ(test, xen_pvfault_ranges_pages(rs), 0);
	KUNIT_EXPECT_FALSE(test, xen_pvfault_ranges_overlaps(rs, 0, U64_MAX));
}

static void test_ranges_merge(struct kunit *test)
{
	struct xen_pvfault_ranges *rs = new_ranges(test, 64);

	xen_pvfault_ranges_add(rs, 0, 1);
	xen_pvfault_ranges_add(rs, 1, 1);
	xen_pvfault_ranges_add(rs, 2, 5);
	xen_pvfault_ranges_add(rs, 8, 1);
	xen_pvfault_ranges_add(rs, 9, 1);
	xen_pvfault_ranges_add(rs, 4096, 512);
	expect_ranges(test, rs, "0+7 8+2 4096+512");
	KUNIT_EXPECT_EQ(test, xen_pvfault_ranges_pages(rs), 521);
}

static void test_ranges_large(struct kunit *test)
{
	struct xen_pvfault_ranges *rs = new_ranges(test, 64);

	xen_pvfault_ranges_add(rs, U64_MAX - 1, 1);
	expect_ranges(test, rs, "18446744073709551614+1");
}

/* The largest are kept, in order, whatever the order of sizes. */
static void test_ranges_too_many(struct kunit *test)
{
	struct xen_pvfault_ranges *rs = new_ranges(test, 3);

	xen_pvfault_ranges_add(rs, 10, 3);
	xen_pvfault_ranges_add(rs, 20, 1);
	xen_pvfault_ranges_add(rs, 30, 4);
	xen_pvfault_ranges_add(rs, 40, 1);
	xen_pvfault_ranges_add(rs, 50, 5);
	xen_pvfault_ranges_add(rs, 60, 2);
	expect_ranges(test, rs, "10+3 30+4 50+5");
}

static void test_ranges_one(struct kunit *test)
{
	struct xen_pvfault_ranges *rs = new_ranges(test, 1);

	xen_pvfault_ranges_add(rs, 10, 2);
	/* A range that is small at first but grows must not be given up too early. */
	xen_pvfault_ranges_add(rs, 20, 1);
	xen_pvfault_ranges_add(rs, 21, 1);
	xen_pvfault_ranges_add(rs, 22, 1);
	xen_pvfault_ranges_add(rs, 30, 1);
	expect_ranges(test, rs, "20+3");
}

/* As many as the protocol allows, with the longest numbers. */
static void test_ranges_full(struct kunit *test)
{
	struct xen_pvfault_ranges *rs = new_ranges(test, 1000);
	char *text;
	u64 i;

	for (i = 0; i < 100; i++)
		xen_pvfault_ranges_add(rs, 10000000000000000000ULL + (i << 33),
				       (1ULL << 32) + i);
	xen_pvfault_ranges_finish(rs);
	KUNIT_EXPECT_EQ(test, rs->nr, XEN_PVFAULT_MAX_RANGES);
	for (i = 1; i < rs->nr; i++)
		KUNIT_EXPECT_GT(test, rs->range[i].start,
				rs->range[i - 1].start + rs->range[i - 1].count);
	/* The first 36 were the smallest. */
	KUNIT_EXPECT_EQ(test, rs->range[0].count, (1ULL << 32) + 36);

	text = xen_pvfault_ranges_format(rs);
	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_EXPECT_EQ(test, strlen(text), 64 * (20 + 1 + 10) + 63);
	/* XenStore takes messages of 4096 octets. */
	KUNIT_EXPECT_LT(test, strlen(text), 4000);
	kfree(text);
}

static void test_ranges_overlaps(struct kunit *test)
{
	struct xen_pvfault_ranges *rs = new_ranges(test, 64);

	xen_pvfault_ranges_add(rs, 100, 10);
	xen_pvfault_ranges_add(rs, 200, 10);
	xen_pvfault_ranges_finish(rs);
	KUNIT_EXPECT_FALSE(test, xen_pvfault_ranges_overlaps(rs, 0, 100));
	KUNIT_EXPECT_TRUE(test, xen_pvfault_ranges_overlaps(rs, 0, 101));
	KUNIT_EXPECT_TRUE(test, xen_pvfault_ranges_overlaps(rs, 109, 1));
	KUNIT_EXPECT_FALSE(test, xen_pvfault_ranges_overlaps(rs, 110, 90));
	KUNIT_EXPECT_TRUE(test, xen_pvfault_ranges_overlaps(rs, 110, 91));
	KUNIT_EXPECT_TRUE(test, xen_pvfault_ranges_overlaps(rs, 204, 2));
	KUNIT_EXPECT_FALSE(test, xen_pvfault_ranges_overlaps(rs, 210, 1000));
}

static struct xen_pvfault_ranges *scan(struct kunit *test,
				       const struct xen_pvfault_range *without)
{
	struct xen_pvfault_ranges *rs = new_ranges(test, XEN_PVFAULT_MAX_RANGES);

	get_online_mems();
	xen_pvfault_ranges_scan(rs, without);
	put_online_mems();
	return rs;
}

/*
 * This machine's: what the page allocator manages in ZONE_MOVABLE, no page
 * more and none less. Memory that was reserved at boot isn't managed.
 */
static void test_ranges_scan(struct kunit *test)
{
	static const struct xen_pvfault_range nothing;
	struct xen_pvfault_ranges *rs;
	u64 managed = 0, pfn;
	unsigned int i;
	int nid;

	for_each_online_node(nid)
		managed += zone_managed_pages(&NODE_DATA(nid)->node_zones[ZONE_MOVABLE]);
	KUNIT_EXPECT_EQ(test, xen_pvfault_can_offer(), managed != 0);
	rs = scan(test, &nothing);
	KUNIT_EXPECT_EQ(test, xen_pvfault_ranges_pages(rs), managed);
	for (i = 0; i < rs->nr; i++)
		for (pfn = rs->range[i].start;
		     pfn < rs->range[i].start + rs->range[i].count; pfn++)
			if (!is_zone_movable_page(pfn_to_page(pfn)) ||
			    PageReserved(pfn_to_page(pfn)))
				KUNIT_FAIL(test, "page %llu is on offer", pfn);
	if (!managed)
		kunit_skip(test, "needs ZONE_MOVABLE: boot with kernelcore=");
}

/* Memory that is about to go. */
static void test_ranges_without(struct kunit *test)
{
	static const struct xen_pvfault_range nothing;
	struct xen_pvfault_range without;
	struct xen_pvfault_ranges *all, *rest;

	if (!xen_pvfault_can_offer())
		kunit_skip(test, "needs ZONE_MOVABLE: boot with kernelcore=");
	all = scan(test, &nothing);
	KUNIT_ASSERT_GT(test, all->nr, 0);
	without.start = all->range[0].start + all->range[0].count / 4;
	without.count = all->range[0].count / 2;
	rest = scan(test, &without);
	KUNIT_EXPECT_EQ(test, xen_pvfault_ranges_pages(rest),
			xen_pvfault_ranges_pages(all) - without.count);
	KUNIT_EXPECT_FALSE(test, xen_pvfault_ranges_overlaps(rest, without.start,
							     without.count));
}

static const char *parse(const char *versions, const char *order, const char *ranges)
{
	struct xen_pvfault_limits limits;

	return xen_pvfault_parse_limits(versions, order, ranges, &limits);
}

static void test_nodes_good(struct kunit *test)
{
	struct xen_pvfault_limits limits;

	KUNIT_EXPECT_NULL(test, xen_pvfault_parse_limits("1", "4", "64", &limits));
	KUNIT_EXPECT_EQ(test, limits.ring_page_order, 4);
	KUNIT_EXPECT_EQ(test, limits.ranges, 64);
	KUNIT_EXPECT_NULL(test, xen_pvfault_parse_limits("2,1,3", "0", "1", &limits));
	KUNIT_EXPECT_EQ(test, limits.ring_page_order, 0);
	KUNIT_EXPECT_EQ(test, limits.ranges, 1);
}

static void test_nodes_versions(struct kunit *test)
{
	static const char * const bad[] = {
		NULL, "", "2", "11", "2,11", "-1", "+1", " 1", "1 ", "1\n", "1,",
		",1", "1,,2", "1;2", "1.0", "0x1", "1,x", "x,1", "one",
		"1,99999999999999999999", "4294967297",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_STREQ_MSG(test, parse(bad[i], "0", "1") ?: "",
				       XEN_PVFAULT_NODE_VERSIONS, "%s", bad[i] ?: "none");
}

static void test_nodes_limits(struct kunit *test)
{
	static const char * const bad[] = {
		NULL, "", "65", "-1", "+1", " 1", "1 ", "1\n", "1,2", "0x1", "1.",
		"1x", "4294967297", "18446744073709551617", "99999999999999999999999",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_STREQ_MSG(test, parse("1", bad[i], "1") ?: "",
				       XEN_PVFAULT_NODE_MAX_RING_PAGE_ORDER,
				       "%s", bad[i] ?: "none");
		KUNIT_EXPECT_STREQ_MSG(test, parse("1", "0", bad[i]) ?: "",
				       XEN_PVFAULT_NODE_MAX_RANGES,
				       "%s", bad[i] ?: "none");
	}
	KUNIT_EXPECT_STREQ(test, parse("1", "5", "1") ?: "",
			   XEN_PVFAULT_NODE_MAX_RING_PAGE_ORDER);
	KUNIT_EXPECT_STREQ(test, parse("1", "0", "0") ?: "", XEN_PVFAULT_NODE_MAX_RANGES);
}

static struct kunit_case ranges_cases[] = {
	KUNIT_CASE(test_ranges_empty),
	KUNIT_CASE(test_ranges_merge),
	KUNIT_CASE(test_ranges_large),
	KUNIT_CASE(test_ranges_too_many),
	KUNIT_CASE(test_ranges_one),
	KUNIT_CASE(test_ranges_full),
	KUNIT_CASE(test_ranges_overlaps),
	KUNIT_CASE(test_ranges_scan),
	KUNIT_CASE(test_ranges_without),
	KUNIT_CASE(test_nodes_good),
	KUNIT_CASE(test_nodes_versions),
	KUNIT_CASE(test_nodes_limits),
	{}
};

static struct kunit_suite ranges_suite = {
	.name		= "pvfault_xen_ranges",
	.test_cases	= ranges_cases,
};

kunit_test_suite(ranges_suite);

MODULE_DESCRIPTION("KUnit tests of pvfault's Xen frontend");
MODULE_LICENSE("GPL");
