// SPDX-License-Identifier: GPL-2.0
/*
 * latency: redis-server under redis-benchmark while neighbours in the same guest
 * walk memory that the host swaps. Run as /init.
 *
 * kernel command line: bench.mb=N, MiB of the neighbours (160), bench.requests=N (4000),
 * bench.readers=N of the eight neighbours that let pread() touch it (0)
 * Reports what redis-benchmark says: "rps N", and in milliseconds "p50 N", "p99 N",
 * "p99.9 N", "max N".
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

#define PAGE		4096UL
#define NEIGHBOURS	8
#define SOCKET		"/tmp/redis"

static struct {
	_Atomic unsigned long touches;
} *shared;
static int file;	/* the neighbours' memory */

/*
 * All of them walk the same memory, at random. With memory of their own the host would keep
 * the pages that are touched most, and the neighbour whose pages are all present touches
 * them most.
 */
static volatile char *memory(unsigned long pages)
{
	volatile char *mem;

	file = memfd_create("neighbours", 0);
	mem = file < 0 || ftruncate(file, pages * PAGE) ? MAP_FAILED :
	      mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (mem == MAP_FAILED) {
		report("error mmap");
		guest_end();
	}
	for (unsigned long i = 0; i < pages; i++)
		mem[i * PAGE] = 1;
	return mem;
}

static void neighbour(volatile char *mem, unsigned long pages, bool reads)
{
	for (uint64_t x = getpid(); ; x = x * 6364136223846793005ULL + 1442695040888963407ULL) {
		off_t at = (x >> 32) % pages * PAGE;
		char c;

		if (!reads)
			(void)mem[at];
		else if (pread(file, &c, 1, at) != 1)
			report("error pread");
		shared->touches++;
	}
}

static void server(void)
{
	execl("/bin/redis-server", "redis-server", "--port", "0", "--unixsocket", SOCKET,
	      "--save", "", "--appendonly", "no", "--logfile", "/dev/null", NULL);
	exit(1);
}

/* One line of what redis-benchmark says; the last seven numbers are its summary. */
static void take_line(const char *line)
{
	static double percent;
	double p, ms, rps, avg, min, p50, p95, p99, max;

	if (sscanf(line, "%lf%% <= %lf", &p, &ms) == 2) {
		if (p >= 99.9 && percent < 99.9)
			report("p99.9 %.3f", ms);
		percent = p > percent ? p : percent;
	} else if (sscanf(line, " throughput summary: %lf", &rps) == 1) {
		report("rps %.1f", rps);
	} else if (sscanf(line, "%lf %lf %lf %lf %lf %lf", &avg, &min, &p50, &p95, &p99,
			  &max) == 6) {
		report("p50 %.3f", p50);
		report("p99 %.3f", p99);
		report("max %.3f", max);
	}
}

static void benchmark(long requests, bool tell)
{
	char command[160], line[512];
	int status;
	FILE *f;

	snprintf(command, sizeof(command), "exec /bin/redis-benchmark -s " SOCKET
		 " -c 4 -n %ld -t get --precision 3 </dev/null 2>/dev/null", requests);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f))
		/* It overwrites its own lines with carriage returns. */
		if (tell)
			take_line(strrchr(line, '\r') ? strrchr(line, '\r') + 1 : line);
	status = f ? pclose(f) : -1;
	if (tell || status)
		report("benchmark %d", status);
}

int main(void)
{
	long readers = parameter("bench.readers", 0);
	volatile char *mem;
	unsigned long pages;
	struct stat unused;
	int tries = 600;

	guest_start();
	pages = parameter("bench.mb", 160) * (1 << 20) / PAGE;
	signal(SIGCHLD, SIG_DFL);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		guest_end();
	mem = memory(pages);
	if (!fork())
		server();
	while (stat(SOCKET, &unused) && --tries)
		usleep(100000);
	/* Once without neighbours, so that all that it needs is there. */
	benchmark(1000, false);
	for (unsigned int i = 0; i < NEIGHBOURS; i++)
		if (!fork())
			neighbour(mem, pages, i < readers);
	report("phase walk");
	sleep(2);
	shared->touches = 0;
	benchmark(parameter("bench.requests", 4000), true);
	report("phase over");
	report("touches %lu", (unsigned long)shared->touches);
	guest_end();
}
