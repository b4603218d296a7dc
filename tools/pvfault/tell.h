/* SPDX-License-Identifier: GPL-2.0 */
/* May the task that touched a page be notified? */
#ifndef PVFAULT_TELL_H
#define PVFAULT_TELL_H

#include "pager.h"

/**
 * enum verdict - notified, or why not; each has its counter
 * @TOLD: notified
 * @HELD_ASKED: --hold
 * @HELD_NO_FRONTEND: none is connected, or one end is leaving
 * @HELD_MODE: the vCPU takes no notification in its mode
 * @HELD_IRQS_OFF: interrupts are off
 * @HELD_EVENT: another event waits to be injected
 * @HELD_FULL: too many tokens are outstanding
 * @HELD_FAILED: Xen refused to report the state, or to inject
 */
enum verdict {
	TOLD,
	HELD_ASKED,
	HELD_NO_FRONTEND,
	HELD_MODE,
	HELD_IRQS_OFF,
	HELD_EVENT,
	HELD_FULL,
	HELD_FAILED,
};

/**
 * struct tell - a request, and the vCPU that it has paused
 * @req: the request
 * @looked: @state and @error are filled in
 * @error: Xen refused to report the state
 * @state: of the vCPU
 */
struct tell {
	const struct xenif_request *req;
	bool looked;
	int error;
	struct xenif_vcpu state;
};

/**
 * tell_check() - is it safe to notify?
 * @p: the pager
 * @t: the request, which has paused a vCPU
 *
 * Return: TOLD if it may be injected now, or the first reason against it.
 */
enum verdict tell_check(struct pager *p, struct tell *t);

/**
 * tell_clears() - does the guest say that it needs nothing of what is in the page?
 * @p: the pager
 * @t: the request, which has paused a vCPU at a page that is out
 *
 * See "Contents that nobody needs" in io/pvfault.h.
 *
 * Return: whether it does.
 */
bool tell_clears(struct pager *p, struct tell *t);

/* The token of a waiter, which is also the CR2 to inject. */
uint64_t tell_token(const struct pager *p, const struct waiter *waiter);

#endif /* PVFAULT_TELL_H */
