// SPDX-License-Identifier: GPL-2.0
/* Whether a domain can be paged, and coming to it; see start.h. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "exitcode.h"
#include "log.h"
#include "neighbours.h"
#include "pager.h"
#include "start.h"

#define BUILD_TRIES	100
#define BUILD_NAP_US	100000

/* What it may have now changes with "xl mem-set"; what it was built for doesn't. */
static uint64_t most_pages(struct pager *p)
{
	char path[80], *value;
	uint64_t kib = 0;

	snprintf(path, sizeof(path), "/local/domain/%u/memory/static-max", p->xen->domid);
	value = xenif_read(p->xen, path);
	if (!parse_number(value, 0, 1ULL << 44, &kib))
		kib = 0;
	free(value);
	return kib / 4 > p->domain.max_pages ? kib / 4 : p->domain.max_pages;
}

int start_look(struct pager *p)
{
	int rc, tries = 0;

	/* A pager that starts beside "xl create" is early. */
	do {
		rc = xenif_domain(p->xen, &p->domain);
		if (rc || p->domain.dying || !p->domain.hvm || p->domain.built)
			break;
		usleep(BUILD_NAP_US);
	} while (++tries < BUILD_TRIES);

	if (rc == -ESRCH || p->domain.dying)
		return give_up(EXIT_NO_DOMAIN, "there is no domain %s", p->options.domain);
	if (rc)
		return give_up(EXIT_DENIED, "Xen tells nothing about domain %s: %s",
			       p->options.domain, strerror(-rc));
	if (!p->domain.hvm)
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s is PV; only HVM and PVH domains can be paged",
			       p->options.domain);
	if (!p->domain.built)
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s was built without a page for the paging ring",
			       p->options.domain);
	p->most_pages = most_pages(p);
	return 0;
}

static int enable(struct pager *p)
{
	const char *name = p->options.domain;
	int rc = xenif_enable(p->xen);

	switch (rc) {
	case 0:
		return 0;
	case -ENOSYS:
		return give_up(EXIT_NO_PAGING, "this Xen was built without CONFIG_MEM_PAGING");
	case -EBUSY:
		return give_up(EXIT_BUSY, "another pager is or was active on domain %s", name);
	case -ENODEV:
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s doesn't use hardware-assisted paging (HAP)", name);
	case -EMLINK:
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s has, or may get, devices passed through (IOMMU)", name);
	case -EXDEV:
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s uses populate-on-demand; give it memory = maxmem", name);
	case -EOPNOTSUPP:
		return give_up(EXIT_NO_PAGING,
			       "dom0 isn't PV, so that Xen pages none of its domains");
	case -EPERM:
	case -EACCES:
		return give_up(EXIT_DENIED, "Xen permits no paging of domain %s from here", name);
	default:
		return give_up(EXIT_TROUBLE, "paging of domain %s can't be enabled: %s", name,
			       strerror(-rc));
	}
}

/* Xen keeps a place in its ring for each vCPU that a dead pager has left waiting. */
static void warn_of_vcpus(const struct pager *p)
{
	if (p->domain.nr_vcpus > XENIF_SAFE_VCPUS)
		say("domain %s has %u vCPUs: of more than %u too many may wait at once for another pager to take over, should this one be killed",
		    p->options.domain, p->domain.nr_vcpus, XENIF_SAFE_VCPUS);
}

int start_may_begin(struct pager *p)
{
	char path[80], why[200], *value;
	bool trusted;

	snprintf(path, sizeof(path), "/local/domain/%u/memory/pvfault-trusted", p->xen->domid);
	value = xenif_read(p->xen, path);
	trusted = p->options.trust_guest || (value && !strcmp(value, "1"));
	free(value);
	if (!trusted)
		return give_up(EXIT_UNTRUSTED,
			       "domain %s could stop the whole host while it is paged; say --trust-guest, or write 1 to %s, if it may be trusted with that",
			       p->options.domain, path);
	if (!p->options.unsafe_offer && !neighbours_allow(p, why, sizeof(why)))
		return give_up(EXIT_BAD_DOMAIN, "domain %s: %s", p->options.domain, why);
	return 0;
}

/* What is out already isn't ours. */
static int start_begin(struct pager *p)
{
	int rc = enable(p);

	if (rc)
		return rc;
	rc = audit_all(p);
	if (!rc)
		return 0;
	if (rc != -ENODATA) {
		xenif_disable(p->xen);
		return give_up(EXIT_DENIED, "Xen tells nothing about domain %s: %s",
			       p->options.domain, strerror(-rc));
	}
	/* With a ring, but no pager, a vCPU that touches them waits; without a ring the domain crashes. */
	return give_up(EXIT_UNKNOWN,
		       "%" PRIu64 " pages of domain %s are out already, page %#" PRIx64 " for one: an earlier pager has them in another file, or has lost them",
		       p->audit.unknown, p->options.domain, p->audit.first);
}

int start_paging(struct pager *p)
{
	warn_of_vcpus(p);
	return p->file.adopt ? adopt(p) : start_begin(p);
}
