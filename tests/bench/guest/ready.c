// SPDX-License-Identifier: GPL-2.0
/*
 * ready: what READY costs at most, in TSC ticks. Run as /init under
 * "-icount shift=0", where the TSC counts instructions.
 *
 * READY is a write to the simulated backend. The cost of a write that it refuses after it
 * has read the number is subtracted.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "guest.h"

#define SIM	"/sys/kernel/debug/pvfault/sim/"
#define MARKS	64
#define TIMES	2000

static uint64_t ticks(int fd, const char *text)
{
	uint64_t t = __rdtsc();

	if (write(fd, text, strlen(text)) < 0)
		return __rdtsc() - t;
	return __rdtsc() - t;
}

/* Least and most of TIMES writes, each of another number. */
static void measure(const char *name, int fd, unsigned long first, const char *tail)
{
	uint64_t least = UINT64_MAX, most = 0, sum = 0;
	char text[24];
	int i;

	for (i = 0; i < TIMES; i++) {
		uint64_t t;

		snprintf(text, sizeof(text), "%lu%s", first + i, tail);
		t = ticks(fd, text);
		least = t < least ? t : least;
		most = t > most ? t : most;
		sum += t;
	}
	report("%s_least %lu", name, least);
	report("%s_mean %lu", name, sum / TIMES);
	report("%s_most %lu", name, most);
}

int main(void)
{
	int sim, ready;

	guest_start();
	sim = open(SIM "register", O_WRONLY);
	ready = open(SIM "ready", O_WRONLY);
	if (sim < 0 || ready < 0 || write(sim, "1", 1) != 1)
		guest_end();
	/* Once to warm up; from then on each takes the oldest mark's place. */
	measure("warm", ready, 1000000, "");
	measure("refused", ready, 2000000, "x");
	measure("ready", ready, 3000000, "");
	guest_end();
}
