/* SPDX-License-Identifier: GPL-2.0 */
/* Going on with a domain whose pager has died. */
#ifndef PVFAULT_ADOPT_H
#define PVFAULT_ADOPT_H

struct pager;

/* Between two tries; tests make it short. */
extern unsigned int adopt_nap_us;

/**
 * adopt_check() - whether this page file is the domain's, if it is to be taken over
 * @p: the pager; nothing has been done to the domain yet
 *
 * Return: 0, or an enum exitcode if another file is; then that has been said.
 */
int adopt_check(struct pager *p);

/*
 * Say in XenStore that this page file is the domain's, or that none is. Only its pager
 * may: one that was refused must leave the word of the one that is there.
 * Return: 0 or an enum exitcode; then it has said why.
 */
int adopt_claim(struct pager *p);
void adopt_unclaim(struct pager *p);

/**
 * adopt() - instead of enabling paging, where the page file says that pages are out
 * @p: the pager
 *
 * Afterwards the state of each page is known, and the vCPUs that were held run and touch
 * their pages again. The device is taken over later, see device_start().
 *
 * Return: 0 or an enum exitcode; then it has said why.
 */
int adopt(struct pager *p);

#endif /* PVFAULT_ADOPT_H */
