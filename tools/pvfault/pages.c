// SPDX-License-Identifier: GPL-2.0
/* The state of each page on offer, see pages.h. */

#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "pages.h"

#define TO(state)	(PAGE_##state + 1)

/* The transition table: 0 is a bug. pages.h has the actor of each event. */
static const uint8_t next_state[PAGE_STATES][PE_EVENTS] = {
	[PAGE_RESIDENT] = {
		[PE_NOMINATE] = TO(WRITING),
		[PE_ADOPT] = TO(OUT),
		[PE_MISS] = TO(LOST),
	},
	[PAGE_WRITING] = {
		[PE_WRITTEN] = TO(WRITING),
		[PE_EVICT] = TO(OUT),
		[PE_REFUSE] = TO(SETTLING),
		[PE_TOUCH] = TO(CANCELLED),
	},
	[PAGE_SETTLING] = {
		[PE_SETTLE] = TO(RESIDENT),
		[PE_TOUCH] = TO(RESIDENT),
	},
	[PAGE_CANCELLED] = {
		[PE_WRITTEN] = TO(RESIDENT),
	},
	[PAGE_OUT] = {
		[PE_WANT] = TO(QUEUED),
		[PE_CLEAR] = TO(RESIDENT),
		[PE_DROP] = TO(RESIDENT),
	},
	[PAGE_QUEUED] = {
		[PE_READ] = TO(READING),
		[PE_CLEAR] = TO(RESIDENT),
		[PE_DROP] = TO(RESIDENT),
	},
	[PAGE_READING] = {
		[PE_DATA] = TO(LOADING),
		[PE_LOSE] = TO(LOST),
		[PE_AGAIN] = TO(QUEUED),
		[PE_DROP] = TO(DROPPED),
	},
	[PAGE_LOADING] = {
		[PE_LOAD] = TO(RESIDENT),
		[PE_DROP] = TO(RESIDENT),
	},
	[PAGE_DROPPED] = {
		[PE_DATA] = TO(RESIDENT),
		[PE_LOSE] = TO(RESIDENT),
	},
	[PAGE_LOST] = {
		[PE_DROP] = TO(RESIDENT),
	},
};

const char *page_state_name(enum page_state state)
{
	static const char * const name[PAGE_STATES] = {
		[PAGE_RESIDENT] = "resident",
		[PAGE_WRITING] = "writing",
		[PAGE_SETTLING] = "settling",
		[PAGE_CANCELLED] = "cancelled",
		[PAGE_OUT] = "out",
		[PAGE_QUEUED] = "queued",
		[PAGE_READING] = "reading",
		[PAGE_LOADING] = "loading",
		[PAGE_DROPPED] = "dropped",
		[PAGE_LOST] = "lost",
	};

	return state < PAGE_STATES ? name[state] : "?";
}

int pages_init(struct pages *p, const struct offer *offer)
{
	uint32_t i;

	*p = (struct pages) {
		.offer = *offer,
		.first = PAGE_NONE,
		.last = PAGE_NONE,
	};
	/* calloc(0) may return NULL: one more, so that an empty offer isn't lack of memory. */
	p->page = calloc((size_t)offer->total + 1, sizeof(*p->page));
	if (!p->page)
		return -ENOMEM;
	for (i = 0; i < offer->total; i++) {
		p->page[i].slot = SLOT_NONE;
		p->page[i].waiter = WAITER_NONE;
		p->page[i].next = PAGE_NONE;
	}
	p->count[PAGE_RESIDENT] = offer->total;
	return 0;
}

void pages_free(struct pages *p)
{
	free(p->page);
	*p = (struct pages) { .first = PAGE_NONE, .last = PAGE_NONE };
}

uint32_t pages_find(const struct pages *p, uint64_t gfn)
{
	unsigned int low = 0, high = p->offer.nr;

	/* The first range that ends behind gfn. */
	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (gfn < p->offer.range[mid].start + p->offer.range[mid].count)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == p->offer.nr || gfn < p->offer.range[low].start)
		return PAGE_NONE;
	return p->offer.range[low].first + (gfn - p->offer.range[low].start);
}

uint64_t pages_gfn(const struct pages *p, uint32_t nr)
{
	unsigned int low = 0, high = p->offer.nr - 1;

	/* The last range that begins at or before nr. */
	while (low < high) {
		unsigned int mid = (low + high + 1) / 2;

		if (p->offer.range[mid].first <= nr)
			low = mid;
		else
			high = mid - 1;
	}
	return p->offer.range[low].start + (nr - p->offer.range[low].first);
}

static void set_state(struct pages *p, struct page *page, enum page_state state)
{
	if (page->keep_in) {
		p->kept_away -= page->state != PAGE_RESIDENT;
		p->kept_away += state != PAGE_RESIDENT;
	}
	p->count[page->state]--;
	p->count[state]++;
	page->state = state;
}

bool pages_event(struct pages *p, uint32_t nr, enum page_event event)
{
	struct page *page = &p->page[nr];
	unsigned int to = next_state[page->state][event];

	if (!to) {
		if (!p->bugs++)
			say("page %#llx is %s and has seen event %d; this is a bug of the pager",
			    (unsigned long long)pages_gfn(p, nr),
			    page_state_name(page->state), event);
		return false;
	}
	set_state(p, page, to - 1);
	return true;
}

bool pages_accessible(const struct pages *p, uint32_t nr)
{
	switch (p->page[nr].state) {
	case PAGE_RESIDENT:
	case PAGE_CANCELLED:
	case PAGE_DROPPED:
		return true;
	default:
		return false;
	}
}

uint32_t pages_away(const struct pages *p)
{
	return p->offer.total - p->count[PAGE_RESIDENT];
}

void pages_queue(struct pages *p, uint32_t nr)
{
	struct page *page = &p->page[nr];

	if (page->linked)
		return;
	page->linked = true;
	page->next = PAGE_NONE;
	if (p->first == PAGE_NONE)
		p->first = nr;
	else
		p->page[p->last].next = nr;
	p->last = nr;
}

uint32_t pages_dequeue(struct pages *p)
{
	while (p->first != PAGE_NONE) {
		uint32_t nr = p->first;

		p->first = p->page[nr].next;
		p->page[nr].linked = false;
		/* Others have been dropped while they waited. */
		if (p->page[nr].state == PAGE_QUEUED)
			return nr;
	}
	return PAGE_NONE;
}

void pages_shrink(struct pages *p, const struct offer *offer)
{
	const struct pages new = { .offer = *offer };
	uint32_t nr;

	p->kept_away = 0;
	for (nr = 0; nr < p->offer.total; nr++) {
		struct page *page = &p->page[nr];

		page->keep_in = pages_find(&new, pages_gfn(p, nr)) == PAGE_NONE;
		p->kept_away += page->keep_in && page->state != PAGE_RESIDENT;
	}
}

int pages_replace(struct pages *p, const struct offer *offer)
{
	struct pages new;
	uint32_t nr, to;

	if (pages_init(&new, offer))
		return -ENOMEM;
	new.bugs = p->bugs;
	for (nr = 0; nr < p->offer.total; nr++) {
		to = pages_find(&new, pages_gfn(p, nr));
		if (to == PAGE_NONE)
			continue;
		new.count[PAGE_RESIDENT]--;
		new.count[p->page[nr].state]++;
		new.page[to] = p->page[nr];
		new.page[to].keep_in = false;
		new.page[to].linked = false;
		new.page[to].next = PAGE_NONE;
	}
	while ((nr = pages_dequeue(p)) != PAGE_NONE)
		pages_queue(&new, pages_find(&new, pages_gfn(p, nr)));
	pages_free(p);
	*p = new;
	return 0;
}
