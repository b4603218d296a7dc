// SPDX-License-Identifier: GPL-2.0
/* Parsing a guest's offer, see offer.h. */

#include <stddef.h>
#include <string.h>

#include "offer.h"

/* Digits from *@s on; *@s is then behind them. */
static bool digits(const char **s, uint64_t *number)
{
	const char *p = *s;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *p - '0', &n))
			return false;
	if (p == *s)
		return false;
	*s = p;
	*number = n;
	return true;
}

bool parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *number)
{
	uint64_t n;

	if (!s || !digits(&s, &n) || *s || n < min || n > max)
		return false;
	*number = n;
	return true;
}

const char *parse_offer(const char *s, uint64_t max_gfn, uint64_t max_pages,
			struct offer *offer)
{
	uint64_t start, count, end = 0, total = 0;
	struct offer o = { 0 };

	if (!s)
		return "it is missing";
	if (max_pages > OFFER_MAX_PAGES)
		max_pages = OFFER_MAX_PAGES;
	while (*s) {
		if (o.nr == XEN_PVFAULT_MAX_RANGES)
			return "it has too many ranges";
		if (o.nr && *s++ != ' ')
			return "it is not a list of START+COUNT";
		if (!digits(&s, &start) || *s++ != '+' || !digits(&s, &count))
			return "it is not a list of START+COUNT";
		if (!count)
			return "a range is empty";
		if (start < end)
			return "its ranges do not ascend, or overlap";
		if (start > max_gfn || count - 1 > max_gfn - start)
			return "it names a page that the domain does not have";
		if (count > max_pages - total)
			return "it is more than all of the domain's memory";
		o.range[o.nr].start = start;
		o.range[o.nr].count = count;
		o.range[o.nr++].first = total;
		total += count;
		end = start + count;
	}
	o.total = total;
	*offer = o;
	return NULL;
}

bool offer_same(const struct offer *a, const struct offer *b)
{
	unsigned int i;

	if (a->nr != b->nr)
		return false;
	for (i = 0; i < a->nr; i++)
		if (a->range[i].start != b->range[i].start ||
		    a->range[i].count != b->range[i].count)
			return false;
	return true;
}
