// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the Xen frontend's ring. No Xen is needed: the test is the
 * pager.
 *
 * They drive struct xen_pvfault_reader with pages of their own and count what is
 * delivered. The function that is called for each token plays a pager that writes
 * while the frontend reads.
 */

#include <kunit/test.h>

#include <linux/io.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <xen/xen.h>

#include "xen.h"

#define LENGTH		XEN_PVFAULT_RING_LENGTH(0)
#define MANY		(2 * XEN_PVFAULT_ROUNDS * LENGTH)

/* One case runs at a time; the reader's callbacks find it here. */
static struct {
	struct xen_pvfault_reader reader;
	struct xen_pvfault_front *front;
	struct xen_pvfault_ring *ring;
	u64 *got;
	unsigned int nr_got;
	unsigned int nr_all;
	bool more;
	u32 cons_seen;			/* on the front page at the last token */
	void (*meanwhile)(void);	/* called for each token */
} fx;

static u64 token(u32 number)
{
	return (u64)XEN_PVFAULT_SIGNATURE << XEN_PVFAULT_SIGNATURE_SHIFT |
	       1ULL << XEN_PVFAULT_GENERATION_SHIFT | number;
}

static void got_ready(pvfault_token_t t)
{
	if (fx.nr_got < MANY)
		fx.got[fx.nr_got] = t;
	fx.nr_got++;
	fx.cons_seen = READ_ONCE(fx.front->cons);
	if (fx.meanwhile)
		fx.meanwhile();
}

static void got_all(void)
{
	fx.nr_all++;
}

/* The pager, as the protocol says, but without a check for room. */
static void push(u64 entry)
{
	fx.ring->entry[fx.ring->prod % LENGTH] = entry;
	WRITE_ONCE(fx.ring->prod, fx.ring->prod + 1);
}

/* Would the pager notify of its last @n entries? */
static bool would_notify(u32 n)
{
	return fx.ring->prod - fx.front->event < n;
}

static unsigned int take(void)
{
	return xen_pvfault_take(&fx.reader, true, &fx.more);
}

static unsigned long count(enum xen_pvfault_count what)
{
	return fx.reader.count[what];
}

/* Begin anew, with both ends at @index. */
static void start_at(u32 index)
{
	fx.ring->prod = index;
	fx.reader.cons = index;
	fx.front->cons = index;
	fx.front->event = index + 1;
}

static int ring_init(struct kunit *test)
{
	memset(&fx, 0, sizeof(fx));
	fx.front = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	fx.ring = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	fx.got = kunit_kcalloc(test, MANY, sizeof(*fx.got), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fx.front);
	KUNIT_ASSERT_NOT_NULL(test, fx.ring);
	KUNIT_ASSERT_NOT_NULL(test, fx.got);
	raw_spin_lock_init(&fx.reader.lock);
	fx.reader.ready = got_ready;
	fx.reader.ready_all = got_all;
	xen_pvfault_reader_open(&fx.reader, fx.front, fx.ring, LENGTH);
	return 0;
}

/* Exactly @n tokens from number @first on have been delivered, in order. */
static void expect_tokens(struct kunit *test, u32 first, unsigned int n)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, fx.nr_got, n);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, fx.got[i], token(first + i));
}

/* All is taken, and the next entry will send an event. */
static void expect_idle(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, fx.more);
	KUNIT_EXPECT_EQ(test, fx.front->cons, fx.ring->prod);
	KUNIT_EXPECT_EQ(test, fx.front->event, fx.ring->prod + 1);
}

static void test_ring_fresh(struct kunit *test)
{
	/* The very first entry has to send an event, before any look at the ring. */
	push(token(1));
	KUNIT_EXPECT_TRUE(test, would_notify(1));
	KUNIT_EXPECT_EQ(test, take(), 1);
	expect_tokens(test, 1, 1);
}

static void test_ring_empty(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, take(), 0);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 0);
	expect_tokens(test, 0, 0);
	expect_idle(test);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_events), 1);
}

static void test_ring_one(struct kunit *test)
{
	push(token(7));
	KUNIT_EXPECT_EQ(test, take(), 1);
	KUNIT_EXPECT_EQ(test, take(), 0);
	expect_tokens(test, 7, 1);
	expect_idle(test);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 0);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_entries), 1);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_unannounced), 0);
}

static void test_ring_unannounced(struct kunit *test)
{
	push(token(1));
	push(token(2));
	KUNIT_EXPECT_EQ(test, xen_pvfault_take(&fx.reader, false, &fx.more), 2);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_unannounced), 2);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_events), 0);
	expect_idle(test);
}

static void test_ring_full(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < LENGTH; i++)
		push(token(i));
	KUNIT_EXPECT_EQ(test, take(), LENGTH);
	expect_tokens(test, 0, LENGTH);
	expect_idle(test);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_overruns), 0);
}

/* The end of the ring, and the end of the index, which lies on the former. */
static void test_ring_wrap(struct kunit *test)
{
	static const u32 start[] = { LENGTH - 2, U32_MAX - 1, 0x80000000U - 2 };
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(start); i++) {
		start_at(start[i]);
		fx.nr_got = 0;
		for (n = 0; n < 5; n++)
			push(token(n));
		KUNIT_EXPECT_EQ(test, take(), 5);
		expect_tokens(test, 0, 5);
		expect_idle(test);
		KUNIT_EXPECT_EQ(test, fx.front->cons, start[i] + 5);
	}
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_overruns), 0);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 0);
}

/* As many as the ring holds, twice, at the wrap of the index. */
static void test_ring_wrap_full(struct kunit *test)
{
	unsigned int i, lap;

	start_at(0U - LENGTH / 2);
	for (lap = 0; lap < 2; lap++) {
		fx.nr_got = 0;
		for (i = 0; i < LENGTH; i++)
			push(token(i));
		KUNIT_EXPECT_EQ(test, take(), LENGTH);
		expect_tokens(test, 0, LENGTH);
	}
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_overruns), 0);
}

static void expect_overrun(struct kunit *test, u32 prod)
{
	unsigned long overruns = count(XEN_PVFAULT_NR_overruns);
	unsigned int all = fx.nr_all;

	fx.nr_got = 0;
	fx.ring->prod = prod;
	KUNIT_EXPECT_EQ(test, take(), 1);
	KUNIT_EXPECT_EQ(test, fx.nr_all, all + 1);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_overruns), overruns + 1);
	expect_tokens(test, 0, 0);
	expect_idle(test);
	/* And it goes on from there. */
	push(token(3));
	KUNIT_EXPECT_EQ(test, take(), 1);
	expect_tokens(test, 3, 1);
}

static void test_ring_overrun(struct kunit *test)
{
	expect_overrun(test, LENGTH + 1);
	expect_overrun(test, fx.ring->prod + LENGTH + 1);
	expect_overrun(test, fx.ring->prod + 0x80000000U);
}

static void test_ring_backwards(struct kunit *test)
{
	start_at(1000);
	expect_overrun(test, 999);
	expect_overrun(test, 0);
	expect_overrun(test, U32_MAX);
}

static void test_ring_bad_entries(struct kunit *test)
{
	static const u64 bad[] = {
		0, 1, U64_MAX,
		0x0000000100000001,	/* no signature */
		0xd658800000000001,	/* bit 47 */
		0xd659000100000001,	/* a neighbour */
		0xd657000100000001,
		0x5658000000000001,	/* bit 63: this one isn't canonical either */
		0xffff800000000000,	/* a kernel address */
		0x00007fffffffffff,	/* a user address */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_FALSE(test, xen_pvfault_is_token(bad[i]));
		push(bad[i]);
	}
	push(token(1));
	KUNIT_EXPECT_EQ(test, take(), ARRAY_SIZE(bad) + 1);
	expect_tokens(test, 1, 1);
	expect_idle(test);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_bad_entries), ARRAY_SIZE(bad));
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_entries), ARRAY_SIZE(bad) + 1);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 0);
}

/* Each value of generation and number is a token; the frontend checks neither. */
static void test_ring_any_token(struct kunit *test)
{
	static const u64 good[] = {
		0xd658000000000000, 0xd6587fffffffffff, 0xd658000100000000,
		0xd6580001ffffffff, 0xd658000100000000,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		push(good[i]);
	KUNIT_EXPECT_EQ(test, take(), ARRAY_SIZE(good));
	KUNIT_ASSERT_EQ(test, fx.nr_got, ARRAY_SIZE(good));
	KUNIT_EXPECT_MEMEQ(test, fx.got, good, sizeof(good));
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_bad_entries), 0);
}

static void test_ring_all(struct kunit *test)
{
	fx.ring->all = 1;
	KUNIT_EXPECT_EQ(test, take(), 1);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 1);
	KUNIT_EXPECT_EQ(test, take(), 0);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 1);

	/* Several steps at once are one; backwards is one, too. */
	fx.ring->all = 5;
	push(token(1));
	KUNIT_EXPECT_EQ(test, take(), 2);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 2);
	expect_tokens(test, 1, 1);
	fx.ring->all = 0;
	KUNIT_EXPECT_EQ(test, take(), 1);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 3);
	fx.ring->all = U32_MAX;
	KUNIT_EXPECT_EQ(test, take(), 1);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 4);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_ready_all), 4);
	expect_idle(test);
}

static void add_one_once(void)
{
	fx.meanwhile = NULL;
	push(token(2));
}

/* An entry that comes behind the first look, whose event is suppressed. */
static void test_ring_recheck(struct kunit *test)
{
	push(token(1));
	fx.meanwhile = add_one_once;
	KUNIT_EXPECT_EQ(test, take(), 2);
	expect_tokens(test, 1, 2);
	expect_idle(test);
	/* The pager asked before the frontend had moved event. */
	KUNIT_EXPECT_EQ(test, fx.nr_all, 0);
}

static void step_all_once(void)
{
	fx.meanwhile = NULL;
	WRITE_ONCE(fx.ring->all, fx.ring->all + 1);
}

static void test_ring_recheck_all(struct kunit *test)
{
	push(token(1));
	fx.meanwhile = step_all_once;
	KUNIT_EXPECT_EQ(test, take(), 2);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 1);
	expect_idle(test);
}

/* Events: one for the first entry, none for those behind it until taken. */
static void test_ring_suppression(struct kunit *test)
{
	push(token(0));
	KUNIT_EXPECT_TRUE(test, would_notify(1));
	push(token(1));
	KUNIT_EXPECT_FALSE(test, would_notify(1));
	take();
	push(token(2));
	KUNIT_EXPECT_TRUE(test, would_notify(1));
	take();
	expect_tokens(test, 0, 3);
}

/* The room of an entry isn't given back before the entry has been taken. */
static void test_ring_room(struct kunit *test)
{
	push(token(0));
	push(token(1));
	KUNIT_EXPECT_EQ(test, take(), 2);
	KUNIT_EXPECT_EQ(test, fx.cons_seen, 0);
	KUNIT_EXPECT_EQ(test, fx.front->cons, 2);
}

/* The frontend doesn't use the page's copy of cons. */
static void test_ring_own_cons(struct kunit *test)
{
	push(token(0));
	fx.front->cons = 77;
	KUNIT_EXPECT_EQ(test, take(), 1);
	expect_tokens(test, 0, 1);
	expect_idle(test);
}

static void add_one(void)
{
	push(token(fx.nr_got));
}

static void fill_up(void)
{
	while (fx.ring->prod - fx.reader.cons < LENGTH)
		push(token(0));
}

static void run_away(void)
{
	WRITE_ONCE(fx.ring->prod, fx.ring->prod + LENGTH + 3);
}

/* A pager that never stops is left alone, and come back to. */
static void expect_bounded(struct kunit *test, void (*meanwhile)(void))
{
	fx.meanwhile = meanwhile;
	fx.nr_got = 0;
	push(token(0));
	KUNIT_EXPECT_LE(test, take(), XEN_PVFAULT_ROUNDS * (LENGTH + 2));
	KUNIT_EXPECT_TRUE(test, fx.more);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_postponed), 1);

	/* Once it stops all is taken. */
	fx.meanwhile = NULL;
	take();
	expect_idle(test);
}

static void test_ring_moving(struct kunit *test)
{
	expect_bounded(test, add_one);
	KUNIT_EXPECT_EQ(test, count(XEN_PVFAULT_NR_overruns), 0);
}

static void test_ring_moving_full(struct kunit *test)
{
	expect_bounded(test, fill_up);
}

static void test_ring_moving_away(struct kunit *test)
{
	unsigned int i;

	fx.meanwhile = run_away;
	for (i = 0; i < 3; i++) {
		push(token(0));
		KUNIT_EXPECT_LE(test, take(), XEN_PVFAULT_ROUNDS * (LENGTH + 2));
	}
	fx.meanwhile = NULL;
	take();
	expect_idle(test);
	KUNIT_EXPECT_GT(test, fx.nr_all, 0);
}

static void test_ring_closed(struct kunit *test)
{
	push(token(1));
	xen_pvfault_reader_close(&fx.reader);
	KUNIT_EXPECT_EQ(test, take(), 0);
	KUNIT_EXPECT_FALSE(test, fx.more);
	expect_tokens(test, 0, 0);

	/* A new connection begins at 0, whatever the one before has seen. */
	fx.reader.cons = 99;
	fx.reader.all = 99;
	memset(fx.ring, 0, PAGE_SIZE);
	xen_pvfault_reader_open(&fx.reader, fx.front, fx.ring, LENGTH);
	push(token(2));
	KUNIT_EXPECT_EQ(test, take(), 1);
	expect_tokens(test, 2, 1);
	KUNIT_EXPECT_EQ(test, fx.nr_all, 0);
}

/* The pager knows the instruction only while the frontend is connected. */
static void test_front_clear(struct kunit *test)
{
	if (xen_domain())
		kunit_skip(test, "the frontend may be connected");
	xen_pvfault_enable(fx.front, false);
	KUNIT_EXPECT_EQ(test, fx.front->clear_ip, 0);
	xen_pvfault_disable(fx.front);
	xen_pvfault_enable(fx.front, true);
	KUNIT_EXPECT_EQ(test, fx.front->clear_ip, pvfault_clear_ip());
	KUNIT_EXPECT_EQ(test, (unsigned long)fx.front - fx.front->clear_base,
			virt_to_phys(fx.front));
	xen_pvfault_disable(fx.front);
	KUNIT_EXPECT_EQ(test, fx.front->clear_ip, 0);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(test_ring_fresh),
	KUNIT_CASE(test_ring_empty),
	KUNIT_CASE(test_ring_one),
	KUNIT_CASE(test_ring_unannounced),
	KUNIT_CASE(test_ring_full),
	KUNIT_CASE(test_ring_wrap),
	KUNIT_CASE(test_ring_wrap_full),
	KUNIT_CASE(test_ring_overrun),
	KUNIT_CASE(test_ring_backwards),
	KUNIT_CASE(test_ring_bad_entries),
	KUNIT_CASE(test_ring_any_token),
	KUNIT_CASE(test_ring_all),
	KUNIT_CASE(test_ring_recheck),
	KUNIT_CASE(test_ring_recheck_all),
	KUNIT_CASE(test_ring_suppression),
	KUNIT_CASE(test_ring_room),
	KUNIT_CASE(test_ring_own_cons),
	KUNIT_CASE(test_ring_moving),
	KUNIT_CASE(test_ring_moving_full),
	KUNIT_CASE(test_ring_moving_away),
	KUNIT_CASE(test_ring_closed),
	KUNIT_CASE(test_front_clear),
	{}
};

static struct kunit_suite ring_suite = {
	.name		= "pvfault_xen_ring",
	.init		= ring_init,
	.test_cases	= ring_cases,
};

kunit_test_suite(ring_suite);

MODULE_DESCRIPTION("KUnit tests of pvfault's Xen frontend");
MODULE_LICENSE("GPL");
