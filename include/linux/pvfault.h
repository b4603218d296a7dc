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
 * Chosen by the host, unique among those that are outstanding. The core
 * attaches no meaning to its bits; every value is valid.
 */
typedef u64 pvfault_token_t;

/**
 * struct pvfault_backend - how one hypervisor notifies
 * @name: for the boot line, statistics and messages
 * @recognise: Is this #PF a NOT_PRESENT? If so, sets the token, and it is not
 *	handled as a genuine fault. Claims only what a genuine fault can't look
 *	like, and leaves alone what isn't its own.
 *	Context: #PF entry, before irqentry_enter(): interrupts off, RCU maybe
 *	not watching, any context that can fault, NMI included. Must be
 *	noinstr.
 * @cpu_online: Let the host announce missing pages to this CPU. Optional.
 *	Context: on @cpu, interrupts off. Return: 0, or a negative error, which
 *	is reported and leaves this CPU without announcements, nothing worse.
 * @cpu_offline: Undo of @cpu_online: when it returns, the host tells this CPU
 *	nothing more and writes to none of what is this CPU's alone. The core then
 *	wakes all sleepers. Also called for suspend, reboot, kexec and, on the
 *	crashing CPU alone and with nobody woken, for a crash. Optional.
 *	Context: on @cpu, interrupts off.
 * @repair: Look for a READY whose interrupt was lost, deliver it with
 *	pvfault_ready(), acknowledge it to the host. Called on a CPU that was
 *	told NOT_PRESENT more than a second ago, or on each one if it isn't
 *	known which (pvfault_wait()). Optional.
 *	Context: on that CPU, interrupts off.
 * @mode_changed: What pvfault_kernel_mode() says has changed. Optional: for a backend
 *	that asks for notifications in kernel mode in @cpu_online alone.
 *	Context: on each CPU that is notified, interrupts off.
 */
struct pvfault_backend {
	const char *name;
	bool (*recognise)(struct pt_regs *regs, unsigned long error_code,
			  unsigned long address, pvfault_token_t *token);
	int (*cpu_online)(unsigned int cpu);
	void (*cpu_offline)(unsigned int cpu);
	void (*repair)(void);
	void (*mode_changed)(void);
};

int pvfault_register(const struct pvfault_backend *backend);
void pvfault_unregister(const struct pvfault_backend *backend);
void pvfault_unavailable(const char *why);
bool pvfault_kernel_mode(void);

u32 pvfault_generation(void);
void pvfault_wait(pvfault_token_t token, u32 generation, int cpu);
void pvfault_ready(pvfault_token_t token);
void pvfault_ready_all(void);
void pvfault_restored(void);

#endif /* _LINUX_PVFAULT_H */
