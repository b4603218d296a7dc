/* SPDX-License-Identifier: GPL-2.0 */
/* The hook in the page-fault path. For arch/x86/mm/fault.c only. */
#ifndef _ASM_X86_PVFAULT_H
#define _ASM_X86_PVFAULT_H

#include <linux/types.h>

struct pt_regs;

#ifdef CONFIG_PVFAULT
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(pvfault_enabled);

bool __pvfault_handle(struct pt_regs *regs, unsigned long error_code,
		      unsigned long address);

/**
 * pvfault_handle() - take a #PF that is a host's notification
 * @regs: of the interrupted context
 * @error_code: as the exception pushed it
 * @address: CR2
 *
 * One patched no-op while no backend is registered. Does the entry handling
 * itself, because a wait must not begin inside a genuine fault's.
 *
 * Context: #PF entry, before irqentry_enter(), interrupts off.
 * Return: true if the fault was a notification and has been dealt with.
 */
static __always_inline bool pvfault_handle(struct pt_regs *regs,
					   unsigned long error_code,
					   unsigned long address)
{
	if (static_branch_unlikely(&pvfault_enabled))
		return __pvfault_handle(regs, error_code, address);
	return false;
}

#else

static __always_inline bool pvfault_handle(struct pt_regs *regs,
					   unsigned long error_code,
					   unsigned long address)
{
	return false;
}

#endif /* CONFIG_PVFAULT */
#endif /* _ASM_X86_PVFAULT_H */
