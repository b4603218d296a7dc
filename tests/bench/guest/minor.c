// SPDX-License-Identifier: GPL-2.0
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "minor.h"

#define PAGES	2048
#define ROUNDS	9
#define PAGE	4096UL

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

uint64_t median_of(uint64_t *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

uint64_t minor_fault(enum minor minor)
{
	static uint64_t ticks[PAGES * ROUNDS];
	int prot = PROT_READ | (minor == MINOR_WRITE ? PROT_WRITE : 0);
	unsigned int round, i, n = 0;

	for (round = 0; round < ROUNDS; round++) {
		volatile char *mem = mmap(NULL, PAGES * PAGE, prot,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (mem == MAP_FAILED ||
		    madvise((void *)mem, PAGES * PAGE, MADV_NOHUGEPAGE))
			return 0;
		for (i = 0; i < PAGES; i++) {
			uint64_t t = __rdtsc();

			if (minor == MINOR_WRITE)
				mem[i * PAGE] = 1;
			else
				(void)mem[i * PAGE];
			ticks[n++] = __rdtsc() - t;
		}
		munmap((void *)mem, PAGES * PAGE);
	}
	return median_of(ticks, n);
}
