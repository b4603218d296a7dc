// SPDX-License-Identifier: GPL-2.0
/*
 * The functions that the core calls: the recogniser, CPUs that come and go, and repair.
 *
 * A vCPU's octet in tell[] says in which modes the pager may notify it. It is
 * written only on that vCPU, with interrupts off: by the core's calls, and by an
 * interrupt to each CPU when a connection begins or ends. So no lock is needed, not
 * even for a crash. The pager reads it while Xen keeps the vCPU paused, so it sees
 * the vCPU's last write.
 */

#include <linux/atomic.h>
#include <linux/panic.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/string.h>

#include <asm/barrier.h>
#include <asm/page.h>

#include <xen/xen-ops.h>

#include "xen.h"

/* Notifications to this CPU are enabled. Written on its CPU, with interrupts off. */
static DEFINE_PER_CPU(bool, backend_enabled);

/* The front page while Connected, else NULL. */
static struct xen_pvfault_front *backend_front;

/* Written by the state machine only, under its lock. */
static bool backend_armed;

/* No genuine fault has such an address, so neither mode nor flags matter. */
static noinstr enum pvfault_kind backend_recognise(struct pt_regs *regs,
						   unsigned long error_code,
						   unsigned long address,
						   pvfault_token_t *token)
{
	*token = address;
	return xen_pvfault_is_token(address) ? PVFAULT_NOT_PRESENT : PVFAULT_GENUINE;
}

/* In which modes the core lets a task sleep; it rejects notifications in others. */
static u8 backend_modes(void)
{
	return XEN_PVFAULT_TELL_USER |
	       (pvfault_kernel_mode() ? XEN_PVFAULT_TELL_KERNEL : 0);
}

static void backend_write(struct xen_pvfault_front *front, u8 modes)
{
	WRITE_ONCE(front->tell[xen_vcpu_nr(smp_processor_id())], modes);
}

static int backend_cpu_online(unsigned int cpu)
{
	struct xen_pvfault_front *front = READ_ONCE(backend_front);

	if (xen_vcpu_nr(cpu) >= XEN_PVFAULT_MAX_VCPUS)
		return -ERANGE;
	__this_cpu_write(backend_enabled, true);
	if (front)
		backend_write(front, backend_modes());
	return 0;
}

static void backend_cpu_offline(unsigned int cpu)
{
	struct xen_pvfault_front *front = READ_ONCE(backend_front);

	__this_cpu_write(backend_enabled, false);
	if (!front)
		return;
	/*
	 * In a crash only this CPU gets here, but the next kernel may use any
	 * CPU.
	 */
	if (atomic_read(&panic_cpu) != PANIC_CPU_INVALID) {
		memset(front->tell, 0, sizeof(front->tell));
		WRITE_ONCE(front->clear_ip, 0);
	} else {
		backend_write(front, 0);
	}
}

static void backend_mode_changed(void)
{
	struct xen_pvfault_front *front = READ_ONCE(backend_front);

	if (front)
		backend_write(front, backend_modes());
}

const struct pvfault_backend xen_pvfault_backend = {
	.name		= "xen",
	.recognise	= backend_recognise,
	.cpu_online	= backend_cpu_online,
	.cpu_offline	= backend_cpu_offline,
	.repair		= xen_pvfault_look,
	.mode_changed	= backend_mode_changed,
};

static void backend_fill_cpu(void *front)
{
	if (__this_cpu_read(backend_enabled))
		backend_write(front, backend_modes());
}

static void backend_clear_cpu(void *front)
{
	if (xen_vcpu_nr(smp_processor_id()) < XEN_PVFAULT_MAX_VCPUS)
		backend_write(front, 0);
}

/**
 * xen_pvfault_enable() - enable notifications on all CPUs for which the core does
 * @front: the front page
 * @clear: let the pager know, too, at which touches it need not read the page
 *
 * Context: may sleep.
 */
void xen_pvfault_enable(struct xen_pvfault_front *front, bool clear)
{
	if (clear) {
		WRITE_ONCE(front->clear_base, PAGE_OFFSET);
		/* The pager reads them in the other order. */
		virt_store_release(&front->clear_ip, pvfault_clear_ip());
	}
	/*
	 * First, so that a CPU that comes online too late for the interrupt sees
	 * it. Pairs with the barriers in taking a CPU online.
	 */
	WRITE_ONCE(backend_front, front);
	on_each_cpu(backend_fill_cpu, front, true);
}

/**
 * xen_pvfault_disable() - disable notifications on all CPUs
 * @front: the front page, which no CPU uses any more when this returns
 *
 * Context: may sleep.
 */
void xen_pvfault_disable(struct xen_pvfault_front *front)
{
	WRITE_ONCE(front->clear_ip, 0);
	/* First, as above. */
	WRITE_ONCE(backend_front, NULL);
	on_each_cpu(backend_clear_cpu, front, true);
}

/**
 * xen_pvfault_arm() - recognise NOT_PRESENT from here on
 *
 * Context: may sleep, inside the state machine's lock.
 * Return: 0, also if it was armed already, or as pvfault_register().
 */
int xen_pvfault_arm(void)
{
	int err = backend_armed ? 0 : pvfault_register(&xen_pvfault_backend);

	backend_armed = !err;
	return err;
}

/**
 * xen_pvfault_disarm() - no NOT_PRESENT will come; wake all sleepers
 *
 * Context: may sleep, inside the state machine's lock.
 */
void xen_pvfault_disarm(void)
{
	if (backend_armed)
		pvfault_unregister(&xen_pvfault_backend);
	backend_armed = false;
}
