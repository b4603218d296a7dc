// SPDX-License-Identifier: GPL-2.0
/* Pages on their way out, and those that don't go. */

#include <errno.h>

#include "fake.h"

static uint64_t nominated(void)
{
	unsigned int gfn;

	for (gfn = 0; gfn < NR_GFNS; gfn++)
		if (fake.type[gfn] == P2M_OUT)
			return gfn;
	fail();
	return 0;
}

static void goes_and_comes(void **state)
{
	unsigned int gfn;

	take_away(NR_GFNS - FIRST_GFN);
	assert_int_equal(fake_away(), NR_GFNS - FIRST_GFN);
	for (gfn = 0; gfn < FIRST_GFN; gfn++)
		assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->file.used, NR_GFNS - FIRST_GFN);
	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++) {
		assert_int_equal(fake_touch(0, gfn), ACCESS_PAUSED);
		rounds(3);
		front_take();
		assert_int_equal(fake_touch(0, gfn), ACCESS_OK);
	}
	assert_int_equal(pager->file.used, 0);
	check_balance();
}

static void nothing_without_target(void **state)
{
	seconds(3);
	assert_int_equal(pager->stats.nominations, 0);
}

static void target_from_xenstore(void **state)
{
	fake_store("/local/domain/7/memory/pvfault-target", "4000");
	rounds(50);
	assert_int_equal(fake.domain.tot_pages, 1000);
	fake_store("/local/domain/7/memory/pvfault-target", "nonsense");
	seconds(1);
	assert_int_equal(pager->target_pages, 1000);
	fake_store("/local/domain/7/memory/pvfault-target", "3000");
	rounds(100);
	seconds(2);
	assert_int_equal(fake.domain.tot_pages, 750);
	/* A larger target brings no page back. */
	fake_store("/local/domain/7/memory/pvfault-target", "4096");
	rounds(100);
	seconds(2);
	assert_int_equal(fake.domain.tot_pages, 750);
	fake_store("/local/domain/7/memory/pvfault-target", NULL);
	seconds(1);
	assert_true(pager->target_pages == UINT64_MAX);
}

/* A few wait for more, but no longer than for the next second. */
static void collects_evictions(void **state)
{
	collect_evictions = true;
	pager->evict.few = false;
	pager->target_pages = NR_GFNS - 3;
	rounds(20);
	assert_int_equal(pager->stats.nominations, 0);
	seconds(1);
	rounds(2);
	assert_int_equal(fake_away(), 3);
	pager->target_pages = NR_GFNS - 7;
	rounds(3);
	assert_int_equal(fake_away(), 7);
}

static void stays_at_target(void **state)
{
	unsigned int i, gfn;

	fake_store("/local/domain/7/memory/pvfault-target", "3600");
	rounds(100);
	assert_int_equal(fake.domain.tot_pages, 900);
	srandom(3);
	for (i = 0; i < 2000; i++) {
		gfn = FIRST_GFN + random() % (NR_GFNS - FIRST_GFN);
		fake_touch(0, gfn);
		rounds(3);
		front_take();
		assert_in_range(fake.domain.tot_pages, 900 - 8, 901 + 8);
	}
	check_balance();
}

/* A page that the guest hasn't used yet costs no disk, and no wait. */
static void zero_pages(void **state)
{
	unsigned int gfn;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		fake_write(gfn, 0);
	io_write_error = -EIO;
	io_read_error = -EIO;
	take_away(NR_GFNS - FIRST_GFN);
	assert_int_equal(pager->stats.zero_outs, NR_GFNS - FIRST_GFN);
	for (gfn = FIRST_GFN; gfn < NR_GFNS - 100; gfn++) {
		assert_int_equal(fake_touch(0, gfn), ACCESS_PAUSED);
		rounds(1);
		assert_false(fake.vcpu[0].paused);
		assert_int_equal(fake_touch(0, gfn), ACCESS_OK);
	}
	assert_int_equal(pager->stats.told + pager->stats.held, 0);
	fake_drop(NR_GFNS - 1);
	fake_foreign(NR_GFNS - 2);
	fake.free_pages = 0;
	fake_touch(0, NR_GFNS - 3);
	rounds(2);
	assert_int_equal(pager->pages.count[PAGE_LOADING], 2);
	fake.free_pages = 1000;
	rounds(2);
	front_take();
	check_balance();
	leave_now();
	assert_int_equal(pager->stats.zero_ins, NR_GFNS - FIRST_GFN - 1);
}

static void in_use_is_refused(void **state)
{
	unsigned int gfn;

	for (gfn = FIRST_GFN; gfn < NR_GFNS - 1; gfn++)
		fake.in_use[gfn] = true;
	take_away(1);
	assert_int_equal(fake.type[NR_GFNS - 1], P2M_PAGED);
	assert_true(pager->stats.refused > 0);
}

/* If no page can go, the pager doesn't try again and again. */
static void exhausted(void **state)
{
	unsigned long refused;
	unsigned int gfn;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		fake.in_use[gfn] = true;
	pager->target_pages = 0;
	rounds(100);
	refused = pager->stats.refused;
	rounds(100);
	assert_int_equal(pager->stats.refused, refused);
	assert_false(pager->busy);
	seconds(2);
	assert_true(pager->stats.refused > refused);
}

static void evict_refused_is_put_back(void **state)
{
	unsigned int gfn;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		fake.evict_busy[gfn] = true;
	pager->target_pages = NR_GFNS - 4;
	rounds(5);
	assert_true(pager->stats.put_back >= 4);
	pager->target_pages = UINT64_MAX;
	rounds(3);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(pages_away(&pager->pages), 0);
	assert_int_equal(pager->file.used, 0);
	check_balance();
}

static void copy_failure_is_put_back(void **state)
{
	unsigned int gfn;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		fake.copy_fails[gfn] = true;
	pager->target_pages = NR_GFNS - 4;
	rounds(3);
	pager->target_pages = UINT64_MAX;
	rounds(3);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(pager->file.used, 0);
	assert_int_equal(pages_away(&pager->pages), 0);
}

/* While its ring is full of held vCPUs, Xen can't take the page back. */
static void settles_later(void **state)
{
	unsigned int gfn, i;

	io_by_itself = false;
	pager->target_pages = NR_GFNS - 1;
	rounds(1);
	gfn = nominated();
	fake.evict_busy[gfn] = true;
	for (i = 0; i < RING_SLOTS; i++) {
		fake.queue[i] = (struct xenif_request) { .gfn = 1 };
		fake.slots_used++;
		fake.requests++;
	}
	fake.nr_queued = RING_SLOTS;
	io_end_all();
	evict_written(pager);
	assert_int_equal(fake.type[gfn], P2M_OUT);
	assert_int_equal(pager->pages.count[PAGE_SETTLING], 1);
	assert_int_equal(pager->evict.nr_settling, 1);
	/* Nothing else is nominated meanwhile. */
	pager->target_pages = 0;
	evict_run(pager, 100);
	assert_int_equal(pager->stats.nominations, 1);
	pager->target_pages = UINT64_MAX;
	rounds(3);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->evict.nr_settling, 0);
	assert_int_equal(pages_away(&pager->pages), 0);
	check_balance();
}

/* It waits to be put back, and is touched first. */
static void touched_while_settling(void **state)
{
	unsigned int gfn, i;

	io_by_itself = false;
	pager->target_pages = NR_GFNS - 1;
	rounds(1);
	gfn = nominated();
	pager->target_pages = UINT64_MAX;
	fake.evict_busy[gfn] = true;
	for (i = 0; i < RING_SLOTS - 1; i++) {
		fake.queue[i] = (struct xenif_request) { .gfn = 1 };
		fake.slots_used++;
		fake.requests++;
	}
	fake.nr_queued = RING_SLOTS - 1;
	assert_int_equal(fake_touch(0, gfn), ACCESS_PAUSED);
	io_end_all();
	evict_written(pager);
	assert_int_equal(pager->pages.count[PAGE_SETTLING] + pager->pages.count[PAGE_RESIDENT],
			 pager->pages.offer.total);
	rounds(2);
	assert_false(fake.vcpu[0].paused);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->evict.nr_settling, 0);
	check_balance();
}

static void touched_while_writing(void **state)
{
	unsigned long put_back = pager->stats.put_back;
	uint64_t gfn;

	io_by_itself = false;
	pager->target_pages = NR_GFNS - 1;
	rounds(1);
	gfn = nominated();
	pager->target_pages = UINT64_MAX;
	assert_int_equal(fake_touch(0, gfn), ACCESS_PAUSED);
	rounds(1);
	/* The page is there, so the request is answered at once, without a notification. */
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->stats.resident, 1);
	assert_int_equal(pager->stats.cancelled, 1);
	assert_int_equal(pager->stats.told, 0);
	fake_write(gfn, 4711);
	assert_int_equal(pager->file.used, 1);
	io_end_all();
	rounds(1);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->file.used, 0);
	assert_int_equal(pages_away(&pager->pages), 0);
	assert_int_equal(pager->stats.put_back, put_back);
	fake_verify(gfn);
	check_balance();
}

/* The guest frees a nominated page: Xen doesn't say so. */
static void freed_while_writing(void **state)
{
	uint64_t gfn;

	io_by_itself = false;
	pager->target_pages = NR_GFNS - 1;
	rounds(1);
	gfn = nominated();
	pager->target_pages = UINT64_MAX;
	fake_drop(gfn);
	fake_fill(gfn);
	io_end_all();
	rounds(2);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pages_away(&pager->pages), 0);
	assert_int_equal(pager->file.used, 0);
	fake_verify(gfn);
	check_balance();
}

static void clock_spares_what_came_back(void **state)
{
	uint64_t gfn = one_out();
	unsigned int i;

	fake_touch(0, gfn);
	rounds(4);
	front_take();
	pager->policy.hand = pages_find(&pager->pages, gfn);
	for (i = 1; i <= 20; i++)
		take_away(i);
	assert_int_equal(fake.type[gfn], P2M_RW);
	/* Once, not for ever. */
	take_away(NR_GFNS - FIRST_GFN);
	assert_int_equal(fake.type[gfn], P2M_PAGED);
}

/* dom0 has the page mapped, and writes to it while it is on its way out. */
static void changed_on_its_way(void **state)
{
	unsigned int gfn;

	io_by_itself = false;
	pager->target_pages = NR_GFNS - 1;
	rounds(1);
	gfn = nominated();
	pager->target_pages = UINT64_MAX;
	fake_write_nominated(gfn, 4711);
	io_end_all();
	rounds(2);
	assert_int_equal(fake.type[gfn], P2M_RW);
	fake_verify(gfn);
	assert_int_equal(pager->stats.changed, 1);
	assert_int_equal(pager->stats.evictions, 0);
	assert_int_equal(pager->file.used, 0);
	check_balance();
}

/* Touched when it has been written and nobody has looked yet. */
static void touched_when_written(void **state)
{
	unsigned int gfn;

	io_by_itself = false;
	pager->target_pages = NR_GFNS - 1;
	rounds(1);
	gfn = nominated();
	pager->target_pages = UINT64_MAX;
	io_end_all();
	assert_int_equal(fake_touch(0, gfn), ACCESS_PAUSED);
	rounds(2);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->stats.cancelled, 1);
	assert_int_equal(pager->evict.used, 0);
	assert_int_equal(pager->file.used, 0);
	check_balance();
}

int test_evict(void)
{
	const struct CMUnitTest tests[] = {
		pager_test_connected(changed_on_its_way),
		pager_test_connected(touched_when_written),
		pager_test_connected(goes_and_comes),
		pager_test_connected(nothing_without_target),
		pager_test_connected(target_from_xenstore),
		pager_test_connected(collects_evictions),
		pager_test_connected(stays_at_target),
		pager_test_connected(zero_pages),
		pager_test_connected(in_use_is_refused),
		pager_test_connected(exhausted),
		pager_test_connected(evict_refused_is_put_back),
		pager_test_connected(copy_failure_is_put_back),
		pager_test_connected(settles_later),
		pager_test_connected(touched_while_settling),
		pager_test_connected(touched_while_writing),
		pager_test_connected(freed_while_writing),
		pager_test_connected(clock_spares_what_came_back),
	};

	return cmocka_run_group_tests_name("evict", tests, NULL, NULL);
}
