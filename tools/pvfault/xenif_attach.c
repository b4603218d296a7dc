// SPDX-License-Identifier: GPL-2.0
/* Attaching to Xen's mem-paging ring, also after a pager that died; see xenif.h. */

#include <errno.h>
#include <sys/mman.h>

#include "xenif_int.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

/*
 * A vCPU has one request, or a few, because a hypercall may touch several pages that are
 * out. Xen ignores answers for which no vCPU waits.
 */
#define ANSWERS_PER_VCPU	4

#define KIB_PER_PAGE		(XEN_PAGE / 1024)

int xenif_pause(struct xenif *x)
{
	return result(xc_domain_pause(real(x)->xc, x->domid));
}

int xenif_unpause(struct xenif *x)
{
	return result(xc_domain_unpause(real(x)->xc, x->domid));
}

/*
 * Is there memory paging, and is there a pager already? RESUME makes Xen look for answers
 * in the ring. There are none, or another pager's, so it does no harm.
 */
static int probe(struct xenif_real *r)
{
	int rc = result(xc_mem_paging_resume(r->xc, r->x.domid));

	if (!rc)
		return -EBUSY;
	return rc == -ENODEV ? 0 : rc;
}

static void *map_ring_page(struct xenif_real *r, xen_pfn_t gfn)
{
	void *page;
	int err = 0;

	page = xenforeignmemory_map(r->memory, r->x.domid, PROT_READ | PROT_WRITE, 1,
				    &gfn, &err);
	if (page && err) {
		xenforeignmemory_unmap(r->memory, page, 1);
		errno = -err;
		page = NULL;
	}
	return page;
}

static void put_ring_page(struct xenif_real *r)
{
	xenforeignmemory_unmap(r->memory, r->ring_page, 1);
	r->ring_page = NULL;
}

/* Xen gives a domain with more memory than its limit (xl mem-set) not even this page. */
static int add_page(struct xenif_real *r, xen_pfn_t gfn)
{
	xc_domaininfo_t info;
	int rc;

	if (!xc_domain_populate_physmap_exact(r->xc, r->x.domid, 1, 0, 0, &gfn))
		return 0;
	rc = errno ? -errno : -ENOMEM;
	if (xc_domain_getinfolist(r->xc, r->x.domid, 1, &info) != 1 ||
	    info.domain != r->x.domid || info.tot_pages < info.max_pages ||
	    xc_domain_setmaxmem(r->xc, r->x.domid, (info.tot_pages + 1) * KIB_PER_PAGE))
		return rc;
	rc = result(xc_domain_populate_physmap_exact(r->xc, r->x.domid, 1, 0, 0, &gfn));
	xc_domain_setmaxmem(r->xc, r->x.domid, info.max_pages * KIB_PER_PAGE);
	return rc;
}

/*
 * The guest may reach the page that is there in other ways, too: by a grant to another
 * domain, or at another gfn. So it is discarded unread, and a fresh one put in its place
 * while the domain is paused. (One that an earlier pager has taken out of the
 * domain is a hole by now.) Another domain that holds a grant of this gfn might still
 * map it until begin() takes it out again: a guest must be trusted not to do that.
 */
static int get_ring_page(struct xenif_real *r, xen_pfn_t *gfn)
{
	uint64_t param = 0;
	int rc;

	if (xc_hvm_param_get(r->xc, r->x.domid, HVM_PARAM_PAGING_RING_PFN, &param))
		return -errno;
	if (!param)
		return -EOPNOTSUPP;
	*gfn = param;
	if (r->ring_page)
		put_ring_page(r);
	/* Fails for a hole; and if a page stays there, populating fails. */
	xc_domain_decrease_reservation_exact(r->xc, r->x.domid, 1, 0, gfn);
	rc = add_page(r, *gfn);
	if (rc)
		return rc;
	r->ring_page = map_ring_page(r, *gfn);
	return r->ring_page ? 0 : -errno;
}

/* From here on the ring is ours. The guest must not reach its page any more. */
static int begin(struct xenif_real *r, xen_pfn_t gfn)
{
	uint32_t port;
	int rc;

	vmring_init(&r->ring, r->ring_page);
	if (xc_mem_paging_enable(r->xc, r->x.domid, &port))
		return -errno;
	r->paging_port = xenevtchn_bind_interdomain(r->evtchn, r->x.domid, port);
	if (r->paging_port < 0) {
		rc = -errno;
		xc_mem_paging_disable(r->xc, r->x.domid);
		return rc;
	}
	if (!xc_domain_decrease_reservation_exact(r->xc, r->x.domid, 1, 0, &gfn))
		return 0;
	/* The guest could write into it. */
	rc = errno ? -errno : -EBUSY;
	xenevtchn_unbind(r->evtchn, r->paging_port);
	r->paging_port = -1;
	xc_mem_paging_disable(r->xc, r->x.domid);
	return rc;
}

int xenif_enable(struct xenif *x)
{
	struct xenif_real *r = real(x);
	xen_pfn_t gfn;
	int rc;

	rc = probe(r);
	if (!rc)
		rc = xenif_pause(x);
	if (rc)
		return rc;
	rc = get_ring_page(r, &gfn);
	if (!rc)
		rc = begin(r, gfn);
	if (rc && r->ring_page)
		put_ring_page(r);
	xenif_unpause(x);
	return rc;
}

/* Answer all requests that the dead pager hasn't, by a ring that is then discarded. */
static int answer_for_it(struct xenif_real *r, unsigned int nr_vcpus)
{
	struct xenif_request req = { .paused = true, .dropped = true };
	unsigned int i, unsent = 0;
	uint32_t port;

	vmring_init(&r->ring, r->ring_page);
	if (xc_mem_paging_enable(r->xc, r->x.domid, &port))
		return -errno;
	for (i = 0; i < ANSWERS_PER_VCPU * nr_vcpus; i++) {
		req.vcpu = i / ANSWERS_PER_VCPU;
		vmring_answer(&r->ring, &req);
		if (++unsent < VMRING_SLOTS && i + 1 < ANSWERS_PER_VCPU * nr_vcpus)
			continue;
		vmring_push(&r->ring);
		if (xc_mem_paging_resume(r->xc, r->x.domid))
			return -errno;
		unsent = 0;
	}
	/* Its indices don't fit any more: more answers than requests. */
	return result(xc_mem_paging_disable(r->xc, r->x.domid));
}

int xenif_takeover(struct xenif *x)
{
	struct xenif_real *r = real(x);
	xc_domaininfo_t info;
	xen_pfn_t gfn;
	int rc;

	rc = probe(r);
	if (rc && rc != -EBUSY)
		return rc;
	/* No ring is enabled if the pager died between the two ENABLEs of a takeover. */
	if (rc && xc_mem_paging_disable(r->xc, x->domid))
		return errno == EBUSY ? -EUSERS : -errno;
	rc = xc_domain_getinfolist(r->xc, x->domid, 1, &info);
	if (rc != 1 || info.domain != x->domid)
		return rc < 0 ? -errno : -ESRCH;
	/* Left by a takeover that failed halfway. */
	if (r->paging_port >= 0)
		xenevtchn_unbind(r->evtchn, r->paging_port);
	r->paging_port = -1;
	rc = get_ring_page(r, &gfn);
	if (!rc)
		rc = answer_for_it(r, info.max_vcpu_id + 1);
	if (!rc)
		rc = begin(r, gfn);
	if (rc && r->ring_page)
		put_ring_page(r);
	return rc;
}

int xenif_disable(struct xenif *x)
{
	struct xenif_real *r = real(x);

	if (!r->ring_page)
		return 0;
	if (xc_mem_paging_disable(r->xc, x->domid) && errno == EBUSY)
		return -EBUSY;
	if (r->paging_port >= 0)
		xenevtchn_unbind(r->evtchn, r->paging_port);
	r->paging_port = -1;
	put_ring_page(r);
	return 0;
}
