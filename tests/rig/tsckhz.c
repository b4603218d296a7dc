// SPDX-License-Identifier: GPL-2.0
/*
 * Prints this machine's TSC frequency in kHz, measured over a second.
 *
 * QEMU's TCG passes the TSC through. An L1 kernel that calibrates it itself is
 * often off by more than 250 ppm; its KVM then goes into TSC catch-up and its
 * guests lose their timers. So L1 gets the value as tsc_early_khz=.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct sample {
	double ms;
	unsigned long long tsc;
};

/* The clock and the TSC at one moment: of many pairs the one that was read fastest. */
static struct sample sample(void)
{
	unsigned long long least = ~0ULL;
	struct sample best = { 0 };

	for (int i = 0; i < 1000; i++) {
		struct timespec t;
		unsigned long long before = __rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		after = __rdtsc();
		if (after - before < least) {
			least = after - before;
			best.ms = (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
			best.tsc = before + least / 2;
		}
	}
	return best;
}

int main(void)
{
	const struct timespec second = { .tv_sec = 1 };
	struct sample a = sample(), b;

	nanosleep(&second, NULL);
	b = sample();
	printf("%.0f\n", (double)(b.tsc - a.tsc) / (b.ms - a.ms));
	return 0;
}
