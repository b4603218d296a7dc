/* SPDX-License-Identifier: GPL-2.0 */
/* A guest's offer of pages, and how it is parsed. */
#ifndef PVFAULT_OFFER_H
#define PVFAULT_OFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "../../include/xen/interface/io/pvfault.h"

/**
 * struct offer - ranges of gfns: ascending, not overlapping, not empty
 * @nr: how many
 * @total: pages in all of them
 * @range: @first is the number of pages in the ranges before
 */
struct offer {
	unsigned int nr;
	uint32_t total;
	struct {
		uint64_t start, count;
		uint32_t first;
	} range[XEN_PVFAULT_MAX_RANGES];
};

/* Pages that can be numbered: 16 TiB. */
#define OFFER_MAX_PAGES		(UINT32_MAX - 1)

/**
 * parse_number() - read a decimal number, and nothing else
 * @s: digits, ended by a zero octet; NULL fails
 * @min: fails below
 * @max: fails above
 * @number: where to put it, if it is one
 *
 * Return: whether it is one.
 */
bool parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *number);

/**
 * parse_offer() - read an "offer" node, as strictly as io/pvfault.h says
 * @s: its value; NULL fails
 * @max_gfn: highest gfn that it may name
 * @max_pages: so many pages may be offered
 * @offer: filled if the value is good
 *
 * Return: NULL if it is good, or what is wrong with it.
 */
const char *parse_offer(const char *s, uint64_t max_gfn, uint64_t max_pages,
			struct offer *offer);

bool offer_same(const struct offer *a, const struct offer *b);

#endif /* PVFAULT_OFFER_H */
