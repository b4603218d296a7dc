/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The waiters for a page: a task that was notified, by its token, or a vCPU that is
 * held, by its request. All fit into a pool that is allocated at the start.
 */
#ifndef PVFAULT_WAITERS_H
#define PVFAULT_WAITERS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "pages.h"
#include "xenif.h"

/* As many as can be notified, and more than Xen's ring has places. */
#define MAX_TOLD	XEN_PVFAULT_RING_LENGTH(XEN_PVFAULT_MAX_RING_PAGE_ORDER)
#define MAX_HELD	64
#define WAITERS_BITS	13
#define MAX_WAITERS	(MAX_TOLD + MAX_HELD)

static_assert(MAX_WAITERS < 1U << WAITERS_BITS, "a waiter fits into a token");

/**
 * struct waiter - a waiter for a page
 * @since_ns: when it touched the page, CLOCK_MONOTONIC
 * @next: the next one of the same page, or of the free list
 * @number: of the token, if @told
 * @told: a task, which needs READY; otherwise a held vCPU, which needs an answer
 * @req: the request of a held vCPU
 */
struct waiter {
	uint64_t since_ns;
	uint32_t next;
	uint32_t number;
	bool told;
	struct xenif_request req;
};

struct waiters {
	struct waiter pool[MAX_WAITERS];
	uint32_t free;
	uint32_t nr_told, nr_held;
	uint32_t sequence;
};

void waiters_init(struct waiters *w);

/* Can one more be notified? Can one more be held? */
bool waiters_room(const struct waiters *w, bool told);

/**
 * waiters_add() - add a waiter for a page
 * @w: the pool, which must have room
 * @page: the page
 * @req: its request
 * @told: a task, or a held vCPU
 * @since_ns: when it began
 *
 * Return: the waiter; its @number is unique among all waiters.
 */
struct waiter *waiters_add(struct waiters *w, struct page *page,
			   const struct xenif_request *req, bool told,
			   uint64_t since_ns);

/* Take back the last waiters_add() for this page: make it a held one. */
void waiters_hold(struct waiters *w, struct waiter *waiter);

/* Take the first waiter off the page; valid until the next waiters_add(). */
struct waiter *waiters_take(struct waiters *w, struct page *page);

#endif /* PVFAULT_WAITERS_H */
