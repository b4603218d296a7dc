/* SPDX-License-Identifier: GPL-2.0 */
/* Whether a domain can be paged, and coming to it. */
#ifndef PVFAULT_START_H
#define PVFAULT_START_H

struct pager;

/*
 * Look at the domain, which may still be in the making.
 * Return: 0, or an enum exitcode after saying why.
 */
int start_look(struct pager *p);

/*
 * Whether a domain may be paged from which nothing has been taken yet: is it trusted?
 * Return: as above.
 */
int start_may_begin(struct pager *p);

/*
 * Become its pager, after one that was killed if the page file says so.
 * Return: as above.
 */
int start_paging(struct pager *p);

#endif /* PVFAULT_START_H */
