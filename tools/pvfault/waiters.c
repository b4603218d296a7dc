// SPDX-License-Identifier: GPL-2.0
/* The waiters for pages, see waiters.h. */

#include <stdlib.h>

#include "waiters.h"

void waiters_init(struct waiters *w)
{
	uint32_t i;

	for (i = 0; i < MAX_WAITERS; i++)
		w->pool[i].next = i + 1 < MAX_WAITERS ? i + 1 : WAITER_NONE;
	w->free = 0;
	w->nr_told = 0;
	w->nr_held = 0;
	w->sequence = 0;
}

bool waiters_room(const struct waiters *w, bool told)
{
	/* A notification may fail, and its vCPU then has to be held. */
	return w->nr_held < MAX_HELD && (!told || w->nr_told < MAX_TOLD);
}

struct waiter *waiters_add(struct waiters *w, struct page *page,
			   const struct xenif_request *req, bool told,
			   uint64_t since_ns)
{
	uint32_t nr = w->free;
	struct waiter *waiter;

	if (nr == WAITER_NONE)
		abort();	/* the caller didn't look for room */
	waiter = &w->pool[nr];
	w->free = waiter->next;
	*waiter = (struct waiter) {
		.since_ns = since_ns,
		.next = page->waiter,
		/* Unique by its place, not by its sequence, which wraps. */
		.number = w->sequence++ << WAITERS_BITS | nr,
		.told = told,
		.req = *req,
	};
	page->waiter = nr;
	if (told)
		w->nr_told++;
	else
		w->nr_held++;
	return waiter;
}

void waiters_hold(struct waiters *w, struct waiter *waiter)
{
	waiter->told = false;
	w->nr_told--;
	w->nr_held++;
}

static void waiters_release(struct waiters *w, uint32_t nr)
{
	struct waiter *waiter = &w->pool[nr];

	if (waiter->told)
		w->nr_told--;
	else
		w->nr_held--;
	waiter->next = w->free;
	w->free = nr;
}

struct waiter *waiters_take(struct waiters *w, struct page *page)
{
	uint32_t nr = page->waiter;

	if (nr == WAITER_NONE)
		return NULL;
	page->waiter = w->pool[nr].next;
	waiters_release(w, nr);
	return &w->pool[nr];
}
