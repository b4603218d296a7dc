/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asynchronous page faults for guests: the contract between the core and
 * the backends that speak a hypervisor's protocol.
 *
 * A hypervisor that has taken a page away says to the guest
 *
 *	NOT_PRESENT(token)	the page you have just touched is being fetched,
 *	READY(token)		it is there again.
 *
 * A backend translates what its hypervisor says into these two. The core
 * puts the faulting task to sleep and wakes it to retry its instruction. Where
 * no task may sleep, the core rejects the notification: the instruction is
 * retried at once, and the hypervisor has to hold the CPU.
 *
 * A spurious wake is always safe, a lost wake never is. So a backend that
 * is in doubt says READY, or READY for all.
 */
#ifndef _LINUX_PVFAULT_H
#define _LINUX_PVFAULT_H

#include <linux/types.h>

struct pt_regs;

/**
 * typedef pvfault_token_t - names one missing page between host and guest
 *
 * Chosen by the host. The core attaches no meaning to its bits; every value is
 * valid. What breaks one of these rules costs time, never memory:
 *
 * * Tokens that are outstanding differ. Of two tasks with the same token both are
 *   woken by the first READY, and one of them for nothing.
 * * At most %PVFAULT_MAX_OUTSTANDING are outstanding for a CPU. READY that comes
 *   before its NOT_PRESENT is remembered; of more than these the oldest is
 *   forgotten, and its task waits for its deadline.
 * * A token is free again when its READY has been delivered on the notified CPU.
 *   If READY comes on another CPU, the wait must have ended, too: else READY of the
 *   old one may be taken for that of the new one.
 * * After READY for all every token is free.
 */
typedef u64 pvfault_token_t;

/* As many tokens may be outstanding for a CPU: after NOT_PRESENT and before READY. */
#define PVFAULT_MAX_OUTSTANDING	64

/**
 * enum pvfault_kind - what a #PF is
 * @PVFAULT_GENUINE: an ordinary page fault
 * @PVFAULT_NOT_PRESENT: the host's: the page just touched is missing
 * @PVFAULT_READY: the host's: a page has come
 * @PVFAULT_READY_ALL: the host's: READY for all; the token means nothing
 */
enum pvfault_kind {
	PVFAULT_GENUINE,
	PVFAULT_NOT_PRESENT,
	PVFAULT_READY,
	PVFAULT_READY_ALL,
};

/**
 * struct pvfault_backend - how one hypervisor notifies
 * @name: for the boot line, statistics and messages
 * @recognise: What is this #PF? For a notification, also sets the token. Claims
 *	only what a genuine fault can't look like. May write what is this CPU's
 *	alone, to mark a notification as taken; leaves alone what belongs to another
 *	#PF, which an NMI may have interrupted. The core delivers a READY; where
 *	interrupts were off, or in an NMI, as READY for all a moment later. Called at
 *	the entry of #PF, before irqentry_enter(): interrupts off, RCU maybe not
 *	watching, any context that can fault, NMI included. Must be noinstr.
 * @cpu_online: Let the host notify this CPU of pages that are out. READY may come
 *	from this moment on. Optional. Called on @cpu, interrupts off. Returns 0, or a
 *	negative error, which is reported and leaves this CPU without notifications,
 *	nothing worse.
 * @cpu_offline: Undo of @cpu_online: when it returns, the host notifies this CPU
 *	no more and writes to none of what is this CPU's alone. The core then
 *	wakes all sleepers, so that a READY which is still queued may be delivered
 *	or dropped. Also called for suspend, reboot, kexec and, on the crashing CPU
 *	alone and with nobody woken, for a crash: takes no lock. Optional. Called on
 *	@cpu, interrupts off.
 * @repair: Look for a READY whose interrupt was lost, deliver it with
 *	pvfault_ready(), acknowledge it to the host. Called on a CPU that was
 *	notified more than a second ago, or on each one if it isn't known which
 *	(pvfault_wait()). Optional. Called on that CPU, interrupts off.
 * @mode_changed: What pvfault_kernel_mode() says has changed. Optional: for a backend
 *	that asks for notifications in kernel mode in @cpu_online alone. Called on each CPU
 *	that is notified, interrupts off.
 */
struct pvfault_backend {
	const char *name;
	enum pvfault_kind (*recognise)(struct pt_regs *regs, unsigned long error_code,
				       unsigned long address, pvfault_token_t *token);
	int (*cpu_online)(unsigned int cpu);
	void (*cpu_offline)(unsigned int cpu);
	void (*repair)(void);
	void (*mode_changed)(void);
};

/* Process context, may sleep. */
int pvfault_register(const struct pvfault_backend *backend);
void pvfault_unregister(const struct pvfault_backend *backend);

/* Any context. */
void pvfault_unavailable(const char *why);
bool pvfault_kernel_mode(void);

unsigned long pvfault_clear_ip(void);

/* Any context, noinstr. */
u32 pvfault_generation(void);

/* Process context that may sleep, entered with interrupts off. */
void pvfault_wait(pvfault_token_t token, u32 generation, int cpu);

/*
 * Any context but NMI, and but an exception that may have interrupted code with
 * interrupts off. From the first cpu_online() on; late ones are harmless.
 */
void pvfault_ready(pvfault_token_t token);
void pvfault_ready_all(void);
void pvfault_restored(void);

#endif /* _LINUX_PVFAULT_H */
