// SPDX-License-Identifier: GPL-2.0
/*
 * Pages on their way out, see evict.h.
 *
 * nominate, copy, write, wait for that, write its record, evict. The guest may take the page back
 * at any moment until it is evicted; Xen then refuses to evict it. A nominated
 * page that isn't evicted must not stay so: Xen crashes the domain when it is
 * touched after paging was disabled. There is no un-nominate, see settle in
 * xenif.h; a page that can't be settled at once is in @settling until it can,
 * and nothing is nominated meanwhile.
 */

#include <errno.h>
#include <string.h>

#include "log.h"
#include "pager.h"

#define FULL_NS		30000000000ULL	/* look again if there is room */
#define NOMINATE_TRIES	64	/* in one go; few, because touches wait meanwhile */
#define EXHAUSTED_NS	1000000000ULL	/* look again if something can go */

static void evict_over(struct pager *p, struct transfer *t, uint32_t nr)
{
	if (t->slot != SLOT_NONE)
		pagefile_put(&p->file, t->slot);
	t->slot = SLOT_NONE;
	t->used = false;
	p->evict.used--;
	p->pages.page[nr].slot = SLOT_NONE;
}

/* Return: whether it is settled. */
static bool evict_settle(struct pager *p, uint64_t gfn)
{
	uint32_t nr = pages_find(&p->pages, gfn);
	int rc;

	/* A touch may have settled it, and a new offer forgotten it. */
	if (nr == PAGE_NONE || p->pages.page[nr].state != PAGE_SETTLING)
		return true;
	rc = xenif_settle(p->xen, gfn);
	if (rc) {
		if (rc != -EAGAIN)
			chat("page %#llx can't be put back: %s", (unsigned long long)gfn,
			     strerror(-rc));
		return false;
	}
	p->stats.put_back++;
	pager_came_back(p, gfn);
	pagein_free_slot(p, nr);
	pages_event(&p->pages, nr, PE_SETTLE);
	p->policy.ops->refused(&p->policy, &p->pages, nr);
	return true;
}

/* It was nominated, and doesn't go. Its record stays as long as it is nominated. */
static void refuse(struct pager *p, struct transfer *t, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_REFUSE);
	t->slot = SLOT_NONE;
	t->used = false;
	p->evict.used--;
	if (!evict_settle(p, t->gfn))
		p->evict.settling[p->evict.nr_settling++] = t->gfn;
}

static void write_failed(struct pager *p, int error)
{
	p->stats.write_errors++;
	p->evict.not_before_ns = p->now_ns + FULL_NS;
	if (p->evict.full)
		return;
	p->evict.full = true;
	if (error == -ENOSPC || error == -EDQUOT || error == -EFBIG)
		say("page file %s can't grow, because the disk is full or a limit is reached; no more pages are taken until it can",
		    p->file.path);
	else
		say("page file %s can't be written: %s; no more pages are taken until it can",
		    p->file.path, strerror(-error));
}

/* Its copy is safe: let Xen take it, unless something has changed meanwhile. */
static void evict_finish(struct pager *p, struct transfer *t, uint32_t nr)
{
	bool stays = p->bring == BRING_ALL || p->pages.page[nr].keep_in;

	if (!stays)
		pagefile_commit(&p->file, t->slot);
	if (stays || xenif_evict(p->xen, t->gfn)) {
		refuse(p, t, nr);
		return;
	}
	pages_event(&p->pages, nr, PE_EVICT);
	p->pages.page[nr].slot = t->slot;
	p->stats.evictions++;
	p->evicted++;
	t->slot = SLOT_NONE;
	t->used = false;
	p->evict.used--;
}

static void write_done(struct io_job *job, int result)
{
	struct transfer *t = (struct transfer *)job;
	struct pager *p = t->pager;
	uint32_t nr = pages_find(&p->pages, t->gfn);

	if (p->gone) {
		t->used = false;
		return;
	}
	if (result) {
		write_failed(p, result);
	} else if (p->evict.full && p->now_ns >= p->evict.not_before_ns) {
		/* This write began after the failure, so the file is good again. */
		p->evict.full = false;
		say("page file %s can be written again", p->file.path);
	}
	pages_event(&p->pages, nr, PE_WRITTEN);
	if (p->pages.page[nr].state == PAGE_RESIDENT)
		evict_over(p, t, nr);
	else if (result)
		refuse(p, t, nr);
	else
		t->written = true;
}

/*
 * dom0 may write to a nominated page, and Xen doesn't report it. A page that has changed
 * since it was copied stays. A write between this check and the eviction is still lost,
 * but that time no longer includes the write to the page file.
 */
void evict_written(struct pager *p)
{
	static _Alignas(XEN_PAGE) uint8_t now[MAX_TRANSFERS][XEN_PAGE];
	struct transfer *batch[MAX_TRANSFERS];
	uint64_t gfn[MAX_TRANSFERS];
	void *to[MAX_TRANSFERS];
	int err[MAX_TRANSFERS];
	unsigned int i, n = 0;

	for (i = 0; i < p->evict.nr; i++) {
		struct transfer *t = &p->evict.out[i];
		uint32_t nr;

		if (!t->written)
			continue;
		t->written = false;
		nr = pages_find(&p->pages, t->gfn);
		if (p->pages.page[nr].state == PAGE_CANCELLED) {
			pages_event(&p->pages, nr, PE_WRITTEN);
			evict_over(p, t, nr);
			continue;
		}
		gfn[n] = t->gfn;
		to[n] = now[n];
		batch[n++] = t;
	}
	if (n)
		xenif_copy(p->xen, n, gfn, to, err);
	for (i = 0; i < n; i++) {
		uint32_t nr = pages_find(&p->pages, gfn[i]);

		if (!err[i] && !memcmp(now[i], batch[i]->job.buf, XEN_PAGE)) {
			evict_finish(p, batch[i], nr);
			continue;
		}
		p->stats.changed += !err[i];
		refuse(p, batch[i], nr);
	}
}

int evict_init(struct pager *p, unsigned int depth)
{
	p->evict.nr = depth;
	p->evict.used = 0;
	p->evict.nr_settling = 0;
	p->evict.not_before_ns = 0;
	p->evict.full = false;
	return transfers_init(p, p->evict.out, depth, true, write_done);
}

void evict_free(struct pager *p)
{
	transfers_free(p->evict.out, p->evict.nr);
}

/* Return: a transfer for a page that has been nominated, or NULL. */
static struct transfer *nominate(struct pager *p)
{
	struct transfer *t = transfers_get(p->evict.out, p->evict.nr);
	uint32_t slot, nr = PAGE_NONE;
	unsigned int tries;

	if (!t)
		return NULL;
	slot = pagefile_get(&p->file);
	if (slot == SLOT_NONE) {
		write_failed(p, -errno);
		return NULL;
	}
	for (tries = 0; tries < NOMINATE_TRIES; tries++) {
		nr = p->policy.ops->victim(&p->policy, &p->pages);
		if (nr == PAGE_NONE)
			break;
		t->gfn = pages_gfn(&p->pages, nr);
		pagefile_note_nominated(&p->file, slot, t->gfn);
		if (!xenif_nominate(p->xen, t->gfn))
			break;
		/* In use by Xen or a driver domain, or the guest gave it away. */
		p->stats.refused++;
		p->policy.ops->refused(&p->policy, &p->pages, nr);
		nr = PAGE_NONE;
	}
	if (nr == PAGE_NONE) {
		pagefile_put(&p->file, slot);
		return NULL;
	}
	p->stats.nominations++;
	p->policy.tried = 0;
	pages_event(&p->pages, nr, PE_NOMINATE);
	t->slot = slot;
	t->used = true;
	p->pages.page[nr].slot = slot;
	p->evict.used++;
	return t;
}

/* Copy all at once, because a mapping costs more than a copy. */
static void copy(struct pager *p, struct transfer **t, unsigned int nr)
{
	uint64_t gfn[MAX_TRANSFERS];
	void *to[MAX_TRANSFERS];
	int err[MAX_TRANSFERS];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		gfn[i] = t[i]->gfn;
		to[i] = t[i]->job.buf;
	}
	xenif_copy(p->xen, nr, gfn, to, err);
	for (i = 0; i < nr; i++) {
		if (err[i]) {
			refuse(p, t[i], pages_find(&p->pages, gfn[i]));
			continue;
		}
		/* Most of the memory that a guest hasn't used yet is zero. */
		if (pagefile_is_zero(to[i])) {
			pagefile_seal_zeroes(&p->file, t[i]->slot, gfn[i]);
			p->stats.zero_outs++;
			evict_finish(p, t[i], pages_find(&p->pages, gfn[i]));
			continue;
		}
		pagefile_seal(&p->file, t[i]->slot, gfn[i], to[i]);
		t[i]->job.offset = pagefile_offset(&p->file, t[i]->slot);
		io_submit(p->io, &t[i]->job);
	}
}

void evict_run(struct pager *p, uint64_t want)
{
	struct transfer *batch[MAX_TRANSFERS];
	unsigned int n = 0;

	if (want <= p->evict.used || p->evict.nr_settling ||
	    p->now_ns < p->evict.not_before_ns)
		return;
	want -= p->evict.used;
	/* One mapping for many: that is two thirds of what an eviction costs. */
	if (want < p->evict.nr / 2 && !p->evict.few && !p->pagein.waiting)
		return;
	p->evict.few = false;
	/* When the file was broken, one page finds out if it still is. */
	if (p->evict.full && want > 1)
		want = p->evict.used ? 0 : 1;
	while (n < want && n < MAX_TRANSFERS) {
		batch[n] = nominate(p);
		if (!batch[n])
			break;
		n++;
	}
	if (n)
		copy(p, batch, n);
	/* Looked at all of them, and once more at those spared. */
	if (p->policy.tried >= 2ULL * p->pages.offer.total) {
		p->policy.tried = 0;
		p->evict.not_before_ns = p->now_ns + EXHAUSTED_NS;
	} else if (n < want && p->evict.used < p->evict.nr &&
		   p->now_ns >= p->evict.not_before_ns) {
		p->busy = true;
	}
}

void evict_retry(struct pager *p)
{
	unsigned int i, left = 0;

	for (i = 0; i < p->evict.nr_settling; i++)
		if (!evict_settle(p, p->evict.settling[i]))
			p->evict.settling[left++] = p->evict.settling[i];
	p->evict.nr_settling = left;
}
