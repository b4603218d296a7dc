// SPDX-License-Identifier: GPL-2.0
/* Requests: told, held for each reason, or answered at once. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fake.h"
#include "log.h"

static void touch_paused(unsigned int vcpu, uint64_t gfn)
{
	assert_int_equal(fake_touch(vcpu, gfn), ACCESS_PAUSED);
	rounds(1);
}

/* The page comes, and no vCPU waits any more. */
static void comes_back(uint64_t gfn)
{
	io_end_all();
	rounds(2);
	front_take();
	assert_int_equal(fake.type[gfn], P2M_RW);
	fake_verify(gfn);
	assert_int_equal(fake.nr_sleepers, 0);
	check_balance();
}

static void told(void **state)
{
	uint64_t gfn = one_out();

	io_by_itself = false;
	touch_paused(2, gfn);
	assert_false(fake.vcpu[2].paused);
	assert_true(sleeps_on(gfn));
	assert_int_equal(pager->stats.told, 1);
	assert_int_equal(pager->stats.ready, 0);
	assert_int_equal(fake_touch(2, gfn), ACCESS_SPINS);
	comes_back(gfn);
	assert_int_equal(fake.ready_seen, 1);
	assert_int_equal(fake.ready_unknown, 0);
	assert_int_equal(pager->stats.latency_nr, 1);
	assert_int_equal(pager->stats.page_ins, 1);
	assert_true(fake.notifies);
	assert_int_equal(pager->file.used, 0);
}

/* One wait of each kind, said with what the guest knows of it. */
static void says_waits(void **state)
{
	uint64_t gfn = one_out();
	char line[128];

	io_by_itself = false;
	pager->options.say_waits = true;
	touch_paused(2, gfn);
	assert_int_equal(fake.nr_sleepers, 1);
	snprintf(line, sizeof(line), "told vcpu=2 gfn=%#llx token=%#llx began_us=",
		 (unsigned long long)gfn, (unsigned long long)fake.sleeper[0].token);
	comes_back(gfn);
	assert_ptr_equal(strstr(log_last(), line), log_last());
	assert_non_null(strstr(log_last(), " us="));
}

static void says_held(void **state)
{
	uint64_t gfn = one_out();
	char line[128];

	io_by_itself = false;
	pager->options.say_waits = true;
	fake.vcpu[1].state.interrupts = false;
	touch_paused(1, gfn);
	comes_back(gfn);
	snprintf(line, sizeof(line), "held vcpu=1 gfn=%#llx began_us=", (unsigned long long)gfn);
	assert_ptr_equal(strstr(log_last(), line), log_last());
}

static void told_in_kernel_mode(void **state)
{
	uint64_t gfn = one_out();

	fake.vcpu[1].state.cpl = 0;
	fake.front->tell[1] = XEN_PVFAULT_TELL_KERNEL;
	touch_paused(1, gfn);
	assert_int_equal(pager->stats.told, 1);
	comes_back(gfn);
}

/* Held with one reason: the page comes, and the vCPU with it. */
static void is_held(unsigned int vcpu, unsigned long *reason)
{
	uint64_t gfn = one_out();

	io_by_itself = false;
	touch_paused(vcpu, gfn);
	assert_true(fake.vcpu[vcpu].paused);
	assert_int_equal(*reason, 1);
	assert_int_equal(pager->stats.held, 1);
	assert_int_equal(pager->stats.told, 0);
	assert_int_equal(fake.injected, 0);
	comes_back(gfn);
	assert_false(fake.vcpu[vcpu].paused);
	assert_int_equal(fake.ready_seen, 0);
}

static void held_no_frontend(void **state)
{
	/* As with --unsafe-offer. */
	uint64_t gfn = one_out();

	io_by_itself = false;
	pager->device.phase = DEVICE_NONE;
	touch_paused(0, gfn);
	assert_true(fake.vcpu[0].paused);
	assert_int_equal(pager->stats.held_no_frontend, 1);
	pager->device.phase = DEVICE_SERVING;
	comes_back(gfn);
}

static void held_asked(void **state)
{
	pager->options.hold = true;
	is_held(0, &pager->stats.held_asked);
}

static void held_mode_not_at_all(void **state)
{
	fake.front->tell[0] = 0;
	is_held(0, &pager->stats.held_mode);
}

static void held_mode_user_only(void **state)
{
	fake.front->tell[0] = XEN_PVFAULT_TELL_USER;
	fake.vcpu[0].state.cpl = 0;
	is_held(0, &pager->stats.held_mode);
}

static void held_mode_kernel_only(void **state)
{
	fake.front->tell[0] = XEN_PVFAULT_TELL_KERNEL;
	is_held(0, &pager->stats.held_mode);
}

static void held_mode_unknown_bits(void **state)
{
	fake.front->tell[0] = 0xfc;
	is_held(0, &pager->stats.held_mode);
}

static void held_irqs_off(void **state)
{
	fake.vcpu[3].state.interrupts = false;
	is_held(3, &pager->stats.held_irqs_off);
}

static void held_event(void **state)
{
	fake.vcpu[3].state.event = true;
	is_held(3, &pager->stats.held_event);
}

static void held_state_unknown(void **state)
{
	fake.vcpu[3].vcpu_error = -EINVAL;
	is_held(3, &pager->stats.held_failed);
}

/* The injection failed: this token must never be used again. */
static void held_injection_refused(void **state)
{
	fake.vcpu[3].inject_error = -EBUSY;
	is_held(3, &pager->stats.held_failed);
	assert_int_equal(pager->stats.ready, 0);
	assert_int_equal(pager->waiters.nr_told, 0);
}

static void held_full(void **state)
{
	unsigned int gfn, nr = 0;

	pager->device.max_outstanding = 2;
	take_away(4);
	io_by_itself = false;
	for (gfn = FIRST_GFN; nr < 4; gfn++)
		if (fake.type[gfn] == P2M_PAGED)
			touch_paused(nr++, gfn);
	assert_int_equal(pager->stats.told, 2);
	assert_int_equal(pager->stats.held_full, 2);
	io_end_all();
	rounds(2);
	check_balance();
	/* Not taken yet, so its room in the ring isn't free. */
	io_by_itself = true;
	gfn = one_out();
	touch_paused(0, gfn);
	assert_int_equal(pager->stats.held_full, 3);
	comes_back(gfn);
	gfn = one_out();
	touch_paused(0, gfn);
	assert_int_equal(pager->stats.told, 3);
	comes_back(gfn);
}

/* A frontend that never takes its tokens: no notification, and none is lost. */
static void ring_never_overflows(void **state)
{
	unsigned int i;

	for (i = 0; i < 600; i++) {
		uint64_t gfn = one_out();

		assert_int_equal(fake_touch(0, gfn), ACCESS_PAUSED);
		rounds(4);
		assert_int_equal(fake.type[gfn], P2M_RW);
	}
	assert_int_equal(pager->stats.told, 512);
	assert_int_equal(pager->stats.held_full, 88);
	assert_int_equal(pager->stats.ready_all, 0);
	check_balance();
	front_take();
	assert_int_equal(fake.ready_unknown, 0);
	assert_int_equal(fake.nr_sleepers, 0);
}

static void page_on_its_way(void **state)
{
	uint64_t gfn = one_out();

	io_by_itself = false;
	touch_paused(0, gfn);
	/* Xen's own walk sends another request, and each gets its own notification. */
	assert_int_equal(fake_walk(1, gfn), ACCESS_PAUSED);
	fake.vcpu[2].state.interrupts = false;
	assert_int_equal(fake_walk(2, gfn), ACCESS_PAUSED);
	rounds(1);
	assert_int_equal(pager->stats.told, 2);
	assert_int_equal(pager->stats.held_irqs_off, 1);
	assert_int_equal(pager->stats.page_ins_asked, 1);
	assert_int_equal(io_waiting, 1);
	comes_back(gfn);
	assert_int_equal(fake.ready_seen, 2);
	assert_int_equal(pager->stats.page_ins, 1);
}

/* The request lay in the ring while the page came. */
static void resident_already(void **state)
{
	uint64_t gfn = one_out();

	io_by_itself = false;
	touch_paused(0, gfn);
	assert_int_equal(fake_walk(1, gfn), ACCESS_PAUSED);
	io_end_all();
	assert_int_equal(fake.type[gfn], P2M_RW);
	rounds(1);
	assert_false(fake.vcpu[1].paused);
	assert_int_equal(pager->stats.resident, 1);
	comes_back(gfn);
}

static void foreign_touch(void **state)
{
	uint64_t gfn = one_out();

	fake_foreign(gfn);
	rounds(1);
	assert_int_equal(pager->stats.foreign, 1);
	assert_int_equal(fake.slots_used, 0);
	comes_back(gfn);
	assert_int_equal(pager->stats.told + pager->stats.held, 0);
}

static void stray_request(void **state)
{
	fake.queue[fake.nr_queued++] = (struct xenif_request) { .gfn = 1 };
	fake.slots_used++;
	fake.requests++;
	rounds(1);
	assert_int_equal(pager->stats.stray, 1);
	assert_int_equal(fake.slots_used, 0);
	check_balance();
}

static void dropped_while_out(void **state)
{
	uint64_t gfn = one_out();

	fake_drop(gfn);
	rounds(1);
	assert_int_equal(pager->stats.dropped, 1);
	assert_int_equal(pages_away(&pager->pages), 0);
	assert_int_equal(pager->file.used, 0);
	assert_int_equal(fake.slots_used, 0);
	fake_fill(gfn);
	seconds(1);
	take_away(NR_GFNS - FIRST_GFN);
	check_balance();
}

static void dropped_while_reading(void **state)
{
	uint64_t gfn = one_out();

	io_by_itself = false;
	touch_paused(0, gfn);
	fake_drop(gfn);
	rounds(1);
	/* A task that sleeps on a dropped page is woken. */
	front_take();
	assert_int_equal(fake.nr_sleepers, 0);
	assert_int_equal(pager->file.used, 1);
	fake_fill(gfn);
	assert_int_equal(fake_touch(0, gfn), ACCESS_OK);
	io_end_all();
	rounds(1);
	assert_int_equal(pager->file.used, 0);
	assert_int_equal(pages_away(&pager->pages), 0);
	fake_verify(gfn);
	check_balance();
}

static void no_memory(void **state)
{
	uint64_t gfn = one_out();

	fake.free_pages = 0;
	pager->now_ns += 20000000000;
	fake.vcpu[1].state.interrupts = false;
	touch_paused(0, gfn);
	assert_int_equal(fake_walk(1, gfn), ACCESS_PAUSED);
	rounds(5);
	assert_true(fake.vcpu[1].paused);
	assert_true(sleeps_on(gfn));
	assert_true(pager->stats.no_memory >= 5);
	assert_string_equal(log_last(),
			    "Xen lacks memory to bring back a page of domain 7, which waits");
	assert_int_equal(pager->stats.page_ins, 0);
	fake.free_pages = 1;
	rounds(1);
	comes_back(gfn);
	assert_int_equal(pager->pagein.waiting, 0);
}

/* With a target, another page goes out for one that is waited for. */
static void no_memory_takes_another(void **state)
{
	uint64_t gfn = one_out();

	fake.free_pages = 0;
	seconds(1);
	pager->target_pages = NR_GFNS - 1;
	touch_paused(0, gfn);
	rounds(10);
	comes_back(gfn);
	assert_true(pager->stats.evictions >= 2);
}

static void dropped_while_loading(void **state)
{
	uint64_t gfn = one_out();

	fake.free_pages = 0;
	touch_paused(0, gfn);
	rounds(3);
	assert_int_equal(pager->pagein.waiting, 1);
	fake_drop(gfn);
	rounds(1);
	front_take();
	assert_int_equal(fake.nr_sleepers, 0);
	assert_int_equal(pager->pagein.waiting, 0);
	assert_int_equal(pager->pagein.used, 0);
	assert_int_equal(pager->file.used, 0);
	check_balance();
}

/* More than there are buffers, and all places of the ring taken by held ones. */
static void many_at_once(void **state)
{
	unsigned int gfn, vcpu = 0;

	take_away(200);
	io_by_itself = false;
	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++) {
		if (fake.type[gfn] != P2M_PAGED)
			continue;
		assert_int_equal(fake_touch(vcpu, gfn), ACCESS_PAUSED);
		rounds(1);
		if (vcpu == NR_VCPUS - 1)
			fake.vcpu[0].state.interrupts = true;
		vcpu = (vcpu + 1) % NR_VCPUS;
	}
	assert_int_equal(pager->stats.told, 200);
	assert_int_equal(io_waiting, 8);
	assert_int_equal(pager->pages.count[PAGE_QUEUED], 192);
	io_by_itself = true;
	rounds(40);
	front_take();
	assert_int_equal(fake.nr_sleepers, 0);
	assert_int_equal(pages_away(&pager->pages), 0);
	check_balance();
}

int test_faults(void)
{
	const struct CMUnitTest tests[] = {
		pager_test_connected(told),
		pager_test_connected(told_in_kernel_mode),
		pager_test_connected(says_waits),
		pager_test_connected(says_held),
		pager_test_connected(held_asked),
		pager_test_connected(held_no_frontend),
		pager_test_connected(held_mode_not_at_all),
		pager_test_connected(held_mode_user_only),
		pager_test_connected(held_mode_kernel_only),
		pager_test_connected(held_mode_unknown_bits),
		pager_test_connected(held_irqs_off),
		pager_test_connected(held_event),
		pager_test_connected(held_state_unknown),
		pager_test_connected(held_injection_refused),
		pager_test_connected(held_full),
		pager_test_connected(ring_never_overflows),
		pager_test_connected(page_on_its_way),
		pager_test_connected(resident_already),
		pager_test_connected(foreign_touch),
		pager_test_connected(stray_request),
		pager_test_connected(dropped_while_out),
		pager_test_connected(dropped_while_reading),
		pager_test_connected(dropped_while_loading),
		pager_test_connected(no_memory),
		pager_test_connected(no_memory_takes_another),
		pager_test_connected(many_at_once),
	};

	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
