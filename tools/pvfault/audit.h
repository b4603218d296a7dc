/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Are there pages out without a record?
 *
 * Xen counts the pages that are out. If the pager knows as many, all is well. If not, it
 * asks for each page of the domain. The count alone proves nothing, because Xen's is
 * wrong if the guest gives a page away at a bad moment. The error of the count is
 * remembered, so that this need not be done again.
 */
#ifndef PVFAULT_AUDIT_H
#define PVFAULT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

struct pager;

/**
 * struct audit - pages that are out, and in no record
 * @next: the gfn to ask for next; 0: nothing is being asked
 * @found: so many so far
 * @first: one of them
 * @unknown: so many when all had been asked for last; must be 0
 * @bias: how many more Xen counts than there are
 * @again_ns: when to ask anew
 */
struct audit {
	uint64_t next, found, first, unknown;
	int64_t bias;
	uint64_t again_ns;
};

/**
 * audit_all() - count the pages that are out and not known, however long that takes
 * @p: the pager, whose ring is enabled
 *
 * Return: 0 if there are none, -ENODATA if there are, or another negative errno.
 */
int audit_all(struct pager *p);

/**
 * audit_home() - does Xen, too, have no page out?
 * @p: the pager, which knows of none
 *
 * Asks for some pages at a time, so it has to be called again until it agrees.
 *
 * Return: whether paging may be disabled and Closed be shown.
 */
bool audit_home(struct pager *p);

#endif /* PVFAULT_AUDIT_H */
