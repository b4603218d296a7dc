// SPDX-License-Identifier: GPL-2.0
/*
 * hotpath: what a minor page fault costs, in TSC ticks. Run as /init under
 * "-icount shift=0", where the TSC counts instructions and each run of one
 * kernel gives the same figure.
 *
 * Reports on the second serial port, then waits for the rig to look at the patched hook,
 * unless bench.look=0. If the simulated backend is the kernel's only one, measures once
 * more with that registered.
 */
#include <fcntl.h>
#include <unistd.h>

#include "guest.h"
#include "minor.h"

/* Give the rig seconds to look. Compute, because with "sleep=off" sleeping takes no time. */
static void be_looked_at(const char *what)
{
	volatile unsigned int i;

	if (!parameter("bench.look", 1))
		return;
	report("look %s", what);
	for (i = 0; i < 200000000; i++)
		;
}

int main(void)
{
	int sim;

	guest_start();
	/* The first measurement warms the memory of the second. */
	minor_fault(MINOR_READ);
	report("minor_fault %lu", minor_fault(MINOR_READ));
	minor_fault(MINOR_WRITE);
	report("write_fault %lu", minor_fault(MINOR_WRITE));
	be_looked_at("hook");

	sim = open("/sys/kernel/debug/pvfault/sim/register", O_WRONLY);
	if (sim >= 0 && write(sim, "1", 1) == 1) {
		report("minor_fault_backend %lu", minor_fault(MINOR_READ));
		be_looked_at("hook_backend");
	}
	guest_end();
}
