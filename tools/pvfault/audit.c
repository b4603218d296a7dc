// SPDX-License-Identifier: GPL-2.0
/* Pages that are out and not known, see audit.h. */

#include <errno.h>
#include <inttypes.h>

#include "audit.h"
#include "log.h"
#include "pager.h"

#define AUDIT_STEPS	16384	/* pages to ask for in one round */
#define AUDIT_NS	10000000000ULL

/* Without the page's content Xen can't prepare one that is out, and says EINVAL. */
static bool is_out(struct pager *p, uint64_t gfn)
{
	return xenif_prep(p->xen, gfn) == -EINVAL;
}

static bool is_known(const struct pager *p, uint64_t gfn)
{
	uint32_t nr = pages_find(&p->pages, gfn);

	return nr != PAGE_NONE && p->pages.page[nr].state != PAGE_RESIDENT;
}

/* Return: whether all have been asked for. */
static bool ask_for(struct pager *p, uint64_t steps)
{
	struct audit *a = &p->audit;

	for (; steps && a->next <= p->domain.max_gfn; steps--, a->next++) {
		if (is_known(p, a->next) || !is_out(p, a->next))
			continue;
		if (!a->found++)
			a->first = a->next;
	}
	if (a->next <= p->domain.max_gfn)
		return false;
	a->next = 0;
	a->unknown = a->found;
	a->found = 0;
	return true;
}

static int64_t surplus(const struct pager *p)
{
	return p->domain.paged_pages - p->audit.bias - pages_away(&p->pages);
}

int audit_all(struct pager *p)
{
	int rc = xenif_domain(p->xen, &p->domain);

	if (rc || !surplus(p))
		return rc;
	p->audit.next = 0;
	ask_for(p, UINT64_MAX);
	if (p->audit.unknown)
		return -ENODATA;
	p->audit.bias += surplus(p);
	return 0;
}

bool audit_home(struct pager *p)
{
	struct audit *a = &p->audit;
	int rc;

	if (p->gone)
		return true;
	if (p->now_ns < a->again_ns)
		return false;
	if (!a->next) {
		rc = xenif_domain(p->xen, &p->domain);
		if (!rc && !surplus(p) && !a->unknown)
			return true;
		/* After an error there may still be some. */
		if (rc) {
			a->again_ns = p->now_ns + AUDIT_NS;
			return false;
		}
	}
	p->busy = true;
	if (!ask_for(p, AUDIT_STEPS))
		return false;
	if (!a->unknown) {
		a->bias += surplus(p);
		return true;
	}
	a->again_ns = p->now_ns + AUDIT_NS;
	device_error(p, "%" PRIu64 " pages are out of which page file %s knows nothing, page %#" PRIx64 " for one; paging goes on, because the domain would crash without",
		     a->unknown, p->file.path, a->first);
	return false;
}
