/* SPDX-License-Identifier: GPL-2.0 */
/* The hook in the page-fault path. For arch/x86/mm/fault.c only. */
#ifndef _ASM_X86_PVFAULT_H
#define _ASM_X86_PVFAULT_H

#include <linux/entry-common.h>
#include <linux/types.h>

struct pt_regs;

#ifdef CONFIG_PVFAULT
#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/pvfault.h>
#include <linux/static_call.h>

DECLARE_STATIC_KEY_FALSE(pvfault_enabled);

enum pvfault_kind pvfault_recognise_none(struct pt_regs *regs, unsigned long error_code,
					 unsigned long address, pvfault_token_t *token);
DECLARE_STATIC_CALL(pvfault_recognise, pvfault_recognise_none);

void __pvfault_told(struct pt_regs *regs, pvfault_token_t token, enum pvfault_kind kind);
#endif

/**
 * pvfault_enter() - irqentry_enter() for a #PF, unless it is a notification
 * @regs: of the interrupted context
 * @error_code: as the exception pushed it
 * @address: CR2
 * @state: for irqentry_exit(), set if this returns true
 *
 * One patched no-op beside irqentry_enter() while no backend is registered, and
 * one call with two branches while one is. The recogniser is reached by a static
 * call, because a call through an ops pointer can't be shown to stay in noinstr
 * text. The token comes back through a pointer, because a return value of 16 octets
 * makes gcc align the stack, which costs every fault a register.
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
		enum pvfault_kind kind;
		pvfault_token_t token;

		kind = static_call(pvfault_recognise)(regs, error_code, address, &token);
		if (unlikely(kind != PVFAULT_GENUINE)) {
			__pvfault_told(regs, token, kind);
			return false;
		}
		/*
		 * Keep the two ways apart up to their ends. If they met before this
		 * call, the way without a backend, too, would have to load registers
		 * that the recogniser may have clobbered.
		 */
		OPTIMIZER_HIDE_VAR(regs);
		*state = irqentry_enter(regs);
		return true;
	}
#endif
	*state = irqentry_enter(regs);
	return true;
}

#endif /* _ASM_X86_PVFAULT_H */
