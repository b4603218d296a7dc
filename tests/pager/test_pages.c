// SPDX-License-Identifier: GPL-2.0
/* The state of each page: the table of pages.h, written down a second time. */

#include "fake.h"

static const struct {
	enum page_state from;
	enum page_event event;
	enum page_state to;
} edges[] = {
	{ PAGE_RESIDENT, PE_NOMINATE, PAGE_WRITING },
	{ PAGE_WRITING, PE_WRITTEN, PAGE_WRITING },
	{ PAGE_CANCELLED, PE_WRITTEN, PAGE_RESIDENT },
	{ PAGE_WRITING, PE_EVICT, PAGE_OUT },
	{ PAGE_WRITING, PE_REFUSE, PAGE_SETTLING },
	{ PAGE_SETTLING, PE_SETTLE, PAGE_RESIDENT },
	{ PAGE_WRITING, PE_TOUCH, PAGE_CANCELLED },
	{ PAGE_SETTLING, PE_TOUCH, PAGE_RESIDENT },
	{ PAGE_OUT, PE_WANT, PAGE_QUEUED },
	{ PAGE_QUEUED, PE_READ, PAGE_READING },
	{ PAGE_READING, PE_DATA, PAGE_LOADING },
	{ PAGE_DROPPED, PE_DATA, PAGE_RESIDENT },
	{ PAGE_LOADING, PE_LOAD, PAGE_RESIDENT },
	{ PAGE_READING, PE_LOSE, PAGE_LOST },
	{ PAGE_READING, PE_AGAIN, PAGE_QUEUED },
	{ PAGE_DROPPED, PE_LOSE, PAGE_RESIDENT },
	{ PAGE_OUT, PE_CLEAR, PAGE_RESIDENT },
	{ PAGE_QUEUED, PE_CLEAR, PAGE_RESIDENT },
	{ PAGE_OUT, PE_DROP, PAGE_RESIDENT },
	{ PAGE_QUEUED, PE_DROP, PAGE_RESIDENT },
	{ PAGE_LOADING, PE_DROP, PAGE_RESIDENT },
	{ PAGE_LOST, PE_DROP, PAGE_RESIDENT },
	{ PAGE_READING, PE_DROP, PAGE_DROPPED },
	{ PAGE_RESIDENT, PE_ADOPT, PAGE_OUT },
	{ PAGE_RESIDENT, PE_MISS, PAGE_LOST },
};

static struct pages make(const char *text)
{
	struct offer offer;
	struct pages pages;

	assert_null(parse_offer(text, 1 << 20, 1 << 20, &offer));
	assert_int_equal(pages_init(&pages, &offer), 0);
	return pages;
}

static int edge(enum page_state from, enum page_event event)
{
	unsigned int i;

	for (i = 0; i < sizeof(edges) / sizeof(*edges); i++)
		if (edges[i].from == from && edges[i].event == event)
			return edges[i].to;
	return -1;
}

static void every_event_in_every_state(void **state)
{
	struct pages pages = make("100+1");
	unsigned int from, event;
	unsigned long bugs = 0;

	log_quiet = true;
	for (from = 0; from < PAGE_STATES; from++) {
		for (event = 0; event < PE_EVENTS; event++) {
			int to = edge(from, event);

			pages.count[pages.page[0].state]--;
			pages.page[0].state = from;
			pages.count[from]++;
			assert_int_equal(pages_event(&pages, 0, event), to >= 0);
			assert_int_equal(pages.page[0].state, to < 0 ? from : (unsigned int)to);
			assert_int_equal(pages.count[pages.page[0].state], 1);
			bugs += to < 0;
			assert_int_equal(pages.bugs, bugs);
		}
	}
	pages_free(&pages);
}

static void numbers_and_gfns(void **state)
{
	struct pages pages = make("5+3 8+1 100+1000 5000+1");
	uint32_t nr;

	assert_int_equal(pages.offer.total, 1005);
	for (nr = 0; nr < pages.offer.total; nr++)
		assert_int_equal(pages_find(&pages, pages_gfn(&pages, nr)), nr);
	assert_int_equal(pages_gfn(&pages, 3), 8);
	assert_int_equal(pages_gfn(&pages, 1004), 5000);
	assert_int_equal(pages_find(&pages, 4), PAGE_NONE);
	assert_int_equal(pages_find(&pages, 9), PAGE_NONE);
	assert_int_equal(pages_find(&pages, 1100), PAGE_NONE);
	assert_int_equal(pages_find(&pages, 5001), PAGE_NONE);
	assert_int_equal(pages_find(&pages, UINT64_MAX), PAGE_NONE);
	pages_free(&pages);
	pages = make("");
	assert_int_equal(pages_find(&pages, 0), PAGE_NONE);
	pages_free(&pages);
}

static void bring(struct pages *pages, uint32_t nr, enum page_state to)
{
	pages_event(pages, nr, PE_NOMINATE);
	pages_event(pages, nr, PE_EVICT);
	if (to == PAGE_QUEUED) {
		pages_event(pages, nr, PE_WANT);
		pages_queue(pages, nr);
	}
}

static void queue_skips_what_was_dropped(void **state)
{
	struct pages pages = make("0+10");
	uint32_t nr;

	for (nr = 0; nr < 5; nr++)
		bring(&pages, nr, PAGE_QUEUED);
	pages_event(&pages, 0, PE_DROP);
	pages_event(&pages, 3, PE_DROP);
	/* Queued again while it is still in the list: it is there once. */
	bring(&pages, 3, PAGE_QUEUED);
	assert_int_equal(pages_dequeue(&pages), 1);
	assert_int_equal(pages_dequeue(&pages), 2);
	assert_int_equal(pages_dequeue(&pages), 3);
	assert_int_equal(pages_dequeue(&pages), 4);
	assert_int_equal(pages_dequeue(&pages), PAGE_NONE);
	assert_int_equal(pages_dequeue(&pages), PAGE_NONE);
	pages_queue(&pages, 4);
	assert_int_equal(pages_dequeue(&pages), 4);
	assert_int_equal(pages.bugs, 0);
	pages_free(&pages);
}

static void new_offer_keeps_what_is_in_both(void **state)
{
	struct pages pages = make("0+10");
	struct offer offer;

	bring(&pages, 2, PAGE_OUT);
	bring(&pages, 6, PAGE_QUEUED);
	bring(&pages, 5, PAGE_QUEUED);
	pages.page[5].slot = 55;
	assert_null(parse_offer("4+3 20+4", 100, 100, &offer));
	pages_shrink(&pages, &offer);
	assert_int_equal(pages.kept_away, 1);
	assert_int_equal(pages_away(&pages), 3);
	pages_event(&pages, 2, PE_DROP);
	assert_int_equal(pages.kept_away, 0);
	assert_int_equal(pages_replace(&pages, &offer), 0);
	assert_int_equal(pages.offer.total, 7);
	assert_int_equal(pages_away(&pages), 2);
	assert_int_equal(pages.count[PAGE_QUEUED], 2);
	assert_int_equal(pages.page[pages_find(&pages, 5)].slot, 55);
	assert_int_equal(pages_dequeue(&pages), pages_find(&pages, 6));
	assert_int_equal(pages_dequeue(&pages), pages_find(&pages, 5));
	pages_free(&pages);
}

static void waiters_are_unique(void **state)
{
	struct waiters *w = malloc(sizeof(*w));
	struct page page[2] = { { .waiter = WAITER_NONE }, { .waiter = WAITER_NONE } };
	const struct xenif_request req = { .gfn = 1, .paused = true };
	uint8_t *seen = calloc(1, 1 << WAITERS_BITS);
	struct waiter *waiter;
	unsigned int i;

	waiters_init(w);
	w->sequence = UINT32_MAX - 10;
	for (i = 0; waiters_room(w, true); i++) {
		waiter = waiters_add(w, &page[i % 2], &req, true, i);
		assert_false(seen[waiter->number & ((1 << WAITERS_BITS) - 1)]++);
	}
	assert_int_equal(i, MAX_TOLD);
	for (i = 0; waiters_room(w, false); i++)
		waiters_add(w, &page[0], &req, false, i);
	assert_int_equal(i, MAX_HELD);
	while (waiters_take(w, &page[0]) || waiters_take(w, &page[1]))
		;
	assert_int_equal(w->nr_told + w->nr_held, 0);
	assert_true(waiters_room(w, true));
	free(seen);
	free(w);
}

int test_pages(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state),
		cmocka_unit_test(numbers_and_gfns),
		cmocka_unit_test(queue_skips_what_was_dropped),
		cmocka_unit_test(new_offer_keeps_what_is_in_both),
		cmocka_unit_test(waiters_are_unique),
	};

	return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
