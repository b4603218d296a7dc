// SPDX-License-Identifier: GPL-2.0
/*
 * kernbench: compile a small C project again and again and report the time of each
 * compilation. Run as /init.
 *
 * kernel command line: bench.runs=N and the loads as bench.jobs=A,B,C; bench.told=TTY:
 * say "phase squeeze" before each, and begin when the host writes a line to /dev/TTY
 * Reports "took LOAD ELAPSED USER SYSTEM CSW SLEEPS" on the second serial port:
 * seconds, and involuntary and voluntary context switches. "sleeps N", "in_kernel N" and
 * "rejected N" are pvfault's counters, -1 without it. "phase over" is the last line.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define COUNTERS "/sys/kernel/pvfault/counters/"

static double seconds(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

static int make(const char *what, const char *jobs, struct rusage *usage)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (chdir("/project"))
			_exit(126);
		setenv("PATH", "/bin:/usr/bin", 1);
		execl("/usr/bin/make", "make", "-s", jobs, what, NULL);
		_exit(127);
	}
	wait4(pid, &status, 0, usage);
	return status;
}

static void one_run(const char *load)
{
	struct rusage usage;
	char jobs[16], tty[16];
	uint64_t began;

	snprintf(jobs, sizeof(jobs), "-j%s", load);
	if (make("clean", "-j1", &usage)) {
		report("error clean");
		return;
	}
	sync();
	if (parameter_text("bench.told", tty, sizeof(tty))) {
		report("phase squeeze");
		await_line(tty);
	}
	began = now_ns();
	if (make("all", jobs, &usage)) {
		report("error all");
		return;
	}
	report("took %s %.3f %.3f %.3f %ld %ld", load, (now_ns() - began) / 1e9,
	       seconds(usage.ru_utime), seconds(usage.ru_stime),
	       usage.ru_nivcsw, usage.ru_nvcsw);
}

int main(void)
{
	char loads[64] = "", *next, *load;
	struct rusage usage;
	long runs;

	guest_start();
	parameter_text("bench.jobs", loads, sizeof(loads));

	/* Once without measuring, so that the first run meets the same caches. */
	make("all", "-j2", &usage);
	for (runs = parameter("bench.runs", 1); runs > 0; runs--) {
		char each[sizeof(loads)];

		strcpy(each, loads);
		for (load = strtok_r(each, ",", &next); load; load = strtok_r(NULL, ",", &next))
			one_run(load);
	}
	report("phase over");
	report("sleeps %ld", read_number(COUNTERS "sleep"));
	report("in_kernel %ld", read_number(COUNTERS "sleep_kernel"));
	report("rejected %ld", read_number(COUNTERS "rejected"));
	guest_end();
}
