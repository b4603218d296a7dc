// SPDX-License-Identifier: GPL-2.0
/* A pager, played for the conformance kit: one ring for all vCPUs, and tokens in CR2. */

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/mutex.h>
#include <linux/pvfault_test.h>
#include <linux/smp.h>
#include <linux/string.h>

#include <xen/xen.h>
#include <xen/xen-ops.h>

#include "xen.h"

#define LENGTH		XEN_PVFAULT_RING_LENGTH(0)

static struct xen_pvfault_front *front;
static struct xen_pvfault_ring *ring;
static unsigned int mistakes;

/* Xen isn't there to give them numbers. */
static void number_vcpus(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(xen_vcpu_id, cpu) = cpu;
}

static void stop(void)
{
	xen_pvfault_disable(front);
	xen_pvfault_reader_close(&xen_pvfault_reader);
	free_page((unsigned long)front);
	free_page((unsigned long)ring);
}

static bool start(void)
{
	if (xen_domain())
		return false;
	front = (void *)get_zeroed_page(GFP_KERNEL);
	ring = (void *)get_zeroed_page(GFP_KERNEL);
	if (!front || !ring)
		return false;
	number_vcpus();
	mistakes = 0;
	xen_pvfault_reader_open(&xen_pvfault_reader, front, ring, LENGTH);
	xen_pvfault_enable(front, true);
	return true;
}

static bool enabled(unsigned int cpu)
{
	return READ_ONCE(front->tell[cpu]);
}

static unsigned int nr_mistakes(void)
{
	return mistakes;
}

static pvfault_token_t token(unsigned int cpu, unsigned int n)
{
	return (u64)XEN_PVFAULT_SIGNATURE << XEN_PVFAULT_SIGNATURE_SHIFT |
	       (u64)XEN_PVFAULT_GENERATION_MAX << XEN_PVFAULT_GENERATION_SHIFT |
	       (n + 1) << 8 | cpu;
}

static void not_present(pvfault_token_t token, struct pvfault_test_fault *fault)
{
	*fault = (struct pvfault_test_fault) { .address = token };
}

static void event(void *more)
{
	xen_pvfault_take(&xen_pvfault_reader, true, more);
}

static void notify(unsigned int cpu)
{
	bool more;

	do
		smp_call_function_single(cpu, event, &more, true);
	while (more);
}

static void ready(unsigned int cpu, const pvfault_token_t *tokens, unsigned int n,
		  enum pvfault_test_lost lost)
{
	unsigned int i;

	if (lost == PVFAULT_TEST_NO_READY)
		return;
	for (i = 0; i < n; i++) {
		u32 prod = ring->prod;

		if (prod - READ_ONCE(front->cons) == LENGTH) {
			mistakes++;
			return;
		}
		WRITE_ONCE(ring->entry[prod % LENGTH], tokens[i]);
		/* Pairs with the frontend's read barrier. */
		virt_wmb();
		WRITE_ONCE(ring->prod, prod + 1);
	}
	if (lost == PVFAULT_TEST_KEPT)
		notify(cpu);
}

static void ready_all(void)
{
	WRITE_ONCE(ring->all, ring->all + 1);
	notify(0);
}

/* There is no room for its octet. */
static void fail_online(int cpu)
{
	number_vcpus();
	if (cpu >= 0)
		per_cpu(xen_vcpu_id, cpu) = XEN_PVFAULT_MAX_VCPUS;
}

static bool kernel_mode(unsigned int cpu)
{
	return READ_ONCE(front->tell[cpu]) & XEN_PVFAULT_TELL_KERNEL;
}

static bool lie(struct rnd_state *dice, struct pvfault_test_fault *fault)
{
	u32 n = prandom_u32_state(dice);

	fault->error_code = n & 0x7fff;
	fault->address = token(n & 0xff, prandom_u32_state(dice));
	switch (n % 4) {
	case 0:
		WRITE_ONCE(ring->prod, prandom_u32_state(dice));
		break;
	case 1:
		WRITE_ONCE(ring->all, prandom_u32_state(dice));
		break;
	case 2:
		WRITE_ONCE(ring->entry[n % LENGTH], prandom_u32_state(dice));
		break;
	}
	return n % 4 == 3;
}

static const struct pvfault_test_host pager_test_host = {
	.backend	= &xen_pvfault_backend,
	.start		= start,
	.stop		= stop,
	.enabled	= enabled,
	.mistakes	= nr_mistakes,
	.token		= token,
	.nr_tokens	= PVFAULT_MAX_OUTSTANDING,
	.not_present	= not_present,
	.ready		= ready,
	.ready_all	= ready_all,
	.fail_online	= fail_online,
	.kernel_mode	= kernel_mode,
	.lie		= lie,
};

PVFAULT_CONFORMANCE(xen, &pager_test_host);
