/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state of each page on offer: a plain array, and the only place where the state
 * of a page changes.
 */
#ifndef PVFAULT_PAGES_H
#define PVFAULT_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "offer.h"

/**
 * enum page_state - where a page is
 *
 * @PAGE_RESIDENT: in the guest, or nowhere because the guest gave it away
 * @PAGE_WRITING: nominated; its copy is on its way into the file
 * @PAGE_SETTLING: nominated, and must not stay so: Xen has to take it back
 * @PAGE_CANCELLED: as RESIDENT, but a copy is still being written
 * @PAGE_OUT: in the file
 * @PAGE_QUEUED: in the file, wanted, waits for a buffer
 * @PAGE_READING: being read from the file
 * @PAGE_LOADING: read; Xen hasn't taken it yet (no memory)
 * @PAGE_DROPPED: as RESIDENT, but its old content is still being read
 * @PAGE_LOST: it can't be read; the guest gets nothing in its place
 * @PAGE_STATES: how many states there are
 */
enum page_state {
	PAGE_RESIDENT,
	PAGE_WRITING,
	PAGE_SETTLING,
	PAGE_CANCELLED,
	PAGE_OUT,
	PAGE_QUEUED,
	PAGE_READING,
	PAGE_LOADING,
	PAGE_DROPPED,
	PAGE_LOST,
	PAGE_STATES
};

/**
 * enum page_event - what happens to a page, and the actor
 *
 * event        actor    from -> to
 *
 * @PE_NOMINATE: evict   RESIDENT -> WRITING
 * @PE_WRITTEN:  file    CANCELLED -> RESIDENT; WRITING stays, to be evicted now
 * @PE_EVICT:    evict   WRITING -> OUT
 * @PE_REFUSE:   evict   WRITING -> SETTLING: not written, or not to be evicted
 * @PE_SETTLE:   Xen     SETTLING -> RESIDENT
 * @PE_TOUCH:    guest   touched while nominated, and Xen has taken it back:
 *                       WRITING -> CANCELLED, SETTLING -> RESIDENT
 * @PE_WANT:     guest, drain   OUT -> QUEUED
 * @PE_READ:     pagein  QUEUED -> READING
 * @PE_DATA:     file    READING -> LOADING, DROPPED -> RESIDENT
 * @PE_LOAD:     Xen     LOADING -> RESIDENT
 * @PE_CLEAR:    guest   needs nothing of what was in it, and has a page of zeroes:
 *                       OUT, QUEUED -> RESIDENT
 * @PE_LOSE:     file    READING -> LOST, DROPPED -> RESIDENT
 * @PE_AGAIN:    pagein  READING -> QUEUED: others have their turn first
 * @PE_DROP:     guest   gave it away: OUT, QUEUED, LOADING, LOST -> RESIDENT;
 *                       READING -> DROPPED. Of a nominated page Xen says nothing;
 *                       it then refuses to evict it
 * @PE_ADOPT:    adopt   RESIDENT -> OUT: an earlier pager has taken it
 * @PE_MISS:     guest   RESIDENT -> LOST: it has, and no record says where it is
 * @PE_EVENTS:   how many events there are
 */
enum page_event {
	PE_NOMINATE,
	PE_WRITTEN,
	PE_EVICT,
	PE_REFUSE,
	PE_SETTLE,
	PE_TOUCH,
	PE_WANT,
	PE_READ,
	PE_DATA,
	PE_LOAD,
	PE_CLEAR,
	PE_LOSE,
	PE_AGAIN,
	PE_DROP,
	PE_ADOPT,
	PE_MISS,
	PE_EVENTS
};

#define PAGE_NONE	UINT32_MAX	/* no page */
#define SLOT_NONE	UINT32_MAX	/* no place in the file */
#define WAITER_NONE	UINT32_MAX

/**
 * struct page - one page on offer; 16 octets of each
 * @slot: its place in the file, if it has one
 * @waiter: the first waiter for it
 * @next: the next in the queue of wanted pages
 * @state: enum page_state
 * @linked: is in the queue of wanted pages, whatever its state is
 * @recent: has been brought back lately; spared once by the policy
 * @keep_in: isn't offered any more
 */
struct page {
	uint32_t slot;
	uint32_t waiter;
	uint32_t next;
	uint8_t state;
	bool linked, recent, keep_in;
};

/**
 * struct pages - all pages on offer
 * @offer: which gfns they are
 * @page: one for each
 * @count: how many are in each state
 * @kept_away: how many aren't offered any more, and aren't RESIDENT
 * @first: of the queue of wanted pages
 * @last: of that queue
 * @bugs: events that no page in that state should have seen
 */
struct pages {
	struct offer offer;
	struct page *page;
	uint32_t count[PAGE_STATES];
	uint32_t kept_away;
	uint32_t first, last;
	unsigned long bugs;
};

/* Context: @offer may come from the guest. Return: 0 or -ENOMEM */
int pages_init(struct pages *p, const struct offer *offer);
void pages_free(struct pages *p);

/* The number of the page, or PAGE_NONE if it isn't on offer. */
uint32_t pages_find(const struct pages *p, uint64_t gfn);
uint64_t pages_gfn(const struct pages *p, uint32_t nr);

/**
 * pages_event() - let something happen to a page
 * @p: the pages
 * @nr: which page
 * @event: what happens
 *
 * Return: whether its state allows this; if not, it is counted as a bug.
 */
bool pages_event(struct pages *p, uint32_t nr, enum page_event event);

/* Can the guest touch the page without the pager? */
bool pages_accessible(const struct pages *p, uint32_t nr);

/* How many aren't RESIDENT. */
uint32_t pages_away(const struct pages *p);

/* The queue of wanted pages. Putting in a page that is there does nothing. */
void pages_queue(struct pages *p, uint32_t nr);
/* The next one that is still QUEUED, taken off the queue, or PAGE_NONE. */
uint32_t pages_dequeue(struct pages *p);

/* From now on only pages in @offer may be away; see pages_replace(). */
void pages_shrink(struct pages *p, const struct offer *offer);

/**
 * pages_replace() - take a new offer instead of the old one
 * @p: the pages; none that isn't in the new offer is away
 * @offer: the new offer
 *
 * Numbers of pages change; gfns have to be looked up again.
 *
 * Return: 0 or -ENOMEM, then nothing has changed.
 */
int pages_replace(struct pages *p, const struct offer *offer);

const char *page_state_name(enum page_state state);

#endif /* PVFAULT_PAGES_H */
