// SPDX-License-Identifier: GPL-2.0
/*
 * The skeleton's hypervisor, for the conformance kit. See struct pvfault_test_host for
 * what each function is to do.
 */

#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/pvfault_test.h>
#include <linux/smp.h>

#include "skeleton.h"

/* The host's own, for each CPU; @page is NULL while it may not notify it. */
struct vcpu {
	struct skel_page *page;
	u32 prod;
	u32 all;
};

static DEFINE_PER_CPU(struct vcpu, vcpus);
static atomic_t mistakes;
static int refused = -1;

static int hypercall(enum skel_call call, struct skel_page *page)
{
	unsigned int cpu = raw_smp_processor_id();
	struct vcpu *v = per_cpu_ptr(&vcpus, cpu);
	bool on = call == SKEL_ON;

	/* Neither twice. */
	if (!irqs_disabled() || on == !!v->page)
		atomic_inc(&mistakes);
	if (on && cpu == refused)
		return -EBUSY;
	*v = (struct vcpu) { .page = on ? page : NULL };
	return 0;
}

static bool start(void)
{
	int cpu;

	atomic_set(&mistakes, 0);
	for_each_possible_cpu(cpu)
		per_cpu(vcpus, cpu) = (struct vcpu) { };
	skel_hypercall = hypercall;
	return true;
}

static void stop(void)
{
	skel_hypercall = NULL;
}

static bool enabled(unsigned int cpu)
{
	return per_cpu(vcpus, cpu).page;
}

static unsigned int nr_mistakes(void)
{
	return atomic_read(&mistakes);
}

/* All bits count. */
static pvfault_token_t token(unsigned int cpu, unsigned int n)
{
	return (u64)(n + 1) << 40 | (u64)cpu << 32 | 0x70657473;
}

static void inject(u32 kind, pvfault_token_t token, struct pvfault_test_fault *fault)
{
	struct skel_page *page = this_cpu_read(vcpus.page);

	fault->error_code = 0;
	fault->address = SKEL_CR2;
	if (!page || page->kind) {
		atomic_inc(&mistakes);
		return;
	}
	page->token = token;
	page->kind = kind;
}

static void not_present(pvfault_token_t token, struct pvfault_test_fault *fault)
{
	inject(SKEL_NOT_PRESENT, token, fault);
}

static void ready_fault(pvfault_token_t token, struct pvfault_test_fault *fault)
{
	inject(SKEL_READY, token, fault);
}

static void interrupt(void *unused)
{
	skel_interrupt();
}

static void ready(unsigned int cpu, const pvfault_token_t *tokens, unsigned int n,
		  enum pvfault_test_lost lost)
{
	struct vcpu *v = per_cpu_ptr(&vcpus, cpu);
	unsigned int i;

	if (!v->page || lost == PVFAULT_TEST_NO_READY)
		return;
	for (i = 0; i < n; i++) {
		if (v->prod - READ_ONCE(v->page->cons) == SKEL_RING) {
			atomic_inc(&mistakes);
			return;
		}
		WRITE_ONCE(v->page->ring[v->prod % SKEL_RING], tokens[i]);
		/* Pairs with the guest's read barrier. */
		virt_wmb();
		WRITE_ONCE(v->page->prod, ++v->prod);
	}
	if (lost == PVFAULT_TEST_KEPT)
		smp_call_function_single(cpu, interrupt, NULL, true);
}

static void ready_all(void)
{
	struct vcpu *v = per_cpu_ptr(&vcpus, 0);

	WRITE_ONCE(v->page->all, ++v->all);
	smp_call_function_single(0, interrupt, NULL, true);
}

static void fail_online(int cpu)
{
	refused = cpu;
}

static bool kernel_mode(unsigned int cpu)
{
	struct skel_page *page = per_cpu(vcpus, cpu).page;

	return page && READ_ONCE(page->kernel_mode);
}

static bool lie(struct rnd_state *dice, struct pvfault_test_fault *fault)
{
	struct skel_page *page = this_cpu_read(vcpus.page);
	u32 n = prandom_u32_state(dice);

	fault->error_code = n & 0x7fff;
	fault->address = SKEL_CR2;
	switch (n % 5) {
	case 0:
		WRITE_ONCE(page->prod, prandom_u32_state(dice));
		break;
	case 1:
		WRITE_ONCE(page->all, prandom_u32_state(dice));
		break;
	case 2:
		WRITE_ONCE(page->ring[n % SKEL_RING], prandom_u32_state(dice));
		break;
	default:
		page->kind = prandom_u32_state(dice) % 4;
		page->token = prandom_u32_state(dice);
		break;
	}
	return n % 5 > 2;
}

static const struct pvfault_test_host skel_test_host = {
	.backend	= &skel_backend,
	.start		= start,
	.stop		= stop,
	.enabled	= enabled,
	.mistakes	= nr_mistakes,
	.token		= token,
	.nr_tokens	= PVFAULT_MAX_OUTSTANDING,
	.not_present	= not_present,
	.ready		= ready,
	.ready_fault	= ready_fault,
	.ready_all	= ready_all,
	.fail_online	= fail_online,
	.kernel_mode	= kernel_mode,
	.lie		= lie,
};

PVFAULT_CONFORMANCE(skeleton, &skel_test_host);
