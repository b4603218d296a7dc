// SPDX-License-Identifier: GPL-2.0
/*
 * Bringing pages back without a touch: all of them when guest or pager leaves, or
 * those that are no longer on offer. Pages that are touched meanwhile come first,
 * because a drain uses only buffers that are not needed for those.
 */

#include "log.h"
#include "pager.h"

#define DRAIN_STEPS	65536	/* pages to look at in one round */
#define COMPLAIN_S	10

static bool wanted_back(const struct pager *p, const struct page *page)
{
	return page->state == PAGE_OUT && (p->bring == BRING_ALL || page->keep_in);
}

bool drain_run(struct pager *p)
{
	uint32_t steps, total = p->pages.offer.total;
	unsigned int room = p->pagein.nr - p->pagein.used;
	bool some = false;

	if (p->bring == BRING_NONE || drain_done(p) || p->pagein.waiting)
		return false;
	/* Pages that were touched are queued already. */
	if (p->pages.count[PAGE_QUEUED] >= room)
		return false;
	room -= p->pages.count[PAGE_QUEUED];
	for (steps = 0; room && steps < DRAIN_STEPS && steps < total; steps++) {
		if (p->cursor >= total)
			p->cursor = 0;
		if (wanted_back(p, &p->pages.page[p->cursor])) {
			pagein_want(p, p->cursor, false);
			some = true;
			room--;
		}
		p->cursor++;
	}
	if (steps == DRAIN_STEPS && steps < total)
		p->busy = true;
	return some;
}

bool drain_done(const struct pager *p)
{
	switch (p->bring) {
	case BRING_ALL:
		return !pages_away(&p->pages) && !p->evict.used && !p->pagein.used;
	case BRING_KEPT:
		return !p->pages.kept_away;
	default:
		return true;
	}
}

void drain_complain(struct pager *p)
{
	static unsigned int seconds;
	uint32_t away = p->bring == BRING_KEPT ? p->pages.kept_away : pages_away(&p->pages);

	if (drain_done(p)) {
		seconds = 0;
		return;
	}
	if (++seconds % COMPLAIN_S)
		return;
	if (p->crashed)
		say("a page is lost: waiting for domain %u to be destroyed", p->xen->domid);
	else if (p->pagein.waiting && p->pagein.lacking)
		say("%s for %u pages (%u KiB) of domain %u that are still out; they are served until there is some",
		    target_no_memory(p), away, away * 4, p->xen->domid);
	else
		say("%u pages of domain %u are still out", away, p->xen->domid);
}
