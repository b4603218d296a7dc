// SPDX-License-Identifier: GPL-2.0
/* May the task that touched a page be notified? See tell.h. */

#include "tell.h"

enum verdict tell_check(struct pager *p, uint32_t vcpu, bool *user)
{
	struct xenif_vcpu state;
	uint8_t tell;

	/* The checks that cost nothing come first. */
	if (p->options.hold)
		return HELD_ASKED;
	if (!device_tells(&p->device) || p->leaving)
		return HELD_NO_FRONTEND;
	tell = ready_tell(&p->ready, vcpu);
	if (!(tell & (XEN_PVFAULT_TELL_USER | XEN_PVFAULT_TELL_KERNEL)))
		return HELD_MODE;
	/*
	 * Tokens that the frontend hasn't taken count, too, so that each token has
	 * its place in the ring when its page is there.
	 */
	if (p->waiters.nr_told + ready_pending(&p->ready) >=
	    p->device.max_outstanding || !waiters_room(&p->waiters, true))
		return HELD_FULL;

	if (xenif_vcpu(p->xen, vcpu, &state))
		return HELD_FAILED;
	*user = state.cpl == 3;
	if (!(tell & (*user ? XEN_PVFAULT_TELL_USER : XEN_PVFAULT_TELL_KERNEL)))
		return HELD_MODE;
	if (!state.interrupts)
		return HELD_IRQS_OFF;
	if (state.event)
		return HELD_EVENT;
	return TOLD;
}

uint64_t tell_token(const struct pager *p, const struct waiter *waiter)
{
	return (uint64_t)XEN_PVFAULT_SIGNATURE << XEN_PVFAULT_SIGNATURE_SHIFT |
	       (uint64_t)p->device.generation << XEN_PVFAULT_GENERATION_SHIFT |
	       waiter->number;
}
