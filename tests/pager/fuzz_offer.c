// SPDX-License-Identifier: GPL-2.0
/* libFuzzer: each offer that parse_offer() accepts obeys the rules of an offer. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

#define MAX_GFN		(1U << 20)
#define MAX_PAGES	(1U << 19)

static void check(const struct offer *o, const char *text)
{
	struct pages pages;
	char again[64 * XEN_PVFAULT_MAX_RANGES] = "";
	uint64_t end = 0, total = 0;
	unsigned int i;
	size_t n = 0;

	if (o->nr > XEN_PVFAULT_MAX_RANGES)
		abort();
	for (i = 0; i < o->nr; i++) {
		if (!o->range[i].count || o->range[i].start < end ||
		    o->range[i].first != total)
			abort();
		end = o->range[i].start + o->range[i].count;
		total += o->range[i].count;
		n += sprintf(again + n, "%s%" PRIu64 "+%" PRIu64, i ? " " : "",
			     o->range[i].start, o->range[i].count);
	}
	if (end > MAX_GFN + 1UL || total != o->total || total > MAX_PAGES)
		abort();
	/* Printed again it is the same, except for leading zeroes. */
	if (strlen(again) > strlen(text))
		abort();
	if (!o->total || pages_init(&pages, o))
		return;
	for (i = 0; i < o->total; i += 1 + o->total / 100)
		if (pages_find(&pages, pages_gfn(&pages, i)) != i)
			abort();
	pages_free(&pages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct offer offer;

	if (!parse_offer(text, MAX_GFN, MAX_PAGES, &offer))
		check(&offer, text);
	free(text);
	return 0;
}
