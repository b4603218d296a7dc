// SPDX-License-Identifier: GPL-2.0
/* Touches of pages that the guest clears next: feature-clear. */

#include <errno.h>

#include "fake.h"

#define BACK	"/local/domain/0/backend/pvfault/7/0/"

static uint64_t gfn_out;

/* A page that isn't full of zeroes is out, and the disk does nothing by itself. */
static int one_is_out(void **state)
{
	start_connected(state);
	gfn_out = one_out();
	assert_int_not_equal(fake.stamp[gfn_out], 0);
	io_by_itself = false;
	return 0;
}

/* The guest has it, full of zeroes, and nothing was read. */
static void comes_cleared(void)
{
	rounds(1);
	assert_false(fake.vcpu[0].paused);
	assert_int_equal(io_waiting, 0);
	assert_int_equal(fake_touch(0, gfn_out), ACCESS_OK);
	assert_int_equal(fake.stamp[gfn_out], 0);
	assert_int_equal(pager->stats.clear_ins, 1);
	assert_int_equal(pager->stats.page_ins, 1);
	assert_int_equal(pager->stats.resident, 1);
	assert_int_equal(pager->stats.told + pager->stats.held, 0);
	assert_int_equal(pager->file.used, 0);
	assert_true(fake.dirty[gfn_out]);
	check_balance();
}

/* The guest has what was in it, which was read. */
static void comes_read(void)
{
	const uint64_t stamp = fake.stamp[gfn_out];

	rounds(1);
	assert_int_equal(io_waiting, 1);
	io_end_all();
	rounds(2);
	front_take();
	assert_int_equal(fake_touch(0, gfn_out), ACCESS_OK);
	assert_int_equal(fake.stamp[gfn_out], stamp);
	assert_int_equal(pager->stats.clear_ins, 0);
	check_balance();
}

static void at_once(void **state)
{
	assert_string_equal(fake_node(BACK "feature-clear"), "1");
	assert_int_equal(fake_clear(0, gfn_out), ACCESS_PAUSED);
	comes_cleared();
	/* It is a page as any other. */
	fake_write(gfn_out, 5);
	io_by_itself = true;
	take_away(NR_GFNS - FIRST_GFN);
	touch_all();
	assert_int_equal(fake.stamp[gfn_out], 5);
	leave_now();
	assert_all_back();
}

static void interrupts_off(void **state)
{
	fake.vcpu[0].state.interrupts = false;
	fake.vcpu[0].state.event = true;
	assert_int_equal(fake_clear(0, gfn_out), ACCESS_PAUSED);
	comes_cleared();
}

/* Whatever differs from what the protocol says, the page is read. */
static void user_mode(void **state)
{
	fake_clear(0, gfn_out);
	fake.vcpu[0].state.cpl = 3;
	comes_read();
}

static void other_instruction(void **state)
{
	fake_clear(0, gfn_out);
	fake.vcpu[0].state.rip++;
	comes_read();
}

static void other_page(void **state)
{
	fake_clear(0, gfn_out);
	fake.vcpu[0].state.rdi += XEN_PAGE;
	comes_read();
}

static void state_unknown(void **state)
{
	fake.vcpu[0].vcpu_error = -EINVAL;
	fake_clear(0, gfn_out);
	comes_read();
}

static void withdrawn(void **state)
{
	fake.front->clear_ip = 0;
	fake_clear(0, gfn_out);
	comes_read();
}

static void with_hold(void **state)
{
	pager->options.hold = true;
	fake_clear(0, gfn_out);
	comes_read();
}

static void not_used(void **state)
{
	front_nodes("256+768");
	front_node("feature-clear", NULL);
	front_state(XB_INITIALISED);
	rounds(2);
	front_state(XB_CONNECTED);
	rounds(2);
	gfn_out = one_out();
	io_by_itself = false;
	fake_clear(0, gfn_out);
	comes_read();
}

/* A vCPU that waits for what is in it must find it. */
static void another_waits(void **state)
{
	fake.vcpu[1].state.interrupts = false;
	assert_int_equal(fake_touch(1, gfn_out), ACCESS_PAUSED);
	rounds(1);
	fake_clear(0, gfn_out);
	assert_int_equal(fake_walk(0, gfn_out), ACCESS_PAUSED);
	comes_read();
	assert_false(fake.vcpu[1].paused);
}

static void another_waits_for_a_buffer(void **state)
{
	unsigned int i;

	io_by_itself = true;
	take_away(20);
	io_by_itself = false;
	for (i = 0; i < 9; i++) {
		fake_touch(1, gfn_out + i + 1);
		rounds(1);
	}
	fake_touch(1, gfn_out);
	rounds(1);
	assert_int_equal(pager->pages.page[pages_find(&pager->pages, gfn_out)].state,
			 PAGE_QUEUED);
	fake_clear(0, gfn_out);
	fake_walk(0, gfn_out);
	rounds(1);
	assert_int_equal(pager->stats.clear_ins, 0);
	io_by_itself = true;
	rounds(5);
	front_take();
	assert_int_equal(fake_touch(0, gfn_out), ACCESS_OK);
	assert_int_not_equal(fake.stamp[gfn_out], 0);
	check_balance();
}

/* It is to be brought back anyway, and has no buffer yet. */
static void queued_for_a_drain(void **state)
{
	pagein_want(pager, pages_find(&pager->pages, gfn_out), false);
	assert_int_equal(fake_clear(0, gfn_out), ACCESS_PAUSED);
	comes_cleared();
	io_by_itself = true;
	leave_now();
	assert_all_back();
}

static void no_memory(void **state)
{
	fake.free_pages = 0;
	fake.vcpu[0].state.interrupts = false;
	fake_clear(0, gfn_out);
	rounds(1);
	assert_true(fake.vcpu[0].paused);
	io_end_all();
	rounds(1);
	assert_int_equal(pager->stats.clear_ins, 0);
	fake.free_pages = 10;
	rounds(2);
	assert_int_equal(fake_touch(0, gfn_out), ACCESS_OK);
	assert_int_not_equal(fake.stamp[gfn_out], 0);
	check_balance();
}

static void after_a_takeover(void **state)
{
	bury();
	adopted(1);
	io_by_itself = false;
	assert_int_equal(fake_clear(0, gfn_out), ACCESS_PAUSED);
	comes_cleared();
}

/* Killed at each of its calls meanwhile: the guest touches it again. */
static void killed(void **state)
{
	volatile unsigned int calls;

	for (calls = 1; calls < 8; calls++) {
		fake_clear(0, gfn_out);
		fake_kill_in = calls;
		if (!setjmp(fake_killed))
			rounds(1);
		fake_kill_in = 0;
		bury();
		assert_int_equal(start_again(), 0);
		rounds(2);
		front_take();
		fake_verify(gfn_out);
		if (fake.type[gfn_out] == P2M_RW) {
			fake_write(gfn_out, calls);
			gfn_out = one_out();
		}
	}
	touch_all();
}

#define clear_test(name) cmocka_unit_test_setup_teardown(name, one_is_out, stop)

int test_clear(void)
{
	const struct CMUnitTest tests[] = {
		clear_test(at_once),
		clear_test(interrupts_off),
		clear_test(user_mode),
		clear_test(other_instruction),
		clear_test(other_page),
		clear_test(state_unknown),
		clear_test(withdrawn),
		clear_test(with_hold),
		pager_test(not_used),
		clear_test(another_waits),
		clear_test(another_waits_for_a_buffer),
		clear_test(queued_for_a_drain),
		clear_test(no_memory),
		clear_test(after_a_takeover),
		clear_test(killed),
	};

	return cmocka_run_group_tests_name("clear", tests, NULL, NULL);
}
