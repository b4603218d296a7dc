/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who waits for a page: a task that was told, by its token, or a vCPU that is
 * held, by its request. All of them fit into a pool that is there from the start.
 */
#ifndef PVFAULT_WAITERS_H
#define PVFAULT_WAITERS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "pages.h"
#include "xenif.h"

/* As many as can be told, and more than Xen's ring has places. */
#define MAX_TOLD	XEN_PVFAULT_RING_LENGTH(XEN_PVFAULT_MAX_RING_PAGE_ORDER)
#define MAX_HELD	64
#define WAITERS_BITS	13
#define MAX_WAITERS	(MAX_TOLD + MAX_HELD)

static_assert(MAX_WAITERS < 1U << WAITERS_BITS, "a waiter fits into a token");

/**
 * struct waiter - one who waits for a page
 * @since_ns: when it touched the page, CLOCK_MONOTONIC
 * @next: the next one of the same page, or of the free list
 * @number: of the token, if @told
 * @told: sleeps, and wants READY; otherwise it is held and wants an answer
 * @req: the request of who is held
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

/* Can one more be told? Can one more be held? */
bool waiters_room(const struct waiters *w, bool told);

/**
 * waiters_add() - let somebody wait for a page
 * @w: the pool, which must have room
 * @page: what it waits for
 * @req: its request
 * @told: by token or by vCPU
 * @since_ns: when it began
 *
 * Return: the waiter; its @number is unique among those who wait.
 */
struct waiter *waiters_add(struct waiters *w, struct page *page,
			   const struct xenif_request *req, bool told,
			   uint64_t since_ns);

/* Take back the last waiters_add() for this page: make it a held one. */
void waiters_hold(struct waiters *w, struct waiter *waiter);

/* Take the first waiter off the page; valid until the next waiters_add(). */
struct waiter *waiters_take(struct waiters *w, struct page *page);

#endif /* PVFAULT_WAITERS_H */
