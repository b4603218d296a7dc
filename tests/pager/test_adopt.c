// SPDX-License-Identifier: GPL-2.0
/* A pager is killed; another one goes on with its page file. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "adopt.h"
#include "fake.h"

static uint64_t one_of_them(enum p2m type)
{
	unsigned int gfn;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		if (fake.type[gfn] == type)
			return gfn;
	fail();
	return 0;
}

static void pages_are_out(void **state)
{
	take_away(100);
	bury();
	adopted(100);
	assert_int_equal(back_state(), XB_CONNECTED);
	assert_int_equal(fake_away(), 100);
	touch_all();
	check_balance();
}

static void zeroes_are_out(void **state)
{
	unsigned int gfn;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		fake_write(gfn, gfn % 2 ? gfn : 0);
	take_away(60);
	bury();
	adopted(60);
	touch_all();
	assert_true(pager->stats.zero_ins > 0);
	assert_int_equal(pager->file.used, 0);
}

/* Some notified, some held, and requests on their way to the dead pager. */
static void somebody_waits(void **state)
{
	uint64_t gfn[4];
	unsigned int i, next = FIRST_GFN;

	take_away(50);
	for (i = 0; i < 4; i++, next++) {
		while (fake.type[next] != P2M_PAGED)
			next++;
		gfn[i] = next;
	}
	io_by_itself = false;
	fake_touch(0, gfn[0]);
	fake.vcpu[1].state.interrupts = false;
	fake_touch(1, gfn[1]);
	rounds(1);
	assert_int_equal(fake.nr_sleepers, 1);
	assert_true(fake.vcpu[1].paused);
	fake_touch(2, gfn[2]);
	bury();
	fake_touch(3, gfn[3]);
	adopted(50);
	/* The sleepers were woken, the held vCPUs run; none of their pages is there yet. */
	for (i = 0; i < NR_VCPUS; i++)
		assert_false(fake.vcpu[i].paused);
	for (i = 0; i < 4; i++)
		assert_int_equal(fake.type[gfn[i]], P2M_PAGED);
	touch_all();
	check_balance();
}

/* Injected, and killed before the vCPU could run: it sleeps after READY for all. */
static void told_too_late(void **state)
{
	uint64_t gfn = one_out();

	fake_touch(0, gfn);
	/* prep in page-in isn't called; inject is, and then the answer. */
	if (!setjmp(fake_killed)) {
		fake_kill_in = 2;
		rounds(1);
		fail();
	}
	assert_int_not_equal(fake.vcpu[0].cr2, 0);
	bury();
	adopted(1);
	seconds(2);
	front_take();
	assert_int_equal(fake.nr_sleepers, 0);
	touch_all();
}

static void was_being_written(void **state)
{
	unsigned int gfn, nominated = 0;

	take_away(10);
	io_by_itself = false;
	pager->target_pages = NR_GFNS - 16;
	rounds(1);
	for (gfn = 0; gfn < NR_GFNS; gfn++)
		nominated += fake.type[gfn] == P2M_OUT;
	assert_int_equal(nominated, 6);
	/* One of them is touched while there is no pager. */
	for (gfn = 0; fake.type[gfn] != P2M_OUT; gfn++)
		;
	bury();
	fake_touch(0, gfn);
	adopted(10);
	assert_int_equal(fake_away(), 10);
	touch_all();
}

/* Its record is there, and so is the page. */
static void was_to_be_evicted(void **state)
{
	take_away(10);
	pager->target_pages = NR_GFNS - 11;
	if (!setjmp(fake_killed)) {
		/* nominate, then evict */
		fake_kill_in = 3;
		rounds(5);
		fail();
	}
	bury();
	adopted(10);
	assert_int_equal(pager->file.used, 10);
	touch_all();
}

/* An operator unpauses the domain: each page that it can touch is as it was left. */
static void unpaused_meanwhile(void)
{
	unsigned int gfn;

	fake.paused = 0;
	for (gfn = 0; gfn < NR_GFNS; gfn++)
		if (fake.type[gfn] == P2M_RW) {
			fake_verify(gfn);
			fake_write(gfn, random());
		}
}

/* A takeover is killed at each of its calls of Xen, and the next one goes on. */
static void killed_again(void **state)
{
	volatile bool done = false;
	volatile unsigned long at;

	for (at = 1; !done; at++) {
		take_away(5);
		fake_touch(0, one_of_them(P2M_PAGED));
		bury();
		fake_kill_in = at;
		if (!setjmp(fake_killed)) {
			assert_int_equal(start_again(), 0);
			done = true;
		}
		fake_kill_in = 0;
		bury();
		if (at % 2)
			unpaused_meanwhile();
		assert_int_equal(start_again(), 0);
		assert_true(pager->file.adopt);
		assert_int_equal(fake.paused, 0);
		rounds(2);
		front_take();
	}
	/* pause, takeover in two, prep, load, nominate and evict of 5, unpause */
	assert_true(at > 24);
	touch_all();
}

/* A driver domain wrote into a page before the pager was killed: its data stays. */
static void changed_meanwhile(void **state)
{
	uint64_t gfn = one_out(), other;

	take_away(3);
	bury();
	/* pause, takeover in two, prep of 3, then load and nominate of each */
	fake_kill_in = 8;
	if (!setjmp(fake_killed)) {
		start_again();
		fail();
	}
	fake_kill_in = 0;
	assert_int_equal(fake.type[gfn], P2M_RW);
	fake_write(gfn, 4711);
	bury();
	adopted(2);
	assert_int_equal(fake.type[gfn], P2M_RW);
	fake_verify(gfn);
	/* A loaded page that is mapped elsewhere isn't taken again, nor lost when it changes. */
	other = one_of_them(P2M_PAGED);
	fake.in_use[other] = true;
	bury();
	adopted(1);
	assert_int_equal(fake.type[other], P2M_RW);
	fake_write(other, 4712);
	fake.in_use[other] = false;
	fake.scribble = true;
	bury();
	adopted(0);
	fake.scribble = false;
	touch_all();
}

/* Xen has no memory at all: pages that are out come later, and none is lost. */
static void no_memory_for_it(void **state)
{
	take_away(20);
	bury();
	fake.free_pages = 0;
	assert_int_equal(start_again(), 0);
	assert_int_equal(fake.paused, 0);
	assert_int_equal(fake_away(), 20);
	rounds(5);
	assert_int_equal(fake_away(), 20);
	fake.free_pages = 20;
	touch_all();
}

static void somebody_elses_pause(void **state)
{
	take_away(5);
	bury();
	fake.paused = 1;
	assert_int_equal(start_again(), 0);
	assert_int_equal(fake.paused, 1);
	fake.paused = 0;
	rounds(2);
	touch_all();
}

static void frontend_has_left(void **state)
{
	take_away(20);
	bury();
	front_state(XB_CLOSING);
	assert_int_equal(start_again(), 0);
	rounds(20);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(back_state(), XB_CLOSED);
	touch_all();
}

static void offer_has_changed(void **state)
{
	take_away(NR_GFNS - FIRST_GFN);
	bury();
	front_offer("600+100");
	front_state(XB_RECONFIGURING);
	assert_int_equal(start_again(), 0);
	rounds(400);
	assert_int_equal(back_state(), XB_RECONFIGURED);
	assert_int_equal(fake_away(), 100);
	front_state(XB_CONNECTED);
	rounds(2);
	/* And the next pager knows the new offer. */
	bury();
	adopted(100);
	assert_int_equal(pager->pages.offer.total, 100);
	touch_all();
}

static void frontend_writes_nonsense(void **state)
{
	take_away(20);
	bury();
	front_node("ring-page-order", "99");
	assert_int_equal(start_again(), 0);
	rounds(20);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(back_state(), XB_CLOSING);
}

/* The guest gave pages away while there was no pager. */
static void dropped_meanwhile(void **state)
{
	unsigned int gfn;

	take_away(20);
	bury();
	for (gfn = FIRST_GFN; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	fake_drop(gfn);
	assert_int_equal(fake.type[gfn], P2M_HOLE);
	adopted(19);
	assert_int_equal(pager->file.used, 19);
	fake_fill(gfn);
	touch_all();
}

static void let_go_at_last(struct xenif *x)
{
	fake.unpause_error = 0;
	fake.load_error = 0;
}

/* What fails on the way in is tried again, for nobody else serves these pages. */
static void fails_at_first(void **state)
{
	unsigned int i;

	adopt_nap_us = 0;
	for (i = 0; i < 2; i++) {
		take_away(20);
		bury();
		fake.unpause_error = i ? 0 : -EIO;
		fake.load_error = i ? -EFAULT : 0;
		fake.on_takeover = let_go_at_last;
		fake.takeovers = 0;
		adopted(20);
		assert_int_equal(fake.takeovers, 2);
	}
	fake.on_takeover = NULL;
	touch_all();
	check_balance();
}

/* XenStore fails just then: pages are served, and the rest is done when it works. */
static void store_fails_meanwhile(void **state)
{
	uint64_t gfn;

	take_away(20);
	bury();
	fake.write_error = -EIO;
	assert_int_equal(start_again(), 0);
	assert_int_equal(fake.paused, 0);
	gfn = one_of_them(P2M_PAGED);
	fake_touch(0, gfn);
	rounds(3);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->stats.connects, 0);
	fake.write_error = 0;
	seconds(15);
	assert_int_equal(pager->stats.connects, 1);
	assert_int_equal(back_state(), XB_CONNECTED);
	touch_all();
	leave_now();
}

static void too_many_wait(void **state)
{
	take_away(3);
	bury();
	fake.takeover_error = -EUSERS;
	assert_int_equal(start_again(), EXIT_BUSY);
	assert_non_null(strstr(log_last(), "more vCPUs"));
	assert_int_equal(fake.paused, 0);
	bury();
	fake.takeover_error = 0;
	adopted(3);
	touch_all();
}

int test_adopt(void)
{
	const struct CMUnitTest tests[] = {
		pager_test_connected(pages_are_out),
		pager_test_connected(zeroes_are_out),
		pager_test_connected(somebody_waits),
		pager_test_connected(told_too_late),
		pager_test_connected(was_being_written),
		pager_test_connected(was_to_be_evicted),
		pager_test_connected(killed_again),
		pager_test_connected(changed_meanwhile),
		pager_test_connected(no_memory_for_it),
		pager_test_connected(somebody_elses_pause),
		pager_test_connected(frontend_has_left),
		pager_test_connected(offer_has_changed),
		pager_test_connected(frontend_writes_nonsense),
		pager_test_connected(dropped_meanwhile),
		pager_test_connected(fails_at_first),
		pager_test_connected(store_fails_meanwhile),
		pager_test_connected(too_many_wait),
	};

	return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
