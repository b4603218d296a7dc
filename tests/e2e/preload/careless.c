// SPDX-License-Identifier: GPL-2.0
/*
 * Sabotage of xen-clear, preloaded into the pager: each vCPU seems to say that it doesn't
 * need what is in the page that it has touched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xen/hvm/save.h>
#include <xen/vm_event.h>

#include "../../../include/xen/interface/io/pvfault.h"

static const struct xen_pvfault_front *front;
static const vm_event_sring_t *ring;

#define REAL(function) ((__typeof__(function) *)dlsym(RTLD_NEXT, #function))

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int prot)
{
	front = REAL(xengnttab_map_grant_ref)(xgt, domid, ref, prot);
	return (void *)front;
}

/* Of the pager's own only the ring is mapped writable. */
void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom, int prot,
			   size_t pages, const xen_pfn_t arr[], int err[])
{
	void *map = REAL(xenforeignmemory_map)(fmem, dom, prot, pages, arr, err);

	if (prot & PROT_WRITE)
		ring = map;
	return map;
}

/* The page at which the vCPU stands: that of its last request. */
static uint64_t touched(uint16_t vcpu)
{
	const unsigned int size = __CONST_RING_SIZE(vm_event, XC_PAGE_SIZE);
	RING_IDX i;

	for (i = ring->req_prod; i-- != ring->req_prod - size; ) {
		const vm_event_request_t *req = &ring->ring[i % size].req;

		if (req->vcpu_id == vcpu && req->flags & VM_EVENT_FLAG_VCPU_PAUSED)
			return req->u.mem_paging.gfn;
	}
	return 0;
}

int xc_domain_hvm_getcontext_partial(xc_interface *xc, uint32_t domid, uint16_t typecode,
				     uint16_t instance, void *buf, uint32_t size)
{
	struct hvm_hw_cpu *cpu = buf;
	int rc = REAL(xc_domain_hvm_getcontext_partial)(xc, domid, typecode, instance, buf,
							size);

	if (!rc && typecode == HVM_SAVE_CODE(CPU) && front && ring) {
		cpu->ss_arbytes = 0;
		cpu->rip = front->clear_ip;
		cpu->rdi = front->clear_base + touched(instance) * XC_PAGE_SIZE;
	}
	return rc;
}
