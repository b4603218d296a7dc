// SPDX-License-Identifier: GPL-2.0
/* Pages on their way back, see pagein.h. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pager.h"

/* An error may be gone, and a wrong page may be right, at the second time. */
#define READ_TRIES	3
#define COMPLAIN_NS	10000000000ULL

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

static void over(struct pager *p, struct transfer *t, uint32_t nr)
{
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
	device_error(p, "page %#llx of the domain is lost, for the page file %s; the domain is made to crash",
		     (unsigned long long)gfn, why);
	if (!p->crashed && p->xen->ops->crash(p->xen))
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
		over(p, t, nr);
		return;
	}
	pages_event(&p->pages, nr, PE_LOSE);
	/* Its place stays taken: nobody may write there. */
	t->used = false;
	t->slot = SLOT_NONE;
	p->pagein.used--;
	crash(p, t->gfn, why);
}

static void load(struct pager *p, struct transfer *t, uint32_t nr)
{
	int rc = p->xen->ops->load(p->xen, t->gfn, t->job.buf);

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
		/* A drain tells it in its own words. */
		if (p->bring == BRING_NONE &&
		    p->now_ns - p->pagein.complained_ns >= COMPLAIN_NS) {
			p->pagein.complained_ns = p->now_ns;
			say("Xen has no memory to bring back a page of domain %u, which waits",
			    p->xen->domid);
		}
		return;
	default:
		chat("page %#llx can't be loaded: %s", (unsigned long long)t->gfn,
		     strerror(-rc));
		return;
	}
	pages_event(&p->pages, nr, PE_LOAD);
	if (p->pages.page[nr].waiter != WAITER_NONE)
		p->policy.ops->brought_back(&p->policy, &p->pages, nr);
	over(p, t, nr);
	faults_wake(p, nr);
}

static void have(struct pager *p, struct transfer *t, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_DATA);
	if (p->pages.page[nr].state == PAGE_RESIDENT) {
		over(p, t, nr);
		return;
	}
	load(p, t, nr);
	p->pagein.waiting += t->used;
}

static void read_done(struct io_job *job, int result)
{
	struct transfer *t = (struct transfer *)job;
	struct pager *p = t->pager;
	uint32_t nr = pages_find(&p->pages, t->gfn);
	bool good;

	if (p->gone) {
		t->used = false;
		return;
	}
	good = !result && pagefile_check(&p->file, t->slot, t->gfn, job->buf);
	if (!good && p->pages.page[nr].state == PAGE_READING) {
		p->stats.read_errors++;
		if (++t->tries < READ_TRIES) {
			io_submit(p->io, job);
			return;
		}
	}
	if (!good) {
		lose(p, t, nr, result ? "can't be read" : "holds something else");
		return;
	}
	have(p, t, nr);
}

int pagein_init(struct pager *p, unsigned int depth)
{
	p->pagein.nr = depth;
	p->pagein.used = 0;
	p->pagein.waiting = 0;
	p->pagein.complained_ns = p->now_ns - COMPLAIN_NS;
	return transfers_init(p, p->pagein.in, depth, false, read_done);
}

void pagein_free(struct pager *p)
{
	transfers_free(p->pagein.in, p->pagein.nr);
}

static void begin(struct pager *p, struct transfer *t, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_READ);
	t->used = true;
	t->tries = 0;
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
	/* What needn't be read can be there at once. */
	t = asked && pagefile_zeroes(&p->file, p->pages.page[nr].slot) ?
	    transfers_get(p->pagein.in, p->pagein.nr) : NULL;
	if (t)
		begin(p, t, nr);
	else
		pages_queue(&p->pages, nr);
}

void pagein_run(struct pager *p)
{
	struct transfer *t;
	uint32_t nr;

	while ((t = transfers_get(p->pagein.in, p->pagein.nr))) {
		nr = pages_dequeue(&p->pages);
		if (nr == PAGE_NONE)
			break;
		begin(p, t, nr);
	}
}

void pagein_retry(struct pager *p)
{
	unsigned int i;

	for (i = 0; i < p->pagein.nr && p->pagein.waiting; i++) {
		struct transfer *t = &p->pagein.in[i];

		if (!t->used || t->job.busy)
			continue;
		load(p, t, pages_find(&p->pages, t->gfn));
		p->pagein.waiting -= !t->used;
	}
}

void pagein_forget(struct pager *p, uint32_t nr)
{
	uint64_t gfn = pages_gfn(&p->pages, nr);
	unsigned int i;

	for (i = 0; i < p->pagein.nr; i++) {
		struct transfer *t = &p->pagein.in[i];

		if (t->used && !t->job.busy && t->gfn == gfn) {
			over(p, t, nr);
			p->pagein.waiting--;
			return;
		}
	}
}
