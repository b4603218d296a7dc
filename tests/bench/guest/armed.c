// SPDX-License-Identifier: GPL-2.0
/*
 * armed: what the hooks of touching ahead cost while nothing is missing, in TSC ticks. Run as
 * /init under -icount, where the TSC counts instructions.
 *
 * Measures before any hook is armed. Then says "phase squeeze", waits for a line on
 * /dev/ttyS1, and gets its memory back until both hooks have made it wait and nothing is
 * missing any more; measures with 0 and with 16 pages touched ahead.
 *
 * Reports "cost HOOKS READ4K READ128K ZEROED MISSING": medians, and how many pages were
 * missing meanwhile. HOOKS: "unarmed", or the number of pages.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include "guest.h"
#include "minor.h"

#define COUNTERS	"/sys/kernel/pvfault/counters/"
#define PAGE		4096UL
#define PAGES		2048UL		/* of the file, and of newly allocated memory */
#define LARGE		131072UL
#define READS		1000
#define PASSES		50

static char buffer[LARGE];
static int file;

static uint64_t read_cost(size_t size)
{
	static uint64_t ticks[READS];

	for (int i = 0; i < READS; i++) {
		off_t at = i * size % (PAGES * PAGE);
		uint64_t t = __rdtsc();

		if (pread(file, buffer, size, at) != (ssize_t)size)
			report("error read");
		ticks[i] = __rdtsc() - t;
	}
	return median_of(ticks, READS);
}

/* Twice, because the first round brings in what the measurement itself needs. */
static void measure(const char *hooks)
{
	unsigned long small, large, zeroed;
	long missing;

	for (int i = 0; i < 2; i++) {
		missing = read_number(COUNTERS "not_present");
		small = read_cost(PAGE);
		large = read_cost(LARGE);
		zeroed = minor_fault(MINOR_WRITE);
		missing = read_number(COUNTERS "not_present") - missing;
	}
	report("cost %s %lu %lu %lu %ld", hooks, small, large, zeroed, missing);
}

static void pass(void)
{
	char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	for (unsigned long i = 0; p != MAP_FAILED && i < PAGES; i++)
		*(volatile char *)(p + i * PAGE) = 1;
	munmap(p, PAGES * PAGE);
	for (off_t at = 0; at < (off_t)(PAGES * PAGE); at += LARGE)
		if (pread(file, buffer, LARGE, at) != (ssize_t)LARGE)
			report("error read");
}

/* Say how many passes it took until a whole one met nothing that is missing. */
static void get_back(void)
{
	int passes = 0;
	long before;

	do {
		before = read_number(COUNTERS "not_present");
		pass();
	} while (++passes < PASSES && read_number(COUNTERS "not_present") != before);
	report("passes %d", passes);
	report("waits_alloc %ld", read_number(COUNTERS "sleep_alloc"));
	report("waits_read %ld", read_number(COUNTERS "sleep_read"));
}

int main(void)
{
	unsigned long size = parameter("bench.dirty", 80) << 20;
	char *dirty;

	guest_start();
	mkdir("/ram", 0755);
	if (mount("ramfs", "/ram", "ramfs", 0, NULL))
		report("error ramfs");
	file = open("/ram/file", O_RDWR | O_CREAT, 0600);
	for (unsigned long i = 0; i < PAGES; i++)
		if (write(file, buffer, PAGE) != (ssize_t)PAGE)
			report("error write");
	/* What is free must have been used: only then the host has it, and can take it. */
	dirty = malloc(size);
	memset(dirty, 1, size);
	free(dirty);
	measure("unarmed");
	report("phase squeeze");
	await_line("ttyS1");
	get_back();
	write_file("/sys/kernel/pvfault/ahead", "0");
	measure("0");
	write_file("/sys/kernel/pvfault/ahead", "16");
	measure("16");
	guest_end();
}
