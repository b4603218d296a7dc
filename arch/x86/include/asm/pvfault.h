/* SPDX-License-Identifier: GPL-2.0 */
/* The hook in the page-fault path. For arch/x86/mm/fault.c only. */
#ifndef _ASM_X86_PVFAULT_H
#define _ASM_X86_PVFAULT_H

#include <linux/entry-common.h>
#include <linux/types.h>

struct pt_regs;

#ifdef CONFIG_PVFAULT
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(pvfault_enabled);

/* By value: who takes the address of @state has it on the stack, and cleared. */
struct pvfault_entry {
	irqentry_state_t state;
	bool genuine;
};

struct pvfault_entry __pvfault_enter(struct pt_regs *regs, unsigned long error_code,
				     unsigned long address);
#endif

/**
 * pvfault_enter() - irqentry_enter() for a #PF, unless it is a notification
 * @regs: of the interrupted context
 * @error_code: as the exception pushed it
 * @address: CR2
 * @state: for irqentry_exit(), set if this returns true
 *
 * One patched no-op beside irqentry_enter() while no backend is registered.
 * Both are one so that this is true: where the two ways meet, no register holds
 * anything that the way without a backend would have to load again.
 *
 * Context: #PF entry, before irqentry_enter(), interrupts off.
 * Return: true if the fault is genuine; false if it was a host's notification
 * and has been dealt with, entry and exit included.
 */
static __always_inline bool pvfault_enter(struct pt_regs *regs, unsigned long error_code,
					  unsigned long address, irqentry_state_t *state)
{
#ifdef CONFIG_PVFAULT
	if (static_branch_unlikely(&pvfault_enabled)) {
		struct pvfault_entry entry = __pvfault_enter(regs, error_code, address);

		*state = entry.state;
		return entry.genuine;
	}
#endif
	*state = irqentry_enter(regs);
	return true;
}

#endif /* _ASM_X86_PVFAULT_H */
