/* SPDX-License-Identifier: GPL-2.0 */
/* The hook in the page allocator. For mm/page_alloc.c only. */
#ifndef _LINUX_PVFAULT_ALLOC_H
#define _LINUX_PVFAULT_ALLOC_H

#include <linux/types.h>

struct page;

#ifdef CONFIG_PVFAULT
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(pvfault_alloc_enabled);

void __pvfault_page_in(struct page *page, unsigned int order, gfp_t gfp);
#endif

/**
 * pvfault_page_in() - let the task wait now for pages that it is about to clear
 * @page: the first of them, just allocated
 * @order: there are 2^@order
 * @gfp: of the allocation; tells whether it may sleep, and whether they are cleared
 *
 * The host may have taken free pages, too. clear_page() can't be waited for, since it
 * also runs where nobody may sleep. One patched no-op until a task has waited for a page.
 *
 * Context: of an allocation with @gfp, with nothing held that the allocation's caller
 * doesn't know of.
 */
static inline void pvfault_page_in(struct page *page, unsigned int order, gfp_t gfp)
{
#ifdef CONFIG_PVFAULT
	if (static_branch_unlikely(&pvfault_alloc_enabled))
		__pvfault_page_in(page, order, gfp);
#endif
}

#endif /* _LINUX_PVFAULT_ALLOC_H */
