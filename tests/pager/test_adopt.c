// SPDX-License-Identifier: GPL-2.0
/* A pager is killed; another one goes on with its page file. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "adopt.h"
#include "fake.h"

#define PAGEFILE_NODE	"/local/domain/7/memory/pvfault-pagefile"

/* All vCPUs touch all pages, until all are there and right. */
static void touch_all(void)
{
	unsigned int gfn, i;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++) {
		for (i = 0; i < 50 && fake_touch(gfn % NR_VCPUS, gfn) != ACCESS_OK; i++) {
			rounds(2);
			front_take();
		}
		assert_int_equal(fake.type[gfn], P2M_RW);
		fake_verify(gfn);
	}
	rounds(2);
	front_take();
	assert_int_equal(fake.nr_sleepers, 0);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(fake.paused, 0);
	assert_false(fake.crashed);
}

static void adopted(unsigned int nr)
{
	assert_int_equal(start_again(), 0);
	assert_true(pager->file.adopt);
	assert_int_equal(pager->stats.adopted, nr);
	assert_int_equal(fake.paused, 0);
	rounds(2);
	front_take();
}

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

static uint64_t record_offset(uint32_t slot)
{
	return PAGEFILE_HEADERS * XEN_PAGE + slot * sizeof(struct pagefile_slot);
}

static void write_file(uint64_t offset, const void *data, size_t size)
{
	FILE *f = fopen(page_file, "r+");

	assert_int_equal(fseek(f, offset, SEEK_SET), 0);
	assert_int_equal(fwrite(data, size, 1, f), 1);
	fclose(f);
}

static void record_is_torn(void **state)
{
	struct pagefile_slot half = { .gfn = 400, .sequence = 999, .kind = SLOT_PAGE };

	take_away(20);
	bury();
	write_file(record_offset(20), &half, sizeof(half));
	adopted(20);
	assert_int_equal(pager->file.torn, 1);
	assert_int_equal(pager->file.used, 20);
	touch_all();
}

static void record_is_emptied(void **state)
{
	static const struct pagefile_slot empty;
	struct pagefile_slot slot;
	uint64_t gfn = one_out();
	uint32_t nr = pager->pages.page[pages_find(&pager->pages, gfn)].slot;

	assert_int_equal(pread(pager->file.table_fd, &slot, sizeof(slot),
			       record_offset(nr)), sizeof(slot));
	assert_int_equal(slot.gfn, gfn);
	touch_all();
	assert_int_equal(pread(pager->file.table_fd, &slot, sizeof(slot),
			       record_offset(nr)), sizeof(slot));
	assert_memory_equal(&slot, &empty, sizeof(slot));
}

/* Killed when its page had come back, and again when it had gone once more. */
static void two_records(void **state)
{
	struct pagefile_slot old;
	uint64_t gfn = one_out();
	uint32_t slot = pager->pages.page[pages_find(&pager->pages, gfn)].slot;

	/* As before, except for its sequence, which pagefile_commit() counts up. */
	old = pager->file.slot[slot];
	pager->file.slot[pagefile_get(&pager->file)] = old;
	pagefile_commit(&pager->file, 1);
	pagefile_commit(&pager->file, slot);
	bury();
	adopted(1);
	assert_int_equal(pager->file.used, 1);
	assert_int_equal(pager->pages.page[pages_find(&pager->pages, gfn)].slot, slot);
	touch_all();
}

/* A page can't be read when it is to be renewed: an end as if it had been touched. */
static void place_is_spoiled(void **state)
{
	static const uint8_t junk[XEN_PAGE] = { 1 };

	uint64_t offset;

	take_away(3);
	offset = pagefile_offset(&pager->file, 1);
	bury();
	write_file(offset, junk, sizeof(junk));
	assert_int_equal(start_again(), 0);
	rounds(5);
	assert_true(fake.crashed);
	assert_int_equal(pager->stats.lost, 1);
	assert_int_equal(pager->stats.wrong_sums, 3);
	assert_int_equal(fake_away(), 3);
}

/* It stays paused, and neither crashes nor goes on with pages that nobody has. */
static void refused_as_unknown(unsigned int nr, unsigned int away)
{
	char sentence[40];

	assert_int_equal(start_again(), EXIT_UNKNOWN);
	snprintf(sentence, sizeof(sentence), "%u pages of domain 7 are out of which", nr);
	assert_non_null(strstr(log_last(), sentence));
	assert_int_equal(fake.paused, 1);
	assert_false(fake.crashed);
	assert_int_equal(fake_away(), away);
}

static void no_records(void **state)
{
	static const uint8_t zeroes[XEN_PAGE];

	take_away(3);
	bury();
	write_file(record_offset(0), zeroes, sizeof(zeroes));
	refused_as_unknown(3, 3);
	/* Nor does the next one know more. */
	bury();
	refused_as_unknown(3, 3);
}

/* One bit of one record: it is there to be looked at, as all others are. */
static void record_is_spoiled(void **state)
{
	struct pagefile_slot good[20], slot[20];
	unsigned int bit;

	take_away(20);
	memcpy(good, pager->file.table, sizeof(good));
	for (bit = 0; bit < 8 * sizeof(*good); bit += 37) {
		bury();
		memcpy(slot, good, sizeof(slot));
		((uint8_t *)&slot[7])[bit / 8] ^= 1 << bit % 8;
		write_file(record_offset(0), slot, sizeof(slot));
		refused_as_unknown(1, 20);
		/* Those of the others are anew; the one is as it was. */
		assert_memory_equal(&pager->file.table[7], &slot[7], sizeof(*slot));
		memcpy(good, pager->file.table, sizeof(good));
		((uint8_t *)&good[7])[bit / 8] ^= 1 << bit % 8;
	}
	/* Somebody has mended it: nothing was lost. */
	bury();
	write_file(record_offset(7), &good[7], sizeof(*good));
	adopted(20);
	touch_all();
}

/* Xen counts wrongly, by more or by less; that alone is no reason for anything. */
static void xen_has_miscounted(void **state)
{
	int bias;

	for (bias = -5; bias <= 5; bias += 5) {
		take_away(20);
		bury();
		fake.paged_bias = bias;
		adopted(20);
		leave_now();
		assert_all_back();
		fake.paged_bias = 0;
		stop(state);
		start_connected(state);
	}
}

/* Whichever copy is spoiled: the other has the same state, and the same offer. */
static void one_header_is_bad(void **state)
{
	static const uint8_t junk[64] = { 1 };
	unsigned int copy;

	take_away(3);
	front_offer("256+100 500+500");
	front_state(XB_RECONFIGURING);
	rounds(5);
	front_state(XB_CONNECTED);
	rounds(2);
	take_away(300);
	for (copy = 0; copy < PAGEFILE_HEADERS; copy++) {
		bury();
		write_file(copy * XEN_PAGE + 100, junk, sizeof(junk));
		adopted(300);
		assert_int_equal(pager->pages.offer.nr, 2);
	}
	touch_all();
}

/* An offer that is older, and smaller: records outside of it are kept. */
static void old_offer(void **state)
{
	struct offer small = { .nr = 1, .total = 10 };

	take_away(50);
	small.range[0].start = FIRST_GFN;
	small.range[0].count = 10;
	pagefile_set_offer(&pager->file, &small);
	bury();
	assert_int_equal(start_again(), EXIT_UNKNOWN);
	assert_int_equal(fake.paused, 1);
	assert_false(fake.crashed);
	assert_int_equal(fake_away(), 50);
	pagefile_set_offer(&pager->file, &(struct offer) {
		.nr = 1, .range = { { .start = FIRST_GFN, .count = NR_GFNS - FIRST_GFN } } });
	bury();
	adopted(50);
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

static void no_header_is_good(void **state)
{
	static const uint8_t junk[2 * XEN_PAGE] = { 1 };

	take_away(3);
	bury();
	write_file(0, junk, sizeof(junk));
	assert_int_equal(start_again(), EXIT_PAGEFILE);
	assert_non_null(strstr(log_last(), "is not a page file"));
}

static void file_is_a_copy(void **state)
{
	take_away(3);
	bury();
	fake_store(PAGEFILE_NODE, "1:2");
	assert_int_equal(start_again(), EXIT_PAGEFILE);
	assert_non_null(strstr(log_last(), "is a copy"));
	assert_int_equal(fake.paused, 0);
}

static void file_of_another_boot(void **state)
{
	take_away(3);
	pager->file.header->boot[0] ^= 1;
	assert_int_equal(pagefile_set_state(&pager->file, PAGEFILE_USED), 0);
	bury();
	fake.enable_error = -EBUSY;
	assert_int_equal(start_again(), EXIT_BUSY);
	assert_false(pager->file.adopt);
	fake.enable_error = 0;
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
		pager_test_connected(place_is_spoiled),
		pager_test_connected(somebody_elses_pause),
		pager_test_connected(frontend_has_left),
		pager_test_connected(offer_has_changed),
		pager_test_connected(frontend_writes_nonsense),
		pager_test_connected(dropped_meanwhile),
		pager_test_connected(record_is_torn),
		pager_test_connected(record_is_emptied),
		pager_test_connected(two_records),
		pager_test_connected(no_records),
		pager_test_connected(record_is_spoiled),
		pager_test_connected(xen_has_miscounted),
		pager_test_connected(one_header_is_bad),
		pager_test_connected(old_offer),
		pager_test_connected(fails_at_first),
		pager_test_connected(store_fails_meanwhile),
		pager_test_connected(no_header_is_good),
		pager_test_connected(file_is_a_copy),
		pager_test_connected(file_of_another_boot),
		pager_test_connected(too_many_wait),
	};

	return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
