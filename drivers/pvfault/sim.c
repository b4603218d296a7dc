// SPDX-License-Identifier: GPL-2.0
/*
 * The backend of the simulated hypervisor, as small as possible.
 * NOT_PRESENT is a #PF; READY lies in a ring of this CPU's, and an interrupt says so.
 * The hypervisor is sim_host.c.
 */

#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include <asm/barrier.h>

#include "sim.h"

static DEFINE_PER_CPU_ALIGNED(struct sim_page, sim_page);

/* What the host can't change behind our back. */
static DEFINE_PER_CPU(u32, sim_cons);
static DEFINE_PER_CPU(u32, sim_all);

/*
 * A hypervisor would have changed the fault so that it can be recognised. This one
 * can't, so it is asked.
 */
static noinstr enum pvfault_kind sim_recognise(struct pt_regs *regs,
					       unsigned long error_code,
					       unsigned long address,
					       pvfault_token_t *token)
{
	return sim_host_withholds(regs, address, token) ? PVFAULT_NOT_PRESENT :
							  PVFAULT_GENUINE;
}

/* Take all READYs of this CPU. The host may write anything at any time. */
static void sim_take(void)
{
	struct sim_page *page = this_cpu_ptr(&sim_page);
	u32 prod = READ_ONCE(page->prod), all = READ_ONCE(page->all);
	u32 cons = __this_cpu_read(sim_cons);

	if (all != __this_cpu_read(sim_all)) {
		__this_cpu_write(sim_all, all);
		pvfault_ready_all();
	}
	/* What lies in between is lost. */
	if (prod - cons > SIM_RING) {
		cons = prod;
		pvfault_ready_all();
	}
	/* Pairs with the host's write barrier: an entry, then its number. */
	virt_rmb();
	for (; cons != prod; cons++)
		pvfault_ready(READ_ONCE(page->ring[cons % SIM_RING]));
	__this_cpu_write(sim_cons, cons);
	/* The host may write over what was read. */
	virt_store_release(&page->cons, cons);
}

/**
 * sim_interrupt() - the host has written something for this CPU
 *
 * Context: on that CPU, interrupts off.
 */
void sim_interrupt(void)
{
	sim_take();
}

static int sim_cpu_online(unsigned int cpu)
{
	struct sim_page *page = this_cpu_ptr(&sim_page);

	memset(page, 0, sizeof(*page));
	__this_cpu_write(sim_cons, 0);
	__this_cpu_write(sim_all, 0);
	return sim_host_on(page);
}

static void sim_cpu_offline(unsigned int cpu)
{
	sim_host_off();
}

const struct pvfault_backend sim_backend = {
	.name		= "sim",
	.recognise	= sim_recognise,
	.cpu_online	= sim_cpu_online,
	.cpu_offline	= sim_cpu_offline,
	.repair		= sim_take,
};
