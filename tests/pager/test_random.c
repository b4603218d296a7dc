// SPDX-License-Identifier: GPL-2.0
/*
 * Random sequences of everything that can happen at once. The simulated Xen
 * checks each step; at the end all tasks are awake and all pages are right.
 *
 * SEED= begins with another seed, SEEDS= tries as many.
 */

#include <errno.h>
#include <stdio.h>

#include "fake.h"

#define STEPS	5000

static unsigned int seed;

static uint64_t any_gfn(void)
{
	/* Few pages, so that many events meet on one. */
	unsigned int range = random() % 4 ? 40 : NR_GFNS - FIRST_GFN;

	return FIRST_GFN + random() % range;
}

static void guest_step(void)
{
	unsigned int vcpu = random() % NR_VCPUS;
	struct fake_vcpu *v = &fake.vcpu[vcpu];
	uint64_t gfn = any_gfn();

	if (v->paused)
		return;
	v->state.cpl = random() % 2 ? 3 : 0;
	v->state.interrupts = random() % 8;
	v->state.event = random() % 8 == 0;
	v->state.rip = 0;
	v->vcpu_error = random() % 50 ? 0 : -EINVAL;
	v->inject_error = random() % 50 ? 0 : -EBUSY;
	fake.front->tell[vcpu] = random() % 4;
	if (random() % 16 == 0)
		fake_clear(vcpu, gfn);
	else if (random() % 4)
		fake_touch(vcpu, gfn);
	else
		fake_walk(vcpu, gfn);
	if (fake.type[gfn] == P2M_RW)
		fake_write(gfn, random() % 4 ? random() : 0);
}

static void memory_step(void)
{
	uint64_t gfn = any_gfn();

	switch (random() % 7) {
	case 0:
		fake_drop(gfn);
		break;
	case 1:
	case 2:
		fake_fill(gfn);
		break;
	case 3:
		fake_foreign(gfn);
		break;
	case 4:
		/* A mapping holds what is there. */
		if (fake.has_page[gfn])
			fake.in_use[gfn] = random() % 3 == 0;
		break;
	case 5:
		fake.evict_busy[gfn] = random() % 2;
		fake.copy_fails[gfn] = random() % 8 == 0;
		break;
	case 6:
		if (random() % 8 == 0)
			fake.free_pages = random() % 3 ? 200 : 0;
		break;
	}
}

static void disk_step(void)
{
	unsigned int nr = random() % 6;

	while (io_waiting && nr--)
		io_end(random() % io_waiting, 0);
	if (random() % 200 == 0)
		io_write_error = -ENOSPC;
	if (random() % 20 == 0)
		io_write_error = 0;
}

static void device_step(void)
{
	static const char * const offer[] = {
		"256+768", "256+40", "256+20 280+300", "270+10 700+200", "",
	};

	switch (pager->device.phase) {
	case DEVICE_WAITING:
		front_nodes(offer[random() % 5]);
		front_state(XB_INITIALISED);
		break;
	case DEVICE_SERVING:
		if (fake_node("/local/domain/7/device/pvfault/0/state")[0] == '3')
			front_state(XB_CONNECTED);
		else if (random() % 2)
			front_offer(offer[random() % 5]),
			front_state(XB_RECONFIGURING);
		else if (random() % 3 == 0)
			front_state(XB_CLOSING);
		break;
	case DEVICE_SHRUNK:
		front_state(XB_CONNECTED);
		break;
	case DEVICE_CLOSED:
		front_state(random() % 2 ? XB_CLOSED : XB_INITIALISING);
		if (random() % 2)
			seconds(1);
		break;
	default:
		break;
	}
}

static void one_step(void)
{
	unsigned int what = random() % 1000;

	if (what < 350)
		guest_step();
	else if (what < 450)
		memory_step();
	else if (what < 650)
		disk_step();
	else if (what < 900)
		rounds(1);
	else if (what < 960)
		front_take();
	else if (what < 980)
		pager->target_pages = 200 + random() % (NR_GFNS - 200);
	else if (what < 990)
		seconds(1);
	else if (what < 995 || pager->device.phase != DEVICE_SERVING)
		device_step();
}

static unsigned long kills;

/* There is no pager; the guest doesn't notice until it needs a page. */
static void nobody_steps(void)
{
	unsigned int i;

	for (i = random() % 40; i; i--) {
		if (random() % 3)
			guest_step();
		else
			memory_step();
	}
	if (random() % 8 == 0)
		front_state(XB_CLOSING);
	/* Taking over needs a page. */
	if (fake.free_pages < 1)
		fake.free_pages = 1;
}

/* The pager is killed at one of its next calls of Xen, and its heirs may be, too. */
static void kill_step(void)
{
	fake_kill_in = 1 + random() % 30;
	if (!setjmp(fake_killed)) {
		while (fake_kill_in)
			one_step();
	}
	kills++;
	bury();
	nobody_steps();
	fake_kill_in = random() % 3 ? 0 : 1 + random() % 60;
	if (setjmp(fake_killed)) {
		kills++;
		bury();
		fake_kill_in = 0;
		/* An operator unpauses the domain by mistake. */
		if (fake.paused && fake.enabled && random() % 2) {
			fake.paused = 0;
			nobody_steps();
		}
	}
	assert_int_equal(start_again(), 0);
	fake_kill_in = 0;
	io_by_itself = false;
}

/* Let everything come to rest: no task waits, no page is out, all are right. */
static void come_to_rest(void)
{
	memset(fake.in_use, 0, sizeof(fake.in_use));
	fake.free_pages = 2 * NR_GFNS;
	io_write_error = 0;
	io_by_itself = true;
	pager->target_pages = UINT64_MAX;
	if (pager->device.phase == DEVICE_CLOSED || pager->device.phase == DEVICE_WAITING) {
		rounds(5);
		pager->leaving = true;
		device_leave(pager);
	} else {
		leave_now();
	}
	rounds(5);
	assert_all_back();
	assert_int_equal(pager->pagein.used + pager->evict.used, 0);
	assert_int_equal(fake.slots_used, 0);
	assert_int_equal(pager->stats.told, pager->stats.ready);
	check_balance();
}

static unsigned int from_env(const char *name, unsigned int number)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 0) : number;
}

static void random_sequences(void **state)
{
	const unsigned int first = from_env("SEED", 1), nr = from_env("SEEDS", 60);
	unsigned long told = 0, held = 0, back = 0, page_ins = 0, cleared = 0, connects = 0;
	unsigned int i;

	for (seed = first; seed < first + nr; seed++) {
		srandom(seed);
		start_connected(NULL);
		io_by_itself = false;
		for (i = 0; i < STEPS; i++)
			if (seed % 2 && random() % 500 == 0)
				kill_step();
			else
				one_step();
		come_to_rest();
		told += pager->stats.told;
		held += pager->stats.held;
		back += pager->stats.put_back + pager->stats.cancelled;
		page_ins += pager->stats.page_ins;
		cleared += pager->stats.clear_ins;
		connects += pager->stats.connects;
		stop(NULL);
	}
	/* It did happen. */
	printf("random: %u seeds from %u: %lu told, %lu held, %lu taken back, %lu page-ins, %lu cleared, %lu connections, %lu kills\n",
	       nr, first, told, held, back, page_ins, cleared, connects, kills);
	if (nr >= 10) {
		assert_true(told > 10 * nr);
		assert_true(held > 10 * nr);
		assert_true(back > 20 * nr);
		assert_true(cleared > nr);
		assert_true(connects > nr);
		assert_true(kills > 2 * nr);
	}
}

int test_random(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sequences),
	};

	int failed = cmocka_run_group_tests_name("random", tests, NULL, NULL);

	if (failed)
		printf("random: SEED=%u SEEDS=1 fails\n", seed);
	return failed;
}
