/* SPDX-License-Identifier: GPL-2.0 */
/* The frontend's nodes, which may be an attacker's. */
#ifndef PVFAULT_FRONTEND_H
#define PVFAULT_FRONTEND_H

#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "offer.h"

#define MAX_RING_PAGES	(1U << XEN_PVFAULT_MAX_RING_PAGE_ORDER)

/**
 * struct frontend - its nodes, all of them good
 * @front_ref: grant of the front page
 * @ring_order: 2^@ring_order ring pages
 * @ring_ref: a grant for each of them
 * @port: event channel of READY
 * @max_outstanding: tokens without READY that the guest takes
 * @clear: it uses feature-clear
 * @offer: the pages that may be taken
 * @serial: of the offer
 */
struct frontend {
	uint32_t front_ref;
	uint32_t ring_order;
	uint32_t ring_ref[MAX_RING_PAGES];
	uint32_t port;
	uint32_t max_outstanding;
	bool clear;
	struct offer offer;
	uint32_t serial;
};

/* The state that it shows; XB_UNKNOWN if it makes no sense, or there is none. */
enum xenbus_state frontend_state(struct pager *p);

/**
 * frontend_read() - read its nodes
 * @p: the pager
 * @f: where to put their values
 * @why: if one is wrong: a sentence
 * @size: of @why
 *
 * Return: 0 or -EINVAL
 */
int frontend_read(struct pager *p, struct frontend *f, char *why, size_t size);

/* As above, only the offer, and its serial. */
int frontend_read_offer(struct pager *p, struct offer *offer, uint32_t *serial, char *why,
			size_t size);

/* The path of one of its nodes, or of its folder if @name is NULL. */
void frontend_path(const struct pager *p, const char *name, char *path, size_t size);

#endif /* PVFAULT_FRONTEND_H */
