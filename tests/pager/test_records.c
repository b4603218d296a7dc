// SPDX-License-Identifier: GPL-2.0
/* A pager is killed, and its page file is damaged before another one goes on with it. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "adopt.h"
#include "fake.h"

#define PAGEFILE_NODE	"/local/domain/7/memory/pvfault-pagefile"

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

int test_records(void)
{
	const struct CMUnitTest tests[] = {
		pager_test_connected(record_is_torn),
		pager_test_connected(record_is_emptied),
		pager_test_connected(two_records),
		pager_test_connected(place_is_spoiled),
		pager_test_connected(no_records),
		pager_test_connected(record_is_spoiled),
		pager_test_connected(xen_has_miscounted),
		pager_test_connected(one_header_is_bad),
		pager_test_connected(old_offer),
		pager_test_connected(no_header_is_good),
		pager_test_connected(file_is_a_copy),
		pager_test_connected(file_of_another_boot),
	};

	return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
