// SPDX-License-Identifier: GPL-2.0
/*
 * hotpath: what a minor page fault costs, in TSC ticks. Run as /init under
 * "-icount shift=0", where the TSC counts instructions and each run of one
 * kernel gives the same figure.
 *
 * Reports on the second serial port, then waits for the harness to look at the
 * patched hook. If the kernel has the simulated backend, does it once more
 * with that registered.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "guest.h"

#define PAGES	2048
#define ROUNDS	9
#define PAGE	4096UL

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The median over single faults: interrupts and new page tables fall out. */
static uint64_t minor_fault(void)
{
	static uint64_t ticks[PAGES * ROUNDS];
	unsigned int round, i, n = 0;

	for (round = 0; round < ROUNDS; round++) {
		volatile char *mem = mmap(NULL, PAGES * PAGE, PROT_READ,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (mem == MAP_FAILED)
			return 0;
		for (i = 0; i < PAGES; i++) {
			uint64_t t = __rdtsc();

			(void)mem[i * PAGE];
			ticks[n++] = __rdtsc() - t;
		}
		munmap((void *)mem, PAGES * PAGE);
	}
	qsort(ticks, n, sizeof(*ticks), by_value);
	return ticks[n / 2];
}

/* Give the harness seconds to look; with "sleep=off" sleeping takes none. */
static void be_looked_at(const char *what)
{
	volatile unsigned int i;

	report("look %s", what);
	for (i = 0; i < 200000000; i++)
		;
}

int main(void)
{
	int sim;

	guest_start();
	/* The first measurement warms the memory of the second. */
	minor_fault();
	report("minor_fault %lu", minor_fault());
	be_looked_at("hook");

	sim = open("/sys/kernel/debug/pvfault/sim/register", O_WRONLY);
	if (sim >= 0 && write(sim, "1", 1) == 1) {
		report("minor_fault_backend %lu", minor_fault());
		be_looked_at("hook_backend");
	}
	guest_end();
}
