// SPDX-License-Identifier: GPL-2.0
/* Our end of Xen's mem-paging ring, see vmring.h. */

#include <stdatomic.h>
#include <string.h>

#define xen_mb()	atomic_thread_fence(memory_order_seq_cst)
#define xen_rmb()	atomic_thread_fence(memory_order_acquire)
#define xen_wmb()	atomic_thread_fence(memory_order_release)

#include "vmring.h"

void vmring_init(struct vmring *r, void *page)
{
	vm_event_sring_t *shared = page;

	memset(page, 0, XEN_PAGE);
	SHARED_RING_INIT(shared);
	BACK_RING_INIT(&r->ring, shared, XEN_PAGE);
	r->unsent = false;
}

bool vmring_next(struct vmring *r, struct xenif_request *req)
{
	vm_event_request_t raw;
	int more;

	if (!RING_HAS_UNCONSUMED_REQUESTS(&r->ring)) {
		/* Ask for an event with the next one, then look once more. */
		RING_FINAL_CHECK_FOR_REQUESTS(&r->ring, more);
		if (!more)
			return false;
	}
	/* After the index that said that it is there. */
	xen_rmb();
	memcpy(&raw, RING_GET_REQUEST(&r->ring, r->ring.req_cons), sizeof(raw));
	r->ring.req_cons++;

	*req = (struct xenif_request) {
		.gfn = raw.u.mem_paging.gfn,
		.vcpu = raw.vcpu_id,
		.paused = raw.flags & VM_EVENT_FLAG_VCPU_PAUSED,
		.foreign = raw.flags & VM_EVENT_FLAG_FOREIGN,
		.dropped = raw.u.mem_paging.flags & MEM_PAGING_DROP_PAGE,
		.present = raw.u.mem_paging.flags & MEM_PAGING_EVICT_FAIL,
	};
	return true;
}

/*
 * Xen drops an answer without the version, and ignores the page of one without the
 * reason. A place in the ring is free again only when its request has been answered,
 * even if no vCPU waits for it.
 */
void vmring_answer(struct vmring *r, const struct xenif_request *req)
{
	vm_event_response_t raw = {
		.version = VM_EVENT_INTERFACE_VERSION,
		.reason = VM_EVENT_REASON_MEM_PAGING,
		.flags = req->paused ? VM_EVENT_FLAG_VCPU_PAUSED : 0,
		.vcpu_id = req->vcpu,
		.u.mem_paging.gfn = req->gfn,
		.u.mem_paging.flags = req->dropped ? MEM_PAGING_DROP_PAGE : 0,
	};

	memcpy(RING_GET_RESPONSE(&r->ring, r->ring.rsp_prod_pvt), &raw, sizeof(raw));
	r->ring.rsp_prod_pvt++;
	r->unsent = true;
}

bool vmring_push(struct vmring *r)
{
	if (!r->unsent)
		return false;
	RING_PUSH_RESPONSES(&r->ring);
	r->unsent = false;
	return true;
}
