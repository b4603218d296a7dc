// SPDX-License-Identifier: GPL-2.0
/*
 * Going on with a domain whose pager has died, by the page file that it left.
 *
 * The domain is paused meanwhile. Of each page that has a record Xen tells whether
 * it is there (XENMEM_paging_op_prep without content fails in different ways); if
 * so, the record is old. If not, the page may have been touched already: then Xen
 * lets its vCPU spin and sends no other request. There is no word for "ask me
 * again" either. So each missing page is reset: given back without its content,
 * which nobody sees, and taken away again. Those under way are noted in the file,
 * for what lies there then looks like a page of the guest, and isn't.
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

static void forget(struct pager *p, uint32_t nr)
{
	pages_event(&p->pages, nr, PE_DROP);
	pagein_free_slot(p, nr);
}

/* It is there, and may be nominated; so long its record stays. */
static int settle(struct pager *p, uint32_t nr)
{
	unsigned int tries = 0;
	int rc;

	do {
		rc = p->xen->ops->settle(p->xen, pages_gfn(&p->pages, nr));
		if (!rc)
			forget(p, nr);
		clear_ring(p);
	} while (rc == -EAGAIN && ++tries < RESET_TRIES);
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

/* Pages of which each one is out. */
static int reset(struct pager *p, struct pagefile_resets *resets)
{
	uint64_t i;
	int rc = pagefile_note_resets(&p->file, resets);

	for (i = 0; i < resets->nr && !rc; i++) {
		rc = load_nothing(p, resets->gfn[i]);
		if (!rc)
			rc = p->xen->ops->nominate(p->xen, resets->gfn[i]);
		if (!rc)
			rc = p->xen->ops->evict(p->xen, resets->gfn[i]);
	}
	if (!rc)
		resets->nr = 0;
	return rc;
}

/* A takeover before this one has died in reset(). */
static int finish_resets(struct pager *p)
{
	struct pagefile_resets resets = { 0 };
	uint64_t i;
	int rc = pagefile_noted_resets(&p->file, &resets);

	for (i = 0; i < resets.nr && !rc; i++) {
		/* One or both of them may have been done, or need not be. */
		p->xen->ops->nominate(p->xen, resets.gfn[i]);
		p->xen->ops->evict(p->xen, resets.gfn[i]);
		if (p->xen->ops->prep(p->xen, resets.gfn[i]) != -EINVAL)
			rc = -EBUSY;
	}
	return rc;
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

static int find_pages(struct pager *p)
{
	struct pagefile_resets resets = { 0 };
	uint32_t nr;
	uint64_t gfn;
	int rc = 0;

	for (nr = 0; nr < p->pages.offer.total && !rc; nr++) {
		if (p->pages.page[nr].state != PAGE_OUT)
			continue;
		gfn = pages_gfn(&p->pages, nr);
		if (p->xen->ops->prep(p->xen, gfn) != -EINVAL) {
			rc = settle(p, nr);
			continue;
		}
		resets.gfn[resets.nr++] = gfn;
		if (resets.nr == PAGEFILE_RESETS)
			rc = reset(p, &resets);
	}
	if (!rc)
		rc = reset(p, &resets);
	/* None is under way any more. */
	return rc ? rc : pagefile_note_resets(&p->file, &resets);
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
	rc = finish_resets(p);
	return rc ? rc : find_pages(p);
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
