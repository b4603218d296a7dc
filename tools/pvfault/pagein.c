// SPDX-License-Identifier: GPL-2.0
/* Pages on their way back, see pagein.h. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pager.h"

/* A wrong page may be right at the second time. */
#define READ_TRIES	3
#define COMPLAIN_NS	10000000000ULL

/* What can't be read is tried again as long as it takes: the first time so soon, ... */
#define PAUSE_NS	10000000ULL
#define LONGEST_PAUSE_NS 2000000000ULL

int transfers_init(struct pager *p, struct transfer *t, unsigned int nr, bool write,
		   void (*done)(struct io_job *job, int result))
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		t[i] = (struct transfer) {
			.job = { .write = write, .done = done },
			.pager = p,
			.slot = SLOT_NONE,
		};
		t[i].job.buf = aligned_alloc(XEN_PAGE, XEN_PAGE);
		if (!t[i].job.buf)
			return -ENOMEM;
		memset(t[i].job.buf, 0, XEN_PAGE);
	}
	return 0;
}

void transfers_free(struct transfer *t, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		free(t[i].job.buf);
		t[i].job.buf = NULL;
	}
}

struct transfer *transfers_get(struct transfer *t, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!t[i].used)
			return &t[i];
	return NULL;
}

void pagein_free_slot(struct pager *p, uint32_t nr)
{
	struct page *page = &p->pages.page[nr];

	if (page->slot != SLOT_NONE)
		pagefile_put(&p->file, page->slot);
	page->slot = SLOT_NONE;
}

/* It has been read, or need not be any more. */
static void works_again(struct pager *p, struct transfer *t)
{
	if (!t->failing_ns)
		return;
	t->failing_ns = 0;
	if (--p->pagein.failing)
		return;
	say("page file %s can be read again", p->file.path);
}

static void pagein_over(struct pager *p, struct transfer *t, uint32_t nr)
{
	works_again(p, t);
	if (t->slot != SLOT_NONE)
		pagefile_put(&p->file, t->slot);
	t->slot = SLOT_NONE;
	t->used = false;
	p->pagein.used--;
	p->pages.page[nr].slot = SLOT_NONE;
}

static void crash(struct pager *p, uint64_t gfn, const char *why)
{
	p->stats.lost++;
	device_error(p, "page %#llx of the domain is lost, because the page file %s; the domain is made to crash",
		     (unsigned long long)gfn, why);
	if (!p->crashed && xenif_crash(p->xen))
		say("the domain can't be made to crash; destroy it");
	p->crashed = true;
}

void pagein_miss(struct pager *p, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_MISS);
	crash(p, pages_gfn(&p->pages, nr), "knows nothing of it");
}

static void lose(struct pager *p, struct transfer *t, uint32_t nr, const char *why)
{
	if (p->pages.page[nr].state == PAGE_DROPPED) {
		pages_event(&p->pages, nr, PE_LOSE);
		pagein_over(p, t, nr);
		return;
	}
	pages_event(&p->pages, nr, PE_LOSE);
	if (t->failing_ns)
		p->pagein.failing--;
	t->failing_ns = 0;
	/* Its place stays taken, so that it isn't overwritten. */
	t->used = false;
	t->slot = SLOT_NONE;
	p->pagein.used--;
	crash(p, t->gfn, why);
}

/* Not for each page, and not for each try. */
static bool may_complain(const struct pager *p)
{
	return p->now_ns - p->pagein.complained_ns >= COMPLAIN_NS;
}

static void __attribute__((format(printf, 2, 3)))
complain(struct pager *p, const char *fmt, ...)
{
	char text[256];
	va_list args;

	p->pagein.complained_ns = p->now_ns;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	say("%s", text);
}

static void pagein_load(struct pager *p, struct transfer *t, uint32_t nr)
{
	int rc = xenif_load(p->xen, t->gfn, t->job.buf);

	switch (rc) {
	case 0:
		p->stats.page_ins++;
		p->loaded++;
		pager_came_back(p, t->gfn);
		break;
	case -ENOENT:
		/* It isn't out any more: Xen has more to say about it. */
		break;
	case -ENOMEM:
		p->stats.no_memory++;
		p->pagein.lacking = true;
		/* A drain has a message of its own for this. */
		if (p->bring != BRING_NONE || !may_complain(p))
			return;
		/* Its limit may have changed since the last tick. */
		pager_look_at_domain(p);
		complain(p, "%s to bring back a page of domain %u, which waits",
			 target_no_memory(p), p->xen->domid);
		return;
	case -ESRCH:
		/* The domain is being destroyed, which the main loop will see, too. */
		return;
	default:
		p->stats.load_errors++;
		p->pagein.lacking = false;
		if (may_complain(p))
			complain(p, "page %#llx of domain %u can't be loaded, and waits: %s",
				 (unsigned long long)t->gfn, p->xen->domid, strerror(-rc));
		return;
	}
	pages_event(&p->pages, nr, PE_LOAD);
	if (p->pages.page[nr].waiter != WAITER_NONE)
		p->policy.ops->brought_back(&p->policy, &p->pages, nr);
	pagein_over(p, t, nr);
	faults_wake(p, nr);
}

static void have(struct pager *p, struct transfer *t, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_DATA);
	if (p->pages.page[nr].state == PAGE_RESIDENT) {
		pagein_over(p, t, nr);
		return;
	}
	pagein_load(p, t, nr);
	p->pagein.waiting += t->used;
}

/*
 * A disk that fails for a while, or a path to it, has lost nothing: the page is there
 * when it works again, and the guest can wait. Return: false when that took longer than
 * --disk-limit.
 */
static bool wait_for_disk(struct pager *p, struct transfer *t, int error)
{
	const uint64_t limit_ns = p->options.disk_limit_s * 1000000000ULL;

	if (!t->failing_ns) {
		t->failing_ns = p->now_ns;
		t->pause_ns = PAUSE_NS;
		p->pagein.failing++;
	} else if (limit_ns && p->now_ns - t->failing_ns >= limit_ns) {
		return false;
	} else if (t->pause_ns < LONGEST_PAUSE_NS) {
		t->pause_ns *= 2;
	}
	t->again_ns = p->now_ns + t->pause_ns;
	if (p->now_ns - p->pagein.failed_ns >= COMPLAIN_NS) {
		p->pagein.failed_ns = p->now_ns;
		device_error(p, "page file %s can't be read: %s; %u pages wait, and are tried again until it can",
			     p->file.path, strerror(-error), p->pagein.failing);
	}
	return true;
}

static void read_done(struct io_job *job, int result)
{
	struct transfer *t = (struct transfer *)job;
	struct pager *p = t->pager;
	uint32_t nr = pages_find(&p->pages, t->gfn);
	bool wanted;

	if (p->gone) {
		t->used = false;
		return;
	}
	wanted = p->pages.page[nr].state == PAGE_READING;
	if (result && wanted) {
		p->stats.read_errors++;
		if (!wait_for_disk(p, t, result))
			lose(p, t, nr, "can't be read");
		return;
	}
	if (wanted && !pagefile_check(&p->file, t->slot, t->gfn, job->buf)) {
		p->stats.wrong_sums++;
		if (++t->tries < READ_TRIES)
			io_submit(p->io, job);
		else
			lose(p, t, nr, "holds something else");
		return;
	}
	works_again(p, t);
	have(p, t, nr);
}

int pagein_init(struct pager *p, unsigned int depth)
{
	p->pagein.nr = depth;
	p->pagein.used = 0;
	p->pagein.waiting = 0;
	p->pagein.failing = 0;
	p->pagein.turned_ns = 0;
	p->pagein.complained_ns = p->now_ns - COMPLAIN_NS;
	p->pagein.failed_ns = p->now_ns - COMPLAIN_NS;
	return transfers_init(p, p->pagein.in, depth, false, read_done);
}

void pagein_free(struct pager *p)
{
	transfers_free(p->pagein.in, p->pagein.nr);
}

static void pagein_begin(struct pager *p, struct transfer *t, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_READ);
	t->used = true;
	t->tries = 0;
	t->failing_ns = 0;
	t->gfn = pages_gfn(&p->pages, nr);
	t->slot = p->pages.page[nr].slot;
	p->pagein.used++;
	if (pagefile_zeroes(&p->file, t->slot)) {
		memset(t->job.buf, 0, XEN_PAGE);
		p->stats.zero_ins++;
		have(p, t, nr);
		return;
	}
	t->job.offset = pagefile_offset(&p->file, t->slot);
	io_submit(p->io, &t->job);
}

void pagein_want(struct pager *p, uint32_t nr, bool asked)
{
	struct transfer *t;

	if (p->pages.page[nr].state != PAGE_OUT)
		return;
	p->stats.page_ins_asked += asked;
	pages_event(&p->pages, nr, PE_WANT);
	/* A page that needn't be read can be there at once. */
	t = asked && pagefile_zeroes(&p->file, p->pages.page[nr].slot) ?
	    transfers_get(p->pagein.in, p->pagein.nr) : NULL;
	if (t)
		pagein_begin(p, t, nr);
	else
		pages_queue(&p->pages, nr);
}

bool pagein_clear(struct pager *p, uint32_t nr)
{
	static const uint8_t zeroes[XEN_PAGE] __attribute__((aligned(XEN_PAGE)));
	struct page *page = &p->pages.page[nr];
	uint64_t gfn = pages_gfn(&p->pages, nr);

	if ((page->state != PAGE_OUT && page->state != PAGE_QUEUED) ||
	    page->waiter != WAITER_NONE)
		return false;
	/* If Xen refuses, it is fetched as any other, and what is wrong is said there. */
	if (xenif_load(p->xen, gfn, zeroes))
		return false;
	p->stats.page_ins++;
	p->stats.page_ins_asked++;
	p->stats.clear_ins++;
	p->loaded++;
	pager_came_back(p, gfn);
	pages_event(&p->pages, nr, PE_CLEAR);
	pagein_free_slot(p, nr);
	return true;
}

/* A few bad places of a disk must not keep all buffers from the pages beside them. */
static void take_turns(struct pager *p)
{
	struct transfer *t, *last = NULL;
	unsigned int i;
	uint32_t nr;

	if (!p->pagein.failing || p->pagein.used < p->pagein.nr ||
	    !p->pages.count[PAGE_QUEUED] || p->now_ns - p->pagein.turned_ns < PAUSE_NS)
		return;
	/* Not the oldest one: that may have a limit to come to. */
	for (i = 0; i < p->pagein.nr; i++) {
		t = &p->pagein.in[i];
		if (t->used && t->failing_ns && !t->job.busy &&
		    (!last || t->failing_ns >= last->failing_ns))
			last = t;
	}
	if (!last)
		return;
	nr = pages_find(&p->pages, last->gfn);
	if (p->pages.page[nr].state != PAGE_READING)
		return;
	p->pagein.turned_ns = p->now_ns;
	p->pagein.failing--;
	p->pagein.used--;
	last->failing_ns = 0;
	last->used = false;
	last->slot = SLOT_NONE;
	pages_event(&p->pages, nr, PE_AGAIN);
	pages_queue(&p->pages, nr);
}

void pagein_run(struct pager *p)
{
	struct transfer *t;
	uint32_t nr;

	take_turns(p);
	while ((t = transfers_get(p->pagein.in, p->pagein.nr))) {
		nr = pages_dequeue(&p->pages);
		if (nr == PAGE_NONE)
			break;
		pagein_begin(p, t, nr);
	}
}

static void read_again(struct pager *p, struct transfer *t, uint32_t nr)
{
	if (p->now_ns < t->again_ns)
		return;
	/* The guest has given it away meanwhile. */
	if (p->pages.page[nr].state == PAGE_DROPPED)
		have(p, t, nr);
	else
		io_submit(p->io, &t->job);
}

void pagein_retry(struct pager *p)
{
	unsigned int i;
	uint32_t nr;

	for (i = 0; i < p->pagein.nr; i++) {
		struct transfer *t = &p->pagein.in[i];

		if (!t->used || t->job.busy)
			continue;
		nr = pages_find(&p->pages, t->gfn);
		if (p->pages.page[nr].state != PAGE_LOADING) {
			read_again(p, t, nr);
			continue;
		}
		pagein_load(p, t, nr);
		p->pagein.waiting -= !t->used;
	}
}

uint64_t pagein_retry_ns(const struct pager *p)
{
	uint64_t next = p->pagein.waiting ? p->now_ns + RETRY_NS : UINT64_MAX;
	unsigned int i;

	for (i = 0; i < p->pagein.nr && p->pagein.failing; i++) {
		const struct transfer *t = &p->pagein.in[i];

		if (t->failing_ns && t->again_ns < next)
			next = t->again_ns;
	}
	return next;
}

void pagein_forget(struct pager *p, uint32_t nr)
{
	uint64_t gfn = pages_gfn(&p->pages, nr);
	unsigned int i;

	for (i = 0; i < p->pagein.nr; i++) {
		struct transfer *t = &p->pagein.in[i];

		if (t->used && !t->job.busy && t->gfn == gfn) {
			pagein_over(p, t, nr);
			p->pagein.waiting--;
			return;
		}
	}
}
