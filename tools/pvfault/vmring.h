/* SPDX-License-Identifier: GPL-2.0 */
/* Our end of Xen's mem-paging ring; knows Xen's headers, no library. */
#ifndef PVFAULT_VMRING_H
#define PVFAULT_VMRING_H

#include <stdbool.h>
#include <stdint.h>

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif
#include <xen/xen.h>
#include <xen/vm_event.h>

#include "xenif.h"

struct vmring {
	vm_event_back_ring_t ring;
	bool unsent;
};

/* Requests or answers that fit into a page. */
#define VMRING_SLOTS	__CONST_RING_SIZE(vm_event, XEN_PAGE)

/* Make an empty ring of @page. Must be done before Xen is given it. */
void vmring_init(struct vmring *r, void *page);

/* Take the next request, if there is one. */
bool vmring_next(struct vmring *r, struct xenif_request *req);

/* Put the answer to @req into the ring; vmring_push() hands it over. */
void vmring_answer(struct vmring *r, const struct xenif_request *req);

/* Return: true if Xen must be notified of answers. */
bool vmring_push(struct vmring *r);

#endif /* PVFAULT_VMRING_H */
