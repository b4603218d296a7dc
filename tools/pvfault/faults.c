// SPDX-License-Identifier: GPL-2.0
/*
 * Requests from Xen's mem-paging ring.
 *
 * Each one is answered exactly once. The answer comes at once if the task is notified,
 * or if the page is there. If the vCPU is held, faults_wake() answers. A request for
 * which no vCPU waits is answered at once, too, because only the answer gives back its
 * place in the ring, of which there are eight.
 */

#include <errno.h>
#include <inttypes.h>

#include "log.h"
#include "pager.h"
#include "tell.h"

static void answer(struct pager *p, const struct xenif_request *req)
{
	p->stats.answers++;
	xenif_answer(p->xen, req);
}

static void count_held(struct pager *p, enum verdict why)
{
	p->stats.held++;
	switch (why) {
	case HELD_ASKED:
		p->stats.held_asked++;
		break;
	case HELD_NO_FRONTEND:
		p->stats.held_no_frontend++;
		break;
	case HELD_MODE:
		p->stats.held_mode++;
		break;
	case HELD_IRQS_OFF:
		p->stats.held_irqs_off++;
		break;
	case HELD_EVENT:
		p->stats.held_event++;
		break;
	case HELD_FULL:
		p->stats.held_full++;
		break;
	case TOLD:
	case HELD_FAILED:
		p->stats.held_failed++;
		break;
	}
}

/* A vCPU stands still at a page that isn't there. */
static void tell_or_hold(struct pager *p, struct page *page, struct tell *t)
{
	const struct xenif_request *req = t->req;
	enum verdict verdict = tell_check(p, t);
	struct waiter *waiter;

	waiter = waiters_add(&p->waiters, page, req, verdict == TOLD, p->now_ns);
	if (verdict == TOLD &&
	    xenif_inject(p->xen, req->vcpu, t->state.cpl == 3, tell_token(p, waiter))) {
		/* The guest hasn't seen this token. */
		waiters_hold(&p->waiters, waiter);
		verdict = HELD_FAILED;
	}
	if (verdict != TOLD) {
		count_held(p, verdict);
		return;
	}
	p->stats.told++;
	/* Without the page: the vCPU runs on, with a #PF to take. */
	answer(p, req);
}

static bool nominated(const struct page *page)
{
	return page->state == PAGE_WRITING || page->state == PAGE_SETTLING;
}

static void drop(struct pager *p, uint32_t nr, uint64_t gfn)
{
	struct page *page = &p->pages.page[nr];

	/*
	 * Stale: since it was sent, the page was freed, filled again and nominated
	 * again (Xen sends none for a nominated page), or even taken again. Xen has
	 * nothing to prepare, so ignore it.
	 */
	if (pages_accessible(&p->pages, nr) || nominated(page) ||
	    xenif_prep(p->xen, gfn) == -EINVAL)
		return;
	/* A slot that is being read is freed when that is over. */
	switch (page->state) {
	case PAGE_OUT:
	case PAGE_QUEUED:
	case PAGE_LOST:
		pagein_free_slot(p, nr);
		break;
	case PAGE_LOADING:
		pagein_forget(p, nr);
		break;
	}
	pages_event(&p->pages, nr, PE_DROP);
	faults_wake(p, nr);
}

/*
 * A nominated page was touched: Xen has taken it back and expects a prep. If there is
 * nothing to prepare, the request is older than the nomination, which then goes on.
 */
static void take_back(struct pager *p, uint32_t nr, uint64_t gfn)
{
	struct page *page = &p->pages.page[nr];

	if (xenif_prep(p->xen, gfn) || !nominated(page))
		return;
	p->stats.cancelled += page->state == PAGE_WRITING;
	/* One that is being written has its place until that is over. */
	if (page->state == PAGE_SETTLING)
		pagein_free_slot(p, nr);
	pages_event(&p->pages, nr, PE_TOUCH);
	p->policy.ops->brought_back(&p->policy, &p->pages, nr);
}

static void touch(struct pager *p, uint32_t nr, const struct xenif_request *req)
{
	struct page *page = &p->pages.page[nr];
	struct tell t = { .req = req };

	if (req->present || nominated(page))
		take_back(p, nr, req->gfn);
	if (page->state == PAGE_RESIDENT && xenif_prep(p->xen, req->gfn) == -EINVAL)
		pagein_miss(p, nr);
	if (pages_accessible(&p->pages, nr) || nominated(page)) {
		p->stats.resident++;
		answer(p, req);
		return;
	}
	if (!req->paused || !tell_clears(p, &t) || !pagein_clear(p, nr))
		pagein_want(p, nr, true);
	if (pages_accessible(&p->pages, nr)) {
		/* Full of zeroes, and there already. */
		p->stats.resident++;
		p->policy.ops->brought_back(&p->policy, &p->pages, nr);
		answer(p, req);
	} else if (req->paused) {
		tell_or_hold(p, page, &t);
	} else {
		p->stats.foreign++;
		answer(p, req);
	}
}

static void take(struct pager *p, const struct xenif_request *req)
{
	uint32_t nr = pages_find(&p->pages, req->gfn);

	p->stats.requests++;
	if (nr == PAGE_NONE) {
		/* No page was ever taken there, so the request is stale. */
		p->stats.stray++;
		p->stats.foreign++;
		if (req->present)
			xenif_prep(p->xen, req->gfn);
		answer(p, req);
	} else if (req->dropped) {
		p->stats.dropped++;
		drop(p, nr, req->gfn);
		answer(p, req);
	} else {
		touch(p, nr, req);
	}
}

void faults_run(struct pager *p)
{
	struct xenif_request req;

	while (waiters_room(&p->waiters, false) &&
	       xenif_next_request(p->xen, &req))
		take(p, &req);
}

static void say_wait(const struct pager *p, const struct waiter *waiter)
{
	char token[32] = "";

	if (waiter->told)
		snprintf(token, sizeof(token), " token=%#" PRIx64, tell_token(p, waiter));
	say("%s vcpu=%u gfn=%#" PRIx64 "%s began_us=%" PRIu64 " us=%" PRIu64,
	    waiter->told ? "told" : "held", waiter->req.vcpu, waiter->req.gfn, token,
	    waiter->since_ns / 1000, (p->now_ns - waiter->since_ns) / 1000);
}

void faults_wake(struct pager *p, uint32_t nr)
{
	struct waiter *waiter;

	while ((waiter = waiters_take(&p->waiters, &p->pages.page[nr]))) {
		stats_latency(&p->stats, p->now_ns - waiter->since_ns);
		if (p->options.say_waits)
			say_wait(p, waiter);
		if (!waiter->told) {
			answer(p, &waiter->req);
			continue;
		}
		if (!ready_attached(&p->ready))
			continue;
		p->stats.ready++;
		if (!ready_put(&p->ready, tell_token(p, waiter)))
			p->stats.ready_all++;
	}
}
