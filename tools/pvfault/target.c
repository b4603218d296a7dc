// SPDX-License-Identifier: GPL-2.0
/*
 * How much memory the domain may keep: memory/pvfault-target in the domain's
 * folder of XenStore, in KiB. --target writes it; later changes are followed.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exitcode.h"
#include "log.h"
#include "pager.h"

#define KIB_PER_PAGE	(XEN_PAGE / 1024)
#define MAX_KIB		(1ULL << 44)

static void node_path(const struct pager *p, char *path, size_t size)
{
	snprintf(path, size, "/local/domain/%u/memory/pvfault-target", p->xen->domid);
}

int target_start(struct pager *p)
{
	char path[80], value[24];
	int rc = 0;

	p->target_pages = UINT64_MAX;
	node_path(p, path, sizeof(path));
	if (p->options.target_kib) {
		snprintf(value, sizeof(value), "%" PRIu64, p->options.target_kib);
		rc = xenif_write(p->xen, path, value);
	}
	if (!rc)
		rc = xenif_watch(p->xen, path, WATCH_TARGET);
	if (rc)
		return give_up(EXIT_DENIED, "%s of XenStore can't be used: %s", path,
			       strerror(-rc));
	return 0;
}

void target_changed(struct pager *p)
{
	char path[80], *value;
	uint64_t kib;

	node_path(p, path, sizeof(path));
	value = xenif_read(p->xen, path);
	if (!value && errno == ENOENT) {
		p->target_pages = UINT64_MAX;
	} else if (parse_number(value, 0, MAX_KIB, &kib)) {
		p->target_pages = kib / KIB_PER_PAGE;
		p->evict.not_before_ns = p->evict.full ? p->evict.not_before_ns : 0;
		chat("domain %u may keep %" PRIu64 " KiB", p->xen->domid, kib);
	} else {
		say("memory/pvfault-target of domain %u isn't a number of KiB; the old target stays",
		    p->xen->domid);
	}
	free(value);
}

/* How many pages the domain has: as Xen said last, with what came and went since. */
static uint64_t pages_now(const struct pager *p)
{
	uint64_t now = p->domain.tot_pages + p->loaded;

	return now > p->evicted ? now - p->evicted : 0;
}

const char *target_no_memory(const struct pager *p)
{
	return pages_now(p) >= p->domain.max_pages ?
	       "the domain's limit (xl mem-set, mem-max) leaves no memory" :
	       "Xen lacks memory";
}

uint64_t target_excess(const struct pager *p)
{
	uint64_t now = pages_now(p), may = p->target_pages, more = 0;

	if (may == UINT64_MAX)
		return 0;
	/* Xen gives no page to a domain that has more than its limit. */
	if (may > p->domain.max_pages)
		may = p->domain.max_pages;
	/* Where there is no memory for a page that is waited for, another goes. */
	if (p->pagein.waiting && p->pagein.lacking)
		more = p->pagein.waiting;
	return more + (now > may ? now - may : 0);
}
