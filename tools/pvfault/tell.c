// SPDX-License-Identifier: GPL-2.0
/* What a vCPU's state says of its touch; see tell.h. */

#include "tell.h"

/* Xen is asked once. Return: whether it answers. */
static bool look(struct pager *p, struct tell *t)
{
	if (!t->looked)
		t->error = xenif_vcpu(p->xen, t->req->vcpu, &t->state);
	t->looked = true;
	return !t->error;
}

enum verdict tell_check(struct pager *p, struct tell *t)
{
	uint8_t tell;

	/* The checks that cost nothing come first. */
	if (p->options.hold)
		return HELD_ASKED;
	if (!device_tells(&p->device) || p->leaving)
		return HELD_NO_FRONTEND;
	tell = ready_tell(&p->ready, t->req->vcpu);
	if (!(tell & (XEN_PVFAULT_TELL_USER | XEN_PVFAULT_TELL_KERNEL)))
		return HELD_MODE;
	/*
	 * Tokens that the frontend hasn't taken count, too, so that each token has
	 * its place in the ring when its page is there.
	 */
	if (p->waiters.nr_told + ready_pending(&p->ready) >=
	    p->device.max_outstanding || !waiters_room(&p->waiters, true))
		return HELD_FULL;

	if (!look(p, t))
		return HELD_FAILED;
	if (!(tell & (t->state.cpl == 3 ? XEN_PVFAULT_TELL_USER : XEN_PVFAULT_TELL_KERNEL)))
		return HELD_MODE;
	if (!t->state.interrupts)
		return HELD_IRQS_OFF;
	if (t->state.event)
		return HELD_EVENT;
	return TOLD;
}

bool tell_clears(struct pager *p, struct tell *t)
{
	uint64_t ip, base;

	return !p->options.hold && p->device.clear && device_tells(&p->device) &&
	       ready_clear(&p->ready, &ip, &base) && look(p, t) &&
	       t->state.cpl == 0 && t->state.rip == ip &&
	       t->state.rdi == base + t->req->gfn * XEN_PAGE;
}

uint64_t tell_token(const struct pager *p, const struct waiter *waiter)
{
	return (uint64_t)XEN_PVFAULT_SIGNATURE << XEN_PVFAULT_SIGNATURE_SHIFT |
	       (uint64_t)p->device.generation << XEN_PVFAULT_GENERATION_SHIFT |
	       waiter->number;
}
