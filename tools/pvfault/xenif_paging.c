// SPDX-License-Identifier: GPL-2.0
/* Xen's memory paging, and the vCPUs that it stops; see xenif.h. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "xenif_int.h"

#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/save.h>

#define VECTOR_PF		14
#define EVENT_HW_EXCEPTION	3	/* X86_EVENTTYPE_HW_EXCEPTION */
#define PF_USER			4	/* of a #PF's error code */
#define RFLAGS_IF		0x200

/* Of struct hvm_hw_cpu */
#define ATTR_DPL_SHIFT		5
#define PENDING_VALID		0x80000000U

int xenif_nominate(struct xenif *x, uint64_t gfn)
{
	return result(xc_mem_paging_nominate(real(x)->xc, x->domid, gfn));
}

/*
 * Only a nominated page may be mapped. If a page is out, Xen's library waits until it is
 * brought back, which is our task.
 */
void xenif_copy(struct xenif *x, unsigned int nr, const uint64_t *gfn, void **to,
		int *err)
{
	struct xenif_real *r = real(x);
	unsigned int i;
	char *from;

	for (i = 0; i < nr; i++)
		err[i] = 0;
	from = xenforeignmemory_map(r->memory, x->domid, PROT_READ, nr, gfn, err);
	if (!from) {
		for (i = 0; i < nr; i++)
			err[i] = -errno;
		return;
	}
	for (i = 0; i < nr; i++)
		if (!err[i])
			memcpy(to[i], from + (size_t)i * XEN_PAGE, XEN_PAGE);
	/* Before any of them can be evicted: a mapping is a use. */
	xenforeignmemory_unmap(r->memory, from, nr);
}

int xenif_evict(struct xenif *x, uint64_t gfn)
{
	return result(xc_mem_paging_evict(real(x)->xc, x->domid, gfn));
}

/*
 * Xen answers EINVAL to each of these calls while the domain is being destroyed. As long
 * as it lives, the answer for a page that can't exist is EBUSY.
 */
static bool is_dying(struct xenif *x)
{
	return xenif_nominate(x, UINT64_MAX) == -EINVAL;
}

int xenif_load(struct xenif *x, uint64_t gfn, const void *page)
{
	int rc = result(xc_mem_paging_load(real(x)->xc, x->domid, gfn, (void *)page));

	return rc == -EINVAL && is_dying(x) ? -ESRCH : rc;
}

int xenif_prep(struct xenif *x, uint64_t gfn)
{
	return result(xc_mem_paging_prep(real(x)->xc, x->domid, gfn));
}

/*
 * When the type of a nominated page is to be changed, Xen first sends a request for it,
 * as after a touch, and the page can be prepared. A normal page isn't changed by this. If
 * there is no page (EINVAL), the guest has given it away.
 */
int xenif_settle(struct xenif *x, uint64_t gfn)
{
	struct xenif_real *r = real(x);

	if (!xendevicemodel_set_mem_type(r->model, x->domid, HVMMEM_ram_rw, gfn, 1) ||
	    errno == EINVAL)
		return 0;
	if (errno != EAGAIN)
		return -errno;
	if (!xc_mem_paging_prep(r->xc, x->domid, gfn))
		return 0;
	/* The ring was full, so that Xen didn't ask. */
	return errno == ENOENT ? -EAGAIN : -errno;
}

/*
 * Marks pages in the log of dirty pages; if there is none, Xen returns at once. The pages
 * must be there already, because Xen ignores pages that are out.
 */
void xenif_came_back(struct xenif *x, unsigned int nr, const uint64_t *gfn)
{
	struct xen_dm_op_modified_memory_extent extent[XENIF_BACK] = { 0 };
	unsigned int i;

	for (i = 0; i < nr; i++) {
		extent[i].first_pfn = gfn[i];
		extent[i].nr = 1;
	}
	if (xendevicemodel_modified_memory_bulk(real(x)->model, x->domid, extent, nr))
		chat("pages that came back can't be marked: %s", strerror(errno));
}

bool xenif_next_request(struct xenif *x, struct xenif_request *req)
{
	return real(x)->ring_page && vmring_next(&real(x)->ring, req);
}

void xenif_answer(struct xenif *x, const struct xenif_request *req)
{
	vmring_answer(&real(x)->ring, req);
}

void xenif_flush_answers(struct xenif *x)
{
	struct xenif_real *r = real(x);

	if (r->ring_page && vmring_push(&r->ring))
		xenevtchn_notify(r->evtchn, r->paging_port);
}

int xenif_vcpu(struct xenif *x, uint32_t vcpu, struct xenif_vcpu *state)
{
	struct hvm_hw_cpu cpu;

	/* Waits until the vCPU has really stopped. */
	if (xc_domain_hvm_getcontext_partial(real(x)->xc, x->domid, HVM_SAVE_CODE(CPU),
					     vcpu, &cpu, sizeof(cpu)))
		return -errno;
	*state = (struct xenif_vcpu) {
		.cpl = cpu.ss_arbytes >> ATTR_DPL_SHIFT & 3,
		.interrupts = cpu.rflags & RFLAGS_IF,
		.event = cpu.pending_event & PENDING_VALID,
		.rip = cpu.rip,
		.rdi = cpu.rdi,
	};
	return 0;
}

int xenif_inject(struct xenif *x, uint32_t vcpu, bool user, uint64_t cr2)
{
	return result(xendevicemodel_inject_event(real(x)->model, x->domid, vcpu,
						  VECTOR_PF, EVENT_HW_EXCEPTION,
						  user ? PF_USER : 0, 0, cr2));
}
