// SPDX-License-Identifier: GPL-2.0
/*
 * Going on with a domain whose pager has died, by the page file that it left.
 *
 * The domain is paused meanwhile. For each page that has a record, Xen is asked whether
 * it is there: XENMEM_paging_op_prep without content fails in different ways. If it is
 * there, the record is old. If it is out, it may have been touched already; then Xen lets
 * its vCPU spin, sends no other request, and can't be asked to. So each page that is out
 * is renewed: given back as it was, and taken away again. A driver domain, which the pause
 * doesn't stop, may touch it in between; and so may the domain itself, if this pager is
 * killed and an operator unpauses the domain. Both find the right data, and a page that
 * they change stays in the guest.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adopt.h"
#include "exitcode.h"
#include "log.h"
#include "pager.h"

unsigned int adopt_nap_us = 1000000;

#define SETTLE_TRIES	300
#define BATCH		64	/* places to read at once */

/* The contents of places that lie side by side, and of the pages. For a takeover alone. */
static _Alignas(XEN_PAGE) uint8_t place[BATCH][XEN_PAGE], copy[BATCH][XEN_PAGE];

/**
 * struct batch - pages that are being renewed
 * @nr: how many have been loaded and nominated
 * @page: which ones
 * @content: what was loaded
 */
struct batch {
	unsigned int nr;
	uint32_t page[BATCH];
	const uint8_t *content[BATCH];
};

static const uint8_t zeroes[XEN_PAGE];

/* XenStore node that names the page file in use, so that a second pager notices. */
static void owner(const struct pager *p, char *path, char *value, size_t size)
{
	struct stat st = { 0 };

	fstat(p->file.fd, &st);
	snprintf(path, size, "/local/domain/%u/memory/pvfault-pagefile", p->xen->domid);
	snprintf(value, size, "%" PRIu64 ":%" PRIu64, (uint64_t)st.st_dev,
		 (uint64_t)st.st_ino);
}

int adopt_check(struct pager *p)
{
	char path[80], value[80], *other;
	bool foreign;

	if (!p->file.adopt)
		return 0;
	owner(p, path, value, sizeof(path));
	other = xenif_read(p->xen, path);
	if (!other && errno != ENOENT)
		return give_up(EXIT_DENIED, "%s of XenStore can't be read: %s", path,
			       strerror(errno));
	foreign = other && strcmp(other, value);
	free(other);
	if (foreign)
		return give_up(EXIT_PAGEFILE,
			       "page file %s is a copy or out of date: the pages of domain %u are in another one",
			       p->file.path, p->xen->domid);
	return 0;
}

int adopt_claim(struct pager *p)
{
	char path[80], value[80];
	int rc;

	owner(p, path, value, sizeof(path));
	rc = xenif_write(p->xen, path, value);
	if (rc)
		return give_up(EXIT_DENIED, "%s of XenStore can't be written: %s", path,
			       strerror(-rc));
	return 0;
}

void adopt_unclaim(struct pager *p)
{
	char path[80], value[80];

	owner(p, path, value, sizeof(path));
	if (xenif_remove(p->xen, path))
		chat("%s of XenStore can't be removed", path);
}

/* The requests that settling itself causes; the paused domain sends none. */
static void clear_ring(struct pager *p)
{
	faults_run(p);
	xenif_flush_answers(p->xen);
}

static void forget(struct pager *p, uint32_t nr)
{
	pager_came_back(p, pages_gfn(&p->pages, nr));
	pages_event(&p->pages, nr, PE_DROP);
	pagein_free_slot(p, nr);
}

/* The page is there but may still be nominated. Keep its record until Xen has it back. */
static int adopt_settle(struct pager *p, uint32_t nr)
{
	unsigned int tries = 0;
	int rc;

	do {
		rc = xenif_settle(p->xen, pages_gfn(&p->pages, nr));
		if (!rc)
			forget(p, nr);
		clear_ring(p);
	} while (rc == -EAGAIN && ++tries < SETTLE_TRIES);
	return rc;
}

/* Take away again the pages that are still as they were loaded. All others stay. */
static int take_away(struct pager *p, struct batch *b)
{
	uint64_t gfn[BATCH];
	void *to[BATCH];
	int err[BATCH], rc = 0;
	unsigned int i;

	for (i = 0; i < b->nr; i++) {
		gfn[i] = pages_gfn(&p->pages, b->page[i]);
		to[i] = copy[i];
	}
	if (b->nr)
		xenif_copy(p->xen, b->nr, gfn, to, err);
	for (i = 0; i < b->nr && !rc; i++)
		if (err[i] || memcmp(copy[i], b->content[i], XEN_PAGE) ||
		    xenif_evict(p->xen, gfn[i]))
			rc = adopt_settle(p, b->page[i]);
	b->nr = 0;
	return rc;
}

static int adopt_load(struct pager *p, struct batch *b, uint64_t gfn, const void *content)
{
	int rc = xenif_load(p->xen, gfn, content);

	if (rc != -ENOMEM || !b->nr)
		return rc;
	/* Each page that goes out makes room for another one. */
	rc = take_away(p, b);
	return rc ? rc : xenif_load(p->xen, gfn, content);
}

/* It comes back without a touch, or is lost, when the domain runs again. */
static int later(struct pager *p, uint32_t nr)
{
	pagein_want(p, nr, false);
	return 0;
}

/* A page that is out; @content comes from its place in the file. */
static int renew(struct pager *p, struct batch *b, uint32_t nr, const uint8_t *content)
{
	uint32_t slot = p->pages.page[nr].slot;
	uint64_t gfn = pages_gfn(&p->pages, nr);
	int rc;

	if (pagefile_zeroes(&p->file, slot))
		content = zeroes;
	else if (!pagefile_check(&p->file, slot, gfn, content))
		return later(p, nr);
	rc = adopt_load(p, b, gfn, content);
	if (rc == -ENOMEM)
		return later(p, nr);
	if (rc && rc != -ENOENT)
		return rc;
	/* It is in use already, or there for another reason. */
	if (rc || xenif_nominate(p->xen, gfn))
		return adopt_settle(p, nr);
	b->page[b->nr] = nr;
	b->content[b->nr++] = content;
	return 0;
}

/* Read as much as possible; checksums show which places are good. */
static void read_places(struct pagefile *f, uint32_t first, unsigned int nr)
{
	unsigned int i;

	if (pread(f->fd, place, (size_t)nr * XEN_PAGE, pagefile_offset(f, first)) ==
	    (ssize_t)nr * XEN_PAGE)
		return;
	for (i = 0; i < nr; i++)
		if (pread(f->fd, place[i], XEN_PAGE, pagefile_offset(f, first + i)) < 0)
			memset(place[i], 0, XEN_PAGE);
}

/* Read the records of the file's places. None is erased, because it may be the only one. */
static void assign(struct pager *p)
{
	struct pagefile *f = &p->file;
	uint32_t slot, other, nr;

	for (slot = 0; slot < f->made; slot++) {
		nr = f->slot[slot].gfn == ~0ULL ? PAGE_NONE :
		     pages_find(&p->pages, f->slot[slot].gfn);
		if (nr == PAGE_NONE)
			continue;
		other = p->pages.page[nr].slot;
		if (other != SLOT_NONE && f->slot[other].sequence > f->slot[slot].sequence)
			continue;
		if (other == SLOT_NONE)
			pages_event(&p->pages, nr, PE_ADOPT);
		p->pages.page[nr].slot = slot;
	}
}

/* Records that are torn, older than another, or of pages that aren't on offer. */
static void erase_the_rest(struct pager *p)
{
	struct pagefile *f = &p->file;
	uint32_t slot, nr;

	for (slot = 0; slot < f->made; slot++) {
		if (!pagefile_in_use(f, slot))
			continue;
		nr = f->slot[slot].gfn == ~0ULL ? PAGE_NONE :
		     pages_find(&p->pages, f->slot[slot].gfn);
		if (nr == PAGE_NONE || p->pages.page[nr].slot != slot)
			pagefile_put(f, slot);
	}
}

/* Some places of the file: each page is there already, or is renewed. */
static int find_some(struct pager *p, struct batch *b, uint32_t first, unsigned int nr)
{
	uint32_t page[BATCH];
	bool some = false;
	unsigned int i;
	int rc = 0;

	for (i = 0; i < nr && !rc; i++) {
		uint64_t gfn = p->file.slot[first + i].gfn;

		page[i] = gfn == ~0ULL ? PAGE_NONE : pages_find(&p->pages, gfn);
		if (page[i] != PAGE_NONE && p->pages.page[page[i]].slot != first + i)
			page[i] = PAGE_NONE;
		if (page[i] == PAGE_NONE || p->pages.page[page[i]].state != PAGE_OUT)
			continue;
		if (xenif_prep(p->xen, gfn) != -EINVAL)
			rc = adopt_settle(p, page[i]);
		else
			some |= !pagefile_zeroes(&p->file, first + i);
	}
	if (some)
		read_places(&p->file, first, nr);
	for (i = 0; i < nr && !rc; i++)
		if (page[i] != PAGE_NONE && p->pages.page[page[i]].state == PAGE_OUT)
			rc = renew(p, b, page[i], place[i]);
	return rc ? rc : take_away(p, b);
}

static int find_pages(struct pager *p)
{
	struct batch b = { .nr = 0 };
	uint32_t first, nr;
	int rc = 0;

	/* In the order of the file, which is read from one end to the other. */
	for (first = 0; first < p->file.made && !rc; first += nr) {
		nr = p->file.made - first < BATCH ? p->file.made - first : BATCH;
		rc = find_some(p, &b, first, nr);
	}
	return rc;
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
	rc = find_pages(p);
	if (!rc)
		rc = audit_all(p);
	if (!rc)
		erase_the_rest(p);
	return rc;
}

static int let_go(struct pager *p)
{
	int rc = xenif_unpause(p->xen);

	/* It isn't paused any more: another program was faster. */
	return rc == -EINVAL ? 0 : rc;
}

static int come_in(struct pager *p)
{
	bool paused;
	int rc = xenif_domain(p->xen, &p->domain);

	if (rc)
		return rc;
	paused = p->file.header->state == PAGEFILE_TAKEN && p->domain.paused;
	/* First, so that the next pager knows that this pause is a pager's. */
	rc = pagefile_set_state(&p->file, PAGEFILE_TAKEN);
	if (!rc && !paused)
		rc = xenif_pause(p->xen);
	if (!rc)
		rc = xenif_takeover(p->xen);
	if (rc != -EUSERS)
		return rc;
	let_go(p);
	pagefile_set_state(&p->file, PAGEFILE_USED);
	return rc;
}

static int take_over(struct pager *p)
{
	int rc = come_in(p);

	if (!rc)
		rc = adopt_pages(p);
	if (!rc)
		rc = let_go(p);
	/* From here on it may change. */
	return rc ? rc : pagefile_set_state(&p->file, PAGEFILE_USED);
}

/* Is this pager asked to end? The loop, which reads signals, hasn't begun yet. */
static bool asked_to_end(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGTERM) || sigismember(&set, SIGINT);
}

/* Try until it works, because pages are out and no other pager serves them. */
static int take_over_at_last(struct pager *p)
{
	bool said = false;
	int rc;

	for (;;) {
		rc = take_over(p);
		if (!rc || rc == -EUSERS || rc == -ENODATA || rc == -ESRCH)
			return rc;
		if (!said)
			say("domain %u can't be taken over: %s; it stays paused, and this is tried again until it can",
			    p->xen->domid, strerror(-rc));
		said = true;
		if (asked_to_end())
			return rc;
		usleep(adopt_nap_us);
		pages_free(&p->pages);
		pagefile_forget_table(&p->file);
	}
}

int adopt(struct pager *p)
{
	uint64_t since_ns = now_ns();
	int rc = take_over_at_last(p);

	switch (rc) {
	case 0:
		break;
	case -EUSERS:
		return give_up(EXIT_BUSY,
			       "more vCPUs of domain %u wait for their pager than Xen's ring has places, so that no other can take over; destroy it",
			       p->xen->domid);
	case -ENODATA:
		return give_up(EXIT_UNKNOWN,
			       "%" PRIu64 " pages of domain %u are out of which page file %s knows nothing, page %#" PRIx64 " for one; it stays paused, and its file as it is",
			       p->audit.unknown, p->xen->domid, p->file.path,
			       p->audit.first);
	case -ESRCH:
		return give_up(EXIT_NO_DOMAIN, "there is no domain %u any more",
			       p->xen->domid);
	default:
		return give_up(EXIT_TROUBLE,
			       "domain %u can't be taken over: %s; it stays paused, and its pages are in %s: try again",
			       p->xen->domid, strerror(-rc), p->file.path);
	}
	p->stats.adopted = pages_away(&p->pages);
	p->adopted = p->stats.adopted;
	say("domain %u is taken over from a pager that died: %u pages are out; it stood still for %" PRIu64 " ms%s",
	    p->xen->domid, pages_away(&p->pages), (now_ns() - since_ns) / 1000000,
	    p->file.torn ? ", records half written were no use" : "");
	if (!p->adopted)
		pages_free(&p->pages);
	return 0;
}
