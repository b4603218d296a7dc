// SPDX-License-Identifier: GPL-2.0
/*
 * A clock: its hand goes round over all pages on offer and takes resident ones. A page
 * that was brought back since the hand last came by is spared once.
 *
 * Xen doesn't tell which pages a guest uses. The only sign of use is that a page had
 * to be brought back.
 */

#include "policy.h"

/* Pages to look at in one call; few, because requests wait meanwhile. */
#define CLOCK_STEPS	4096

static uint32_t clock_victim(struct policy *policy, struct pages *pages)
{
	uint32_t steps;

	for (steps = 0; steps < CLOCK_STEPS && steps < pages->offer.total; steps++) {
		uint32_t nr = policy->hand++;
		struct page *page;

		if (nr >= pages->offer.total) {
			nr = 0;
			policy->hand = 1;
		}
		page = &pages->page[nr];
		policy->tried++;
		if (page->state != PAGE_RESIDENT || page->keep_in)
			continue;
		if (page->recent) {
			page->recent = false;
			continue;
		}
		return nr;
	}
	return PAGE_NONE;
}

static void clock_brought_back(struct policy *policy, struct pages *pages, uint32_t nr)
{
	(void)policy;
	pages->page[nr].recent = true;
}

static void clock_refused(struct policy *policy, struct pages *pages, uint32_t nr)
{
	(void)policy;
	pages->page[nr].recent = true;
}

static void clock_reset(struct policy *policy)
{
	policy->hand = 0;
	policy->tried = 0;
}

const struct policy_ops policy_clock = {
	.name = "clock",
	.victim = clock_victim,
	.brought_back = clock_brought_back,
	.refused = clock_refused,
	.reset = clock_reset,
};
