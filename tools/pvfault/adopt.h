/* SPDX-License-Identifier: GPL-2.0 */
/* Going on with a domain whose pager has died. */
#ifndef PVFAULT_ADOPT_H
#define PVFAULT_ADOPT_H

struct pager;

/**
 * adopt_claim() - say that this page file is the domain's
 * @p: the pager; nothing has been done to the domain yet
 *
 * Return: 0 or an enum exitcode, if another one is; then it has said so.
 */
int adopt_claim(struct pager *p);

/**
 * adopt() - instead of enabling paging, where the page file says that pages are out
 * @p: the pager
 *
 * After it the pages are known as they are, and who was held runs and touches its
 * page again. The device is yet to be taken over, see device_start().
 *
 * Return: 0 or an enum exitcode; then it has said why.
 */
int adopt(struct pager *p);

#endif /* PVFAULT_ADOPT_H */
