// SPDX-License-Identifier: GPL-2.0
/* The conformance kit for the simulated hypervisor, which can be told what to say. */

#include <linux/pvfault_test.h>
#include <linux/smp.h>

#include <asm/trap_pf.h>

#include "sim.h"

/* Nobody has memory here; what is touched is the test's own. */
#define WINDOW		0x123400000000UL
#define CPUS		64

static bool start(void)
{
	sim_host_withhold(WINDOW, PVFAULT_MAX_OUTSTANDING * CPUS, 0);
	return true;
}

static void stop(void)
{
	sim_host_withhold(0, 0, 0);
}

static bool enabled(unsigned int cpu)
{
	return sim_host_page(cpu);
}

static unsigned int mistakes(void)
{
	return 0;
}

static pvfault_token_t token(unsigned int cpu, unsigned int n)
{
	return n * CPUS + cpu;
}

static void not_present(pvfault_token_t token, struct pvfault_test_fault *fault)
{
	fault->error_code = X86_PF_USER;
	fault->address = WINDOW + (token << PAGE_SHIFT);
}

static void interrupt(void *unused)
{
	sim_interrupt();
}

static void ready(unsigned int cpu, const pvfault_token_t *tokens, unsigned int n,
		  enum pvfault_test_lost lost)
{
	unsigned int i;

	if (lost == PVFAULT_TEST_NO_READY)
		return;
	for (i = 0; i < n; i++)
		sim_host_say(cpu, tokens[i], false);
	if (lost == PVFAULT_TEST_KEPT)
		smp_call_function_single(cpu, interrupt, NULL, true);
}

static void ready_all(void)
{
	sim_host_say(0, 0, true);
	smp_call_function_single(0, interrupt, NULL, true);
}

static bool lie(struct rnd_state *dice, struct pvfault_test_fault *fault)
{
	struct sim_page *page = sim_host_page(raw_smp_processor_id());
	u32 n = prandom_u32_state(dice);

	switch (n % 3) {
	case 0:
		WRITE_ONCE(page->prod, prandom_u32_state(dice));
		break;
	case 1:
		WRITE_ONCE(page->all, prandom_u32_state(dice));
		break;
	default:
		WRITE_ONCE(page->ring[n % SIM_RING], prandom_u32_state(dice));
		break;
	}
	return false;
}

static const struct pvfault_test_host sim_test_host = {
	.backend	= &sim_backend,
	.user_only	= true,
	.start		= start,
	.stop		= stop,
	.enabled	= enabled,
	.mistakes	= mistakes,
	.token		= token,
	.nr_tokens	= PVFAULT_MAX_OUTSTANDING,
	.not_present	= not_present,
	.ready		= ready,
	.ready_all	= ready_all,
	.lie		= lie,
};

PVFAULT_CONFORMANCE(sim, &sim_test_host);
