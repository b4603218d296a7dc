// SPDX-License-Identifier: GPL-2.0
/*
 * Going on with a domain whose pager has died, by the page file that it left.
 *
 * The domain is paused meanwhile. Of each page that has a record Xen tells whether
 * it is there (XENMEM_paging_op_prep without content fails in different ways); if
 * so, the record is old. If not, the page may have been touched already: then Xen
 * lets its vCPU spin and sends no other request. There is no word for "ask me
 * again" either. So each missing page is reset: given back without its content,
 * which nobody sees, and taken away again. The one under way is noted in the file,
 * for what lies there then looks like a page of the guest, and isn't.
 *
 * Pages without a record are all there, but some may be nominated.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adopt.h"
#include "exitcode.h"
#include "log.h"
#include "pager.h"

#define RESET_TRIES	300
#define RESET_NAP_US	100000

static const uint8_t nothing[XEN_PAGE];

/* Whoever finds it there is not alone: the file in use by the domain's pager. */
static void owner(const struct pager *p, char *path, char *value, size_t size)
{
	struct stat st = { 0 };

	fstat(p->file.fd, &st);
	snprintf(path, size, "/local/domain/%u/memory/pvfault-pagefile", p->xen->domid);
	snprintf(value, size, "%" PRIu64 ":%" PRIu64, (uint64_t)st.st_dev,
		 (uint64_t)st.st_ino);
}

int adopt_claim(struct pager *p)
{
	char path[80], value[80], *other;
	bool foreign;
	int rc;

	owner(p, path, value, sizeof(path));
	other = p->xen->ops->read(p->xen, path);
	foreign = p->file.adopt && other && strcmp(other, value);
	free(other);
	if (foreign)
		return give_up(EXIT_PAGEFILE,
			       "page file %s is a copy or out of date: the pages of domain %u are in another one",
			       p->file.path, p->xen->domid);
	rc = p->xen->ops->write(p->xen, path, value);
	if (rc)
		return give_up(EXIT_DENIED, "%s of XenStore can't be written: %s", path,
			       strerror(-rc));
	return 0;
}

/* Requests that settling makes itself; nobody else is there to send one. */
static void clear_ring(struct pager *p)
{
	faults_run(p);
	p->xen->ops->flush_answers(p->xen);
}

static int settle(struct pager *p, uint64_t gfn, uint32_t nr)
{
	unsigned int tries = 0;
	int rc;

	do {
		rc = p->xen->ops->settle(p->xen, gfn, nr);
		clear_ring(p);
	} while (nr == 1 && rc == -EAGAIN && ++tries < RESET_TRIES);
	return rc;
}

static int load_nothing(struct pager *p, uint64_t gfn)
{
	unsigned int tries;
	int rc = -ENOMEM;

	for (tries = 0; tries < RESET_TRIES && rc == -ENOMEM; tries++) {
		rc = p->xen->ops->load(p->xen, gfn, nothing);
		if (rc != -ENOMEM)
			break;
		if (!tries)
			say("Xen has no memory for a single page of domain %u, which stays paused until it has",
			    p->xen->domid);
		usleep(RESET_NAP_US);
	}
	return rc;
}

static int reset(struct pager *p, uint64_t gfn)
{
	int rc = pagefile_note_reset(&p->file, gfn);

	if (!rc)
		rc = load_nothing(p, gfn);
	if (!rc)
		rc = p->xen->ops->nominate(p->xen, gfn);
	if (!rc)
		rc = p->xen->ops->evict(p->xen, gfn);
	return rc;
}

/* A takeover before this one has died in reset(). */
static int finish_reset(struct pager *p)
{
	uint64_t gfn;
	int rc = pagefile_noted_reset(&p->file, &gfn);

	if (rc || gfn == UINT64_MAX)
		return rc;
	/* One or both of them may have been done, or need not be. */
	p->xen->ops->nominate(p->xen, gfn);
	p->xen->ops->evict(p->xen, gfn);
	return p->xen->ops->prep(p->xen, gfn) == -EINVAL ? 0 : -EBUSY;
}

static void forget(struct pager *p, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_DROP);
	pagefile_put(&p->file, p->pages.page[nr].slot);
	p->pages.page[nr].slot = SLOT_NONE;
}

/* What the table of places says. */
static void assign(struct pager *p)
{
	struct pagefile *f = &p->file;
	uint32_t slot, other, nr;

	for (slot = 0; slot < f->made; slot++) {
		if (f->slot[slot].gfn == ~0ULL)
			continue;
		nr = pages_find(&p->pages, f->slot[slot].gfn);
		other = nr == PAGE_NONE ? SLOT_NONE : p->pages.page[nr].slot;
		if (nr == PAGE_NONE ||
		    (other != SLOT_NONE && f->slot[other].sequence > f->slot[slot].sequence)) {
			pagefile_put(f, slot);
			continue;
		}
		if (other != SLOT_NONE)
			pagefile_put(f, other);
		else
			pages_event(&p->pages, nr, PE_ADOPT);
		p->pages.page[nr].slot = slot;
	}
}

static int find_recorded(struct pager *p)
{
	uint32_t nr;
	uint64_t gfn;
	int rc;

	for (nr = 0; nr < p->pages.offer.total; nr++) {
		if (p->pages.page[nr].state != PAGE_OUT)
			continue;
		gfn = pages_gfn(&p->pages, nr);
		if (p->xen->ops->prep(p->xen, gfn) == -EINVAL) {
			rc = reset(p, gfn);
			if (rc)
				return rc;
			continue;
		}
		forget(p, nr);
		rc = settle(p, gfn, 1);
		if (rc)
			return rc;
	}
	return pagefile_note_reset(&p->file, UINT64_MAX);
}

static int missing(struct pager *p, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_MISS);
	p->stats.lost++;
	if (p->crashed)
		return 0;
	say("page %#llx of domain %u is out, and page file %s knows nothing of it; the domain is made to crash",
	    (unsigned long long)pages_gfn(&p->pages, nr), p->xen->domid, p->file.path);
	p->crashed = true;
	return p->xen->ops->crash(p->xen);
}

/* @count pages from @nr on, side by side and without a record. */
static int settle_run(struct pager *p, uint32_t nr, uint32_t count)
{
	int rc = settle(p, pages_gfn(&p->pages, nr), count);

	if (!rc)
		return 0;
	if (count == 1)
		return rc == -EINVAL ? missing(p, nr) : rc;
	rc = settle_run(p, nr, count / 2);
	return rc ? rc : settle_run(p, nr + count / 2, count - count / 2);
}

static int find_nominated(struct pager *p)
{
	const struct offer *o = &p->pages.offer;
	uint32_t nr, end, first;
	unsigned int i;
	int rc;

	for (i = 0; i < o->nr; i++) {
		end = o->range[i].first + o->range[i].count;
		for (nr = first = o->range[i].first; nr <= end; nr++) {
			if (nr < end && p->pages.page[nr].slot == SLOT_NONE)
				continue;
			rc = nr > first ? settle_run(p, first, nr - first) : 0;
			if (rc)
				return rc;
			first = nr + 1;
		}
	}
	return 0;
}

static int adopt_pages(struct pager *p)
{
	struct offer offer;
	int rc;

	pagefile_offer(&p->file, &offer);
	rc = pagefile_read_table(&p->file);
	if (!rc)
		rc = pages_init(&p->pages, &offer);
	if (rc)
		return rc;
	assign(p);
	rc = finish_reset(p);
	if (!rc)
		rc = find_recorded(p);
	if (!rc)
		rc = find_nominated(p);
	return rc;
}

static int come_in(struct pager *p)
{
	bool paused = p->file.header->state == PAGEFILE_TAKEN && p->domain.paused;
	int rc;

	/* First, so that its pause isn't taken for somebody else's. */
	rc = pagefile_set_state(&p->file, PAGEFILE_TAKEN);
	if (!rc && !paused)
		rc = p->xen->ops->pause(p->xen);
	if (!rc)
		rc = p->xen->ops->takeover(p->xen);
	if (rc != -EUSERS)
		return rc;
	p->xen->ops->unpause(p->xen);
	pagefile_set_state(&p->file, PAGEFILE_USED);
	return rc;
}

int adopt(struct pager *p)
{
	uint64_t since_ns = now_ns();
	int rc = come_in(p);

	if (rc == -EUSERS)
		return give_up(EXIT_BUSY,
			       "more vCPUs of domain %u wait for their pager than Xen's ring has places, so that no other can take over; destroy it",
			       p->xen->domid);
	if (!rc)
		rc = adopt_pages(p);
	if (!rc)
		rc = p->xen->ops->unpause(p->xen);
	/* From here on it may change. */
	if (!rc)
		rc = pagefile_set_state(&p->file, PAGEFILE_USED);
	if (rc)
		return give_up(EXIT_TROUBLE,
			       "domain %u can't be taken over: %s; it stays paused, and its pages are in %s: try again",
			       p->xen->domid, strerror(-rc), p->file.path);
	p->stats.adopted = pages_away(&p->pages);
	p->adopted = p->stats.adopted;
	say("domain %u is taken over from a pager that died: %u pages are out; it stood still for %" PRIu64 " ms%s",
	    p->xen->domid, pages_away(&p->pages), (now_ns() - since_ns) / 1000000,
	    p->file.torn ? ", records half written were no use" : "");
	if (!p->adopted)
		pages_free(&p->pages);
	return 0;
}
