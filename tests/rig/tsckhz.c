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

int main(void)
{
	struct timespec a, b, second = { .tv_sec = 1 };
	unsigned long long tsc;

	clock_gettime(CLOCK_MONOTONIC_RAW, &a);
	tsc = __rdtsc();
	nanosleep(&second, NULL);
	clock_gettime(CLOCK_MONOTONIC_RAW, &b);
	tsc = __rdtsc() - tsc;
	printf("%.0f\n", (double)tsc / ((double)(b.tv_sec - a.tv_sec) * 1e3 +
					(double)(b.tv_nsec - a.tv_nsec) / 1e6));
	return 0;
}
