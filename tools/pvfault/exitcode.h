/* SPDX-License-Identifier: GPL-2.0 */
/* How pvfault-pager ends; the manual page has the same list. */
#ifndef PVFAULT_EXITCODE_H
#define PVFAULT_EXITCODE_H

enum exitcode {
	EXIT_DONE = 0,		/* everything brought back, or the domain is gone */
	EXIT_TROUBLE = 1,	/* no memory, a system call that must not fail */
	EXIT_BAD_USAGE = 2,
	EXIT_NO_DOMAIN = 3,
	EXIT_BAD_DOMAIN = 4,	/* PV, no HAP, passthrough, populate-on-demand */
	EXIT_NO_PAGING = 5,	/* this Xen, or this dom0, can't page at all */
	EXIT_BUSY = 6,		/* another pager is or was active on the domain */
	EXIT_DENIED = 7,	/* not dom0, not root, no xenstore */
	EXIT_NO_FRONTEND = 8,	/* none connected within --wait */
	EXIT_PAGEFILE = 9,	/* can't be used, before anything was paged out */
	EXIT_LOST = 10,		/* a page couldn't be read back; the domain crashed */
	EXIT_NO_PAGER = 11,	/* --status, --drain: none is there */
	EXIT_UNKNOWN = 12,	/* pages are out that the page file doesn't know */
	EXIT_UNTRUSTED = 13,	/* the guest wasn't declared to be trusted */
};

#endif /* PVFAULT_EXITCODE_H */
