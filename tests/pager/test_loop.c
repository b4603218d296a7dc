// SPDX-License-Identifier: GPL-2.0
/* The main loop as it is, with real signals and real time. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "fake.h"

static void block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The event descriptors are always readable, so each round is one call of this. */
static void (*each_round)(void);
static unsigned int nr_rounds;
static const struct xenif_ops *plain_ops;
static struct xenif_ops hooked_ops;

static void hooked_clear_events(struct xenif *x)
{
	nr_rounds++;
	usleep(200);
	each_round();
	front_take();
}

static int loop(void (*hook)(void))
{
	int rc;

	block();
	each_round = hook;
	nr_rounds = 0;
	plain_ops = fake.x.ops;
	hooked_ops = *plain_ops;
	hooked_ops.clear_events = hooked_clear_events;
	fake.x.ops = &hooked_ops;
	pager->now_ns = now_ns();
	rc = pager_loop(pager);
	fake.x.ops = plain_ops;
	return rc;
}

static void answer_closing(void)
{
	if (back_state() == XB_CLOSING)
		front_state(XB_CLOSING);
}

static void term_at_10(void)
{
	answer_closing();
	if (nr_rounds == 10)
		raise(SIGTERM);
}

static void sigterm_drains(void **state)
{
	take_away(500);
	pager->target_pages = NR_GFNS - 500;
	fake.vcpu[1].state.interrupts = false;
	fake_touch(0, NR_GFNS - 400);
	fake_touch(1, NR_GFNS - 401);
	assert_int_equal(loop(term_at_10), EXIT_DONE);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_false(fake.enabled);
	assert_false(fake.vcpu[0].paused || fake.vcpu[1].paused);
	assert_int_equal(pager->file.used, 0);
	check_balance();
}

/* No read ends where there is none: the rounds must go on by themselves. */
static void drain_of_zeroes(void **state)
{
	unsigned int gfn, round = 0;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		fake_write(gfn, 0);
	take_away(NR_GFNS - FIRST_GFN);
	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	do
		pager_round(pager);
	while (pager->busy && ++round < 1000);
	assert_int_equal(fake_away(), 0);
	leave_now();
}

static void term_often(void)
{
	answer_closing();
	if (nr_rounds >= 10)
		raise(SIGTERM);
}

static void second_signal_loses_nothing(void **state)
{
	take_away(500);
	assert_int_equal(loop(term_often), EXIT_DONE);
	assert_int_equal(fake_away(), 0);
	assert_false(fake.enabled);
	check_balance();
}

/* Memory comes after a while: until then it keeps serving. */
static void memory_later(void)
{
	term_at_10();
	if (nr_rounds == 100)
		assert_int_equal(fake_away(), 500);
	if (nr_rounds == 200)
		fake.free_pages = 1000;
}

static void drain_without_memory(void **state)
{
	take_away(500);
	fake.free_pages = 0;
	assert_int_equal(loop(memory_later), EXIT_DONE);
	assert_true(nr_rounds >= 200);
	assert_int_equal(fake_away(), 0);
	assert_true(pager->stats.no_memory > 0);
	check_balance();
}

static void says_what_is_missing(void **state)
{
	take_away(100);
	fake.free_pages = 0;
	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	seconds(21);
	assert_string_equal(log_last(),
			    "Xen lacks memory for 100 pages (400 KiB) of domain 7 that are still out; they are served until there is some");
	fake.free_pages = 1000;
	leave_now();
}

static void busy_at_first(void)
{
	term_at_10();
	if (nr_rounds == 1)
		fake.disable_error = -EBUSY;
	if (nr_rounds == 100)
		fake.disable_error = 0;
}

static void disable_is_tried_again(void **state)
{
	take_away(10);
	assert_int_equal(loop(busy_at_first), EXIT_DONE);
	assert_false(fake.enabled);
}

static void die_at_10(void)
{
	if (nr_rounds == 10)
		fake.gone = true;
}

static void domain_dies(void **state)
{
	take_away(100);
	io_by_itself = false;
	fake_touch(0, NR_GFNS - 1);
	assert_int_equal(loop(die_at_10), EXIT_DONE);
	assert_string_equal(log_last(), "domain 7 is gone");
	assert_int_equal(back_state(), XB_UNKNOWN);
}

static void lost_and_gone(void **state)
{
	uint64_t gfn = one_out();

	spoil(gfn);
	fake_touch(0, gfn);
	assert_int_equal(loop(die_at_10), EXIT_LOST);
	assert_true(fake.crashed);
}

static void nothing(void)
{
}

static void no_frontend(void **state)
{
	pager->options.wait_s = 1;
	assert_int_equal(loop(nothing), EXIT_NO_FRONTEND);
	assert_false(fake.enabled);
	assert_int_equal(back_state(), XB_CLOSED);
}

static void usr1_at_5(void)
{
	if (nr_rounds == 5)
		raise(SIGUSR1);
	if (nr_rounds == 20)
		raise(SIGTERM);
	answer_closing();
}

static void counters_in_a_file(void **state)
{
	char path[300], line[200];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s.stats", page_file);
	unlink(path);
	pager->options.stats = path;
	one_out();
	assert_int_equal(loop(usr1_at_5), EXIT_DONE);
	pager->options.stats = NULL;
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		found |= !strcmp(line, "evictions 1\n");
	fclose(file);
	unlink(path);
	assert_true(found);
}

/* Pages that come back during a live migration are marked until its end. */
static void live_migration(void **state)
{
	bool sent[NR_GFNS];
	unsigned int gfn;

	take_away(100);
	for (gfn = 0; gfn < NR_GFNS; gfn++)
		sent[gfn] = fake.type[gfn] == P2M_RW;
	/* Some come and go meanwhile, and one is put back. */
	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn += 3) {
		fake_touch(gfn % NR_VCPUS, gfn);
		rounds(1);
	}
	front_take();
	fake.evict_busy[NR_GFNS - 1] = true;
	take_away(NR_GFNS - FIRST_GFN - 1);
	assert_true(pager->stats.put_back > 0);
	assert_true(fake.dirty[NR_GFNS - 1]);
	bury();
	assert_int_equal(start_again(), 0);
	rounds(2);
	/* Then the guest suspends. */
	leave_now();
	for (gfn = 0; gfn < NR_GFNS; gfn++)
		assert_true(sent[gfn] || fake.dirty[gfn]);
}

int test_loop(void)
{
	const struct CMUnitTest tests[] = {
		pager_test_connected(sigterm_drains),
		pager_test_connected(drain_of_zeroes),
		pager_test_connected(second_signal_loses_nothing),
		pager_test_connected(drain_without_memory),
		pager_test_connected(says_what_is_missing),
		pager_test_connected(disable_is_tried_again),
		pager_test_connected(domain_dies),
		pager_test_connected(lost_and_gone),
		pager_test(no_frontend),
		pager_test_connected(counters_in_a_file),
		pager_test_connected(live_migration),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
