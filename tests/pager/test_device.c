// SPDX-License-Identifier: GPL-2.0
/* The xenbus device: good frontends, hostile ones, and those that vanish. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fake.h"

#define BACK	"/local/domain/0/backend/pvfault/7/0/"
#define FRONT	"/local/domain/7/device/pvfault/0/"
#define ERROR	"/local/domain/0/error/backend/pvfault/7/0/error"

static void folders(void **state)
{
	assert_int_equal(back_state(), XB_INITWAIT);
	assert_string_equal(fake_node(BACK "versions"), "1");
	assert_string_equal(fake_node(BACK "max-ring-page-order"), "4");
	assert_string_equal(fake_node(BACK "max-ranges"), "64");
	assert_string_equal(fake_node(BACK "frontend"), "/local/domain/7/device/pvfault/0");
	assert_string_equal(fake_node(FRONT "backend"),
			    "/local/domain/0/backend/pvfault/7/0");
	assert_string_equal(fake_node(FRONT "backend-id"), "0");
	assert_string_equal(fake_node(FRONT "state"), "1");
}

static void connects(void **state)
{
	front_connect("256+768");
	assert_true(fake.front_mapped && fake.ring_mapped && fake.port >= 0);
	assert_int_equal(pager->pages.offer.total, 768);
	assert_int_equal(pager->device.generation, 1);
	/* There was no notification before, so no task needs to be woken. */
	assert_int_equal(fake.ring->all, 0);
}

/* Nothing is taken before the frontend says Connected. */
static void waits_for_connected(void **state)
{
	pager->target_pages = 0;
	front_nodes("256+768");
	front_state(XB_INITIALISED);
	rounds(5);
	assert_int_equal(back_state(), XB_CONNECTED);
	assert_int_equal(pager->stats.nominations, 0);
	front_state(XB_CONNECTED);
	rounds(5);
	assert_true(pager->stats.nominations > 0);
}

static void bad_node(const char *name, const char *value)
{
	fake_store(ERROR, NULL);
	front_nodes("256+768");
	front_node(name, value);
	front_state(XB_INITIALISED);
	rounds(2);
	if (back_state() != XB_CLOSING)
		fail_msg("%s = '%s' is accepted", name, value ? value : "(none)");
	assert_non_null(fake_node(ERROR));
	assert_false(fake.front_mapped || fake.ring_mapped || fake.port >= 0);
	front_state(XB_CLOSING);
	rounds(1);
	assert_int_equal(back_state(), XB_CLOSED);
	front_state(XB_INITIALISING);
	rounds(1);
	seconds(1);
	assert_int_equal(back_state(), XB_INITWAIT);
}

static void hostile_nodes(void **state)
{
	static const char * const name[] = {
		"version", "front-ref", "ring-page-order", "ring-ref0", "ring-ref1",
		"event-channel", "max-outstanding", "offer", "offer-serial",
	};
	static const char * const value[] = {
		NULL, "x", "1x", " 1", "-1", "99999999999", "1 2", "0x1", "%s%n",
	};
	unsigned int i, j;

	for (i = 0; i < sizeof(name) / sizeof(*name); i++)
		for (j = 0; j < sizeof(value) / sizeof(*value); j++)
			bad_node(name[i], value[j]);
	bad_node("offer", " ");
	bad_node("version", "0");
	bad_node("version", "2");
	bad_node("front-ref", "12");
	bad_node("ring-page-order", "5");
	bad_node("ring-ref1", "20");
	bad_node("event-channel", "0");
	bad_node("event-channel", "6");
	bad_node("max-outstanding", "0");
	bad_node("max-outstanding", "513");
	bad_node("feature-clear", "2");
	bad_node("feature-clear", "x");
	bad_node("offer", "256+769");
	bad_node("offer", "300+1 256+1");
	/* And the good one still connects. */
	front_connect("256+768");
	take_away(10);
}

static void hostile_states(void **state)
{
	static const char * const value[] = {
		"99", "x", "", "-1", "4 ", "8", "3", "2", "1", "7", "6", "5", "0",
	};
	unsigned int i, j;

	srandom(4);
	for (i = 0; i < 400; i++) {
		front_nodes(i % 3 ? "256+768" : "256+10 300+50");
		front_node("state", value[random() % (sizeof(value) / sizeof(*value))]);
		for (j = random() % 3; j; j--)
			rounds(1);
		if (random() % 10 == 0)
			front_node("state", NULL);
		if (random() % 5 == 0)
			seconds(1);
		pager->target_pages = random() % NR_GFNS;
	}
	pager->target_pages = UINT64_MAX;
	front_node("state", NULL);
	seconds(30);
	assert_true(back_state() == XB_CLOSED || back_state() == XB_INITWAIT);
	assert_int_equal(fake_away(), 0);
	assert_false(fake.front_mapped || fake.ring_mapped || fake.port >= 0);
	front_state(XB_INITIALISING);
	seconds(2);
	front_connect("256+768");
}

/* A frontend that connects again and again may do it once a second. */
static void not_too_often(void **state)
{
	front_connect("256+768");
	front_state(XB_CLOSING);
	rounds(3);
	assert_int_equal(back_state(), XB_CLOSED);
	/* Closed may be for good. */
	front_state(XB_CLOSED);
	seconds(100);
	assert_int_equal(back_state(), XB_CLOSED);
	front_state(XB_INITIALISING);
	rounds(1);
	assert_int_equal(back_state(), XB_INITWAIT);
	front_connect("256+700");
	front_state(XB_CLOSING);
	rounds(3);
	front_state(XB_INITIALISING);
	rounds(20);
	assert_int_equal(back_state(), XB_CLOSED);
	seconds(1);
	assert_int_equal(back_state(), XB_INITWAIT);
	front_connect("256+700");
	assert_int_equal(pager->device.generation, 3);
	assert_string_equal(fake_node(BACK "generation"), "3");
}

/* A frontend that was rejected for its nodes may try again after a while. */
static void forgiven(void **state)
{
	front_nodes("nonsense");
	front_state(XB_INITIALISED);
	rounds(2);
	assert_int_equal(back_state(), XB_CLOSING);
	front_state(XB_CLOSING);
	rounds(2);
	front_state(XB_CLOSED);
	seconds(59);
	assert_int_equal(back_state(), XB_CLOSED);
	seconds(3);
	assert_int_equal(back_state(), XB_INITWAIT);
	front_connect("256+768");
}

static void frontend_leaves(void **state)
{
	uint64_t gfn;

	take_away(100);
	for (gfn = FIRST_GFN; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	io_by_itself = false;
	fake_touch(0, gfn);
	rounds(1);
	assert_true(sleeps_on(gfn));
	memset(fake.front->tell, 0, sizeof(fake.front->tell));
	front_state(XB_CLOSING);
	rounds(3);
	assert_int_equal(back_state(), XB_CONNECTED);
	fake_touch(1, gfn + 1);
	rounds(1);
	assert_int_equal(pager->stats.held_no_frontend, 1);
	io_by_itself = true;
	pager->target_pages = 0;
	rounds(40);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(pager->stats.ready, 1);
	assert_int_equal(fake.ring->entry[0] >> 48, XEN_PVFAULT_SIGNATURE);
	assert_false(fake.front_mapped || fake.ring_mapped || fake.port >= 0);
	assert_int_equal(pager->pages.offer.total, 0);
	check_balance();
}

static void frontend_vanishes(void **state)
{
	take_away(100);
	front_node("state", NULL);
	rounds(40);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_int_equal(fake_away(), 0);
	assert_false(fake.front_mapped || fake.ring_mapped || fake.port >= 0);
	seconds(3);
	assert_int_equal(back_state(), XB_CLOSED);
}

/* As a toolstack that resets the domain for a kexec: xl removes the device's folder. */
static void domain_is_reset(void **state)
{
	take_away(100);
	front_node("state", NULL);
	rounds(40);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_int_equal(fake_away(), 0);
	/* It is built anew now. */
	fake_store("/local/domain/7/name", "guest");
	seconds(3);
	assert_int_equal(back_state(), XB_INITWAIT);
	assert_string_equal(fake_node("/local/domain/7/device/pvfault/0/state"), "1");
	/* And once more, before the pager has noticed. */
	front_node("state", NULL);
	seconds(3);
	assert_int_equal(back_state(), XB_INITWAIT);
	assert_non_null(fake_node("/local/domain/7/device/pvfault/0/state"));
	/* The next kernel knows nothing of the first one. */
	fake.front->cons = 0;
	front_connect("256+768");
	assert_int_equal(pager->stats.connects, 2);
	take_away(100);
	check_balance();
}

/* A device that waits for no frontend isn't made anew, nor one with an impossible state. */
static void nonsense_is_not_reset(void **state)
{
	fake_store("/local/domain/7/name", "guest");
	front_node("state", "seven");
	rounds(40);
	assert_int_equal(back_state(), XB_CLOSED);
	seconds(5);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_string_equal(fake_node("/local/domain/7/device/pvfault/0/state"), "seven");
}

static void backend_leaves(void **state)
{
	take_away(100);
	fake_touch(0, NR_GFNS - 1);
	leave_now();
	assert_false(fake.front_mapped || fake.ring_mapped || fake.port >= 0);
	/* A frontend that has said Closing may not come back to a pager that is leaving. */
	front_state(XB_INITIALISING);
	seconds(3);
	assert_int_equal(back_state(), XB_CLOSED);
}

static void both_leave(void **state)
{
	take_away(100);
	pager->leaving = true;
	device_leave(pager);
	rounds(1);
	front_state(XB_CLOSING);
	rounds(40);
	assert_int_equal(back_state(), XB_CLOSED);
}

static void silent_frontend(void **state)
{
	take_away(10);
	pager->leaving = true;
	device_leave(pager);
	rounds(20);
	assert_int_equal(back_state(), XB_CLOSING);
	seconds(5);
	assert_int_equal(back_state(), XB_CLOSING);
	seconds(6);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_non_null(strstr(log_last(), "doesn't answer Closing"));
}

static void offer_grows(void **state)
{
	front_state(XB_CLOSING);
	rounds(3);
	front_state(XB_INITIALISING);
	rounds(1);
	seconds(2);
	front_connect("256+10");
	take_away(10);
	front_offer("256+10 300+700");
	front_state(XB_RECONFIGURING);
	rounds(2);
	assert_int_equal(back_state(), XB_RECONFIGURED);
	front_state(XB_CONNECTED);
	rounds(2);
	assert_int_equal(back_state(), XB_CONNECTED);
	assert_int_equal(pager->pages.count[PAGE_OUT], 10);
	take_away(710);
}

static void offer_shrinks(void **state)
{
	unsigned int gfn;

	take_away(768);
	io_by_itself = false;
	fake_touch(0, 400);
	fake_touch(1, 800);
	rounds(1);
	front_offer("256+10 390+20");
	front_state(XB_RECONFIGURING);
	rounds(5);
	assert_int_equal(back_state(), XB_CONNECTED);
	assert_int_equal(pager->stats.told, 2);
	io_by_itself = true;
	rounds(100);
	assert_int_equal(back_state(), XB_RECONFIGURED);
	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		if (gfn >= 266 && (gfn < 390 || gfn >= 410))
			assert_int_equal(fake.type[gfn], P2M_RW);
	/* Between Reconfigured and Connected nothing is taken. */
	pager->target_pages = 0;
	rounds(5);
	front_state(XB_CONNECTED);
	rounds(2);
	assert_int_equal(back_state(), XB_CONNECTED);
	rounds(20);
	assert_int_equal(fake_away(), 30);
	fake_touch(0, 400);
	rounds(5);
	front_take();
	check_balance();
}

/* The frontend asks again before it has been seen to be Connected. */
static void offer_changes_twice(void **state)
{
	take_away(768);
	front_offer("256+100");
	front_state(XB_RECONFIGURING);
	rounds(150);
	assert_int_equal(back_state(), XB_RECONFIGURED);
	assert_int_equal(fake_away(), 100);
	front_state(XB_RECONFIGURING);
	rounds(2);
	assert_int_equal(pager->stats.offers, 1);
	assert_true(front_agreed());
	/* Reconfigured is still on show, and isn't about this one. */
	front_offer("256+50");
	rounds(1);
	assert_int_equal(back_state(), XB_RECONFIGURED);
	assert_false(front_agreed());
	rounds(20);
	assert_int_equal(back_state(), XB_RECONFIGURED);
	assert_true(front_agreed());
	assert_int_equal(fake_away(), 50);
	assert_int_equal(pager->stats.offers, 2);
}

/* Another one while the first is being worked on, as no frontend of ours does it. */
static void offer_changes_meanwhile(void **state)
{
	unsigned int i;

	take_away(768);
	io_by_itself = false;
	front_offer("256+100");
	front_state(XB_RECONFIGURING);
	rounds(2);
	front_offer("256+50");
	for (i = 0; i < 300 && !front_agreed(); i++) {
		/* Never: these are free, and some aren't there. */
		if (back_state() == XB_RECONFIGURED && front_agreed())
			assert_true(fake_away() <= 50);
		io_end_all();
		rounds(1);
	}
	assert_true(front_agreed());
	assert_int_equal(back_state(), XB_RECONFIGURED);
	assert_int_equal(fake_away(), 50);
}

static void bad_new_offer(void **state)
{
	take_away(100);
	front_offer("256+100000");
	front_state(XB_RECONFIGURING);
	rounds(40);
	assert_int_equal(back_state(), XB_CLOSING);
	assert_non_null(fake_node(ERROR));
	assert_int_equal(fake_away(), 0);
	assert_true(fake.front_mapped);
	front_state(XB_CLOSING);
	rounds(2);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_false(fake.front_mapped);
}

static void leaves_while_shrinking(void **state)
{
	take_away(768);
	front_offer("256+100");
	front_state(XB_RECONFIGURING);
	rounds(3);
	front_state(XB_CLOSING);
	rounds(200);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_int_equal(fake_away(), 0);
}

/* A pager that finds the frontend Connected has had an earlier life. */
static void earlier_life(void **state)
{
	fake.ring->prod = 5;
	fake.front->cons = 5;
	front_nodes("256+768");
	front_state(XB_CONNECTED);
	fake_store(BACK "generation", "32767");
	assert_int_equal(device_start(pager), 0);
	assert_int_equal(back_state(), XB_CONNECTED);
	rounds(1);
	assert_int_equal(fake.ring->all, 1);
	assert_int_equal(fake.ring->prod, 5);
	assert_int_equal(pager->device.generation, 1);
	assert_int_equal(fake.notifies, 1);
}

/* ... or in the middle of a new offer. */
static void earlier_life_reconfiguring(void **state)
{
	front_nodes("256+768");
	front_state(XB_RECONFIGURING);
	assert_int_equal(device_start(pager), 0);
	rounds(3);
	assert_int_equal(back_state(), XB_RECONFIGURED);
	front_state(XB_CONNECTED);
	rounds(2);
	assert_int_equal(back_state(), XB_CONNECTED);
	assert_int_equal(fake.ring->all, 1);
}

/* The folder of a frontend that waits in Closed isn't touched. */
static void waiting_frontend(void **state)
{
	front_state(XB_CLOSED);
	front_node("backend", "something");
	fake_store(BACK "state", "6");
	assert_int_equal(device_start(pager), 0);
	assert_int_equal(back_state(), XB_INITWAIT);
	assert_string_equal(fake_node(FRONT "state"), "6");
	assert_string_equal(fake_node(FRONT "backend"), "something");
}

static void no_xenstore(void **state)
{
	fake.write_error = -EACCES;
	front_node("state", NULL);
	assert_int_equal(device_start(pager), EXIT_DENIED);
}

static void domain_dies(void **state)
{
	take_away(100);
	io_by_itself = false;
	fake_touch(0, NR_GFNS - 1);
	rounds(1);
	fake.gone = true;
	fake_fire(WATCH_DOMAIN);
	pager_take_watches(pager);
	assert_true(pager->gone);
	device_gone(pager);
	assert_null(fake_node(BACK "state"));
	assert_false(fake.front_mapped || fake.ring_mapped || fake.port >= 0);
	/* Reads that were under way end in peace. */
	io_end_all();
}

int test_device(void)
{
	const struct CMUnitTest tests[] = {
		pager_test(folders),
		pager_test(connects),
		pager_test(waits_for_connected),
		pager_test(hostile_nodes),
		pager_test(hostile_states),
		pager_test(not_too_often),
		pager_test(forgiven),
		pager_test_connected(frontend_leaves),
		pager_test_connected(frontend_vanishes),
		pager_test_connected(domain_is_reset),
		pager_test_connected(nonsense_is_not_reset),
		pager_test_connected(backend_leaves),
		pager_test_connected(both_leave),
		pager_test_connected(silent_frontend),
		pager_test_connected(offer_grows),
		pager_test_connected(offer_shrinks),
		pager_test_connected(offer_changes_twice),
		pager_test_connected(offer_changes_meanwhile),
		pager_test_connected(bad_new_offer),
		pager_test_connected(leaves_while_shrinking),
		pager_test(earlier_life),
		pager_test(earlier_life_reconfiguring),
		pager_test(waiting_frontend),
		pager_test(no_xenstore),
		pager_test_connected(domain_dies),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
