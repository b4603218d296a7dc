// SPDX-License-Identifier: GPL-2.0
/*
 * A backend to begin with: copy it, and put your hypervisor in the place of this
 * one, which doesn't exist. Documentation/virt/pvfault/backends.rst explains each
 * part, and what else a hypervisor may do.
 *
 * This one notifies by a #PF with an address that isn't canonical,
 * and the token in a page that it shares with each CPU. READY comes by a ring in that
 * page and an interrupt, or by another such #PF; READY for all is a number there.
 *
 * "skeleton.mutant=N" makes one mistake, each of which turns a case of the conformance
 * kit red. Leave these lines out of your copy.
 */

#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/pvfault.h>
#include <linux/string.h>

#include <asm/barrier.h>
#include <asm/ptrace.h>

#include "skeleton.h"

enum skel_mutant {
	SKEL_RIGHT,
	SKEL_CLAIMS_MORE,	/* a genuine fault at address 0, too */
	SKEL_CUTS_TOKEN,	/* to 32 bits */
	SKEL_KEEPS_SLOT,	/* full */
	SKEL_ASKS_SLOT,		/* instead of the address: whose #PF is it? */
	SKEL_USER_ONLY,		/* recognises nothing in kernel mode */
	SKEL_MIXES_KINDS,	/* takes READY for NOT_PRESENT */
	SKEL_IS_DEAF,		/* ignores the interrupt */
	SKEL_TAKES_HALF,	/* of what is in the ring */
	SKEL_KEEPS_RING,	/* doesn't say what it has taken */
	SKEL_MISSES_ALL,	/* READY for all */
	SKEL_REPAIRS_NOT,
	SKEL_STAYS_ON,		/* when the CPU goes offline */
	SKEL_STARTS_STALE,	/* with what was there before */
	SKEL_INSISTS,		/* is online although the host refuses */
	SKEL_TRUSTS,		/* the host's number of READYs */
	SKEL_KEEPS_MODE,	/* in which it was told to notify at first */
};

static int mutant;
module_param(mutant, int, 0444);
MODULE_PARM_DESC(mutant, "a mistake to be made, see enum skel_mutant; 0: none");

int (*skel_hypercall)(enum skel_call call, struct skel_page *page);

static DEFINE_PER_CPU_ALIGNED(struct skel_page, skel_page);

/* What the host can't change behind our back. */
static DEFINE_PER_CPU(struct {
	u32 cons;
	u32 all;
}, skel_seen);

/*
 * One comparison for each genuine fault. An NMI's own faults have other addresses, so
 * they leave the slot alone.
 */
static noinstr enum pvfault_kind skel_recognise(struct pt_regs *regs,
						unsigned long error_code,
						unsigned long address,
						pvfault_token_t *token)
{
	u32 kind;

	if (mutant == SKEL_CLAIMS_MORE && !address)
		address = SKEL_CR2;
	if (mutant == SKEL_ASKS_SLOT && __this_cpu_read(skel_page.kind))
		address = SKEL_CR2;
	if (mutant == SKEL_USER_ONLY && !user_mode(regs))
		return PVFAULT_GENUINE;

	if (likely(address != SKEL_CR2))
		return PVFAULT_GENUINE;

	kind = __this_cpu_read(skel_page.kind);
	*token = __this_cpu_read(skel_page.token);
	if (mutant == SKEL_CUTS_TOKEN)
		*token = (u32)*token;
	if (mutant == SKEL_MIXES_KINDS)
		kind = SKEL_NOT_PRESENT;
	if (mutant != SKEL_KEEPS_SLOT)
		__this_cpu_write(skel_page.kind, 0);

	/* If the host says nothing that we know, a READY too many does no harm. */
	return kind == SKEL_NOT_PRESENT ? PVFAULT_NOT_PRESENT : PVFAULT_READY;
}

/*
 * Take all READYs of this CPU. The host may write at any time, so each field is read
 * once; and it may write anything, so the number is checked.
 */
static void skel_take(void)
{
	struct skel_page *page = this_cpu_ptr(&skel_page);
	u32 cons = __this_cpu_read(skel_seen.cons);
	u32 prod = READ_ONCE(page->prod), all = READ_ONCE(page->all);

	if (all != __this_cpu_read(skel_seen.all) && mutant != SKEL_MISSES_ALL) {
		__this_cpu_write(skel_seen.all, all);
		pvfault_ready_all();
	}
	if (mutant == SKEL_TRUSTS) {
		/* Not all of 32 bits, so that the test ends. */
		if (prod - cons > 1U << 14)
			cons = prod - (1U << 14);
	} else if (prod - cons > SKEL_RING) {
		cons = prod;
		pvfault_ready_all();
	}
	if (mutant == SKEL_TAKES_HALF && prod - cons > 1)
		prod = cons + (prod - cons) / 2;

	/* Pairs with the host's write barrier: an entry, then its number. */
	virt_rmb();
	for (; cons != prod; cons++)
		pvfault_ready(READ_ONCE(page->ring[cons % SKEL_RING]));

	__this_cpu_write(skel_seen.cons, cons);
	if (mutant == SKEL_KEEPS_RING)
		return;
	/* Release: the host may write over what was read. */
	virt_store_release(&page->cons, cons);
}

/**
 * skel_interrupt() - the host has put something into this CPU's ring
 *
 * Called by whatever your hypervisor's interrupt is; see "Where the interrupt comes
 * from" in backends.rst.
 *
 * Context: hardirq, on that CPU.
 */
void skel_interrupt(void)
{
	if (mutant != SKEL_IS_DEAF)
		skel_take();
}

static void skel_repair(void)
{
	if (mutant != SKEL_REPAIRS_NOT)
		skel_take();
}

/* Where no task may sleep, the host need not notify. */
static void skel_ask(void)
{
	WRITE_ONCE(this_cpu_ptr(&skel_page)->kernel_mode, pvfault_kernel_mode());
}

static void skel_mode_changed(void)
{
	if (mutant != SKEL_KEEPS_MODE)
		skel_ask();
}

static int skel_cpu_online(unsigned int cpu)
{
	struct skel_page *page = this_cpu_ptr(&skel_page);
	int err;

	if (mutant != SKEL_STARTS_STALE) {
		memset(page, 0, sizeof(*page));
		__this_cpu_write(skel_seen.cons, 0);
		__this_cpu_write(skel_seen.all, 0);
	}
	skel_ask();
	err = skel_hypercall(SKEL_ON, page);
	return mutant == SKEL_INSISTS ? 0 : err;
}

/* No lock: in a crash this CPU may hold any. */
static void skel_cpu_offline(unsigned int cpu)
{
	if (mutant != SKEL_STAYS_ON)
		skel_hypercall(SKEL_OFF, this_cpu_ptr(&skel_page));
}

const struct pvfault_backend skel_backend = {
	.name		= "skeleton",
	.recognise	= skel_recognise,
	.cpu_online	= skel_cpu_online,
	.cpu_offline	= skel_cpu_offline,
	.repair		= skel_repair,
	.mode_changed	= skel_mode_changed,
};

/* Look for your hypervisor here. If something is missing, say what. */
static int __init skel_init(void)
{
	if (!skel_hypercall)
		return 0;
	return pvfault_register(&skel_backend);
}
subsys_initcall(skel_init);
