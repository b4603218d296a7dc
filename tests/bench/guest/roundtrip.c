// SPDX-License-Identifier: GPL-2.0
/*
 * roundtrip: when a task that waits for the host falls asleep, and when it is
 * runnable again. Run as /init of a guest whose host swaps.
 *
 * A task fills more memory than the host lets us have and touches it once more, while
 * another one computes, so that there is always something to run. The scheduler's
 * own trace events give the moments, in TSC ticks: "asleep TICKS", "runnable TICKS".
 */
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define PAGE		4096UL
#define STRIDE		61	/* so that the host reads single pages */
#define TRACING		"/sys/kernel/debug/tracing/"

static void set(const char *path, const char *value)
{
	if (!write_file(path, value))
		report("error %s", path);
}

static void trace(pid_t pid)
{
	char filter[32];

	set(TRACING "trace_clock", "x86-tsc");
	snprintf(filter, sizeof(filter), "prev_pid == %d", pid);
	set(TRACING "events/sched/sched_switch/filter", filter);
	snprintf(filter, sizeof(filter), "pid == %d", pid);
	set(TRACING "events/sched/sched_wakeup/filter", filter);
	set(TRACING "events/sched/sched_switch/enable", "1");
	set(TRACING "events/sched/sched_wakeup/enable", "1");
}

/* The host's triggers wait for these leaves of CPUID, see roundtrip.py. */
static void tell_host(unsigned int leaf)
{
	unsigned int a, b, c, d;

	__cpuid(leaf, a, b, c, d);
}

static void report_trace(void)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, ": sched_");
		const char *what = NULL;

		if (at && strstr(at, "sched_wakeup"))
			what = "runnable";
		else if (at && strstr(at, "prev_state=D"))
			what = "asleep";
		if (!what)
			continue;
		*at = '\0';
		report("%s%s", what, strrchr(line, ' '));
	}
	if (f)
		fclose(f);
}

/* Fills its memory, says so, and waits for its trace to begin. */
static void walk(unsigned long pages, unsigned long touches, int parent)
{
	volatile char *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char c;

	if (mem == MAP_FAILED)
		exit(1);
	madvise((void *)mem, pages * PAGE, MADV_NOHUGEPAGE);
	for (unsigned long i = 0; i < pages; i++)
		mem[i * PAGE] = i;
	if (write(parent, "f", 1) != 1 || read(parent, &c, 1) != 1)
		exit(1);
	for (unsigned long i = 0; i < touches; i++) {
		unsigned long page = i * STRIDE % pages;

		if (mem[page * PAGE] != (char)page)
			exit(1);
	}
	exit(0);
}

static void compute(void)
{
	volatile unsigned int x = 0;

	for (;;)
		x++;
}

int main(void)
{
	unsigned long pages;
	int ends[2], status = -1;
	pid_t walker, computer;
	char c;

	guest_start();
	pages = parameter("bench.mb", 128) * (1 << 20) / PAGE;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		guest_end();
	walker = fork();
	if (!walker)
		walk(pages, parameter("bench.touches", 1000), ends[1]);
	if (read(ends[0], &c, 1) != 1)
		guest_end();
	computer = fork();
	if (!computer)
		compute();
	report("phase walk");
	usleep(300000);
	trace(walker);
	tell_host(0x4fff0001);
	if (write(ends[0], "g", 1) == 1)
		waitpid(walker, &status, 0);
	tell_host(0x4fff0002);
	kill(computer, SIGKILL);
	report("walked %d", status);
	report_trace();
	guest_end();
}
