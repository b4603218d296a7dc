// SPDX-License-Identifier: GPL-2.0
/*
 * kernbench: compile a small C project again and again and tell what each
 * compilation took. Run as /init.
 *
 * kernel command line: bench.runs=N and the loads as bench.jobs=A,B,C
 * Reports "run LOAD ELAPSED USER SYSTEM CSW SLEEPS" on the second serial port:
 * seconds, and involuntary and voluntary context switches.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char line[2048];

static const char *text(const char *name)
{
	const char *at = strstr(line, name);

	return at ? at + strlen(name) : "";
}

static double seconds(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
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

static void one_run(FILE *out, const char *load)
{
	struct rusage usage;
	char jobs[16];
	double began;

	snprintf(jobs, sizeof(jobs), "-j%s", load);
	make("clean", "-j1", &usage);
	sync();
	began = now();
	if (make("all", jobs, &usage)) {
		fprintf(out, "error make\n");
		return;
	}
	fprintf(out, "run %s %.3f %.3f %.3f %ld %ld\n", load, now() - began,
		seconds(usage.ru_utime), seconds(usage.ru_stime),
		usage.ru_nivcsw, usage.ru_nvcsw);
}

int main(void)
{
	struct rusage usage;
	FILE *out;
	int fd, runs;
	char *loads, *load;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	out = fopen("/dev/ttyS1", "w");
	if (!out)
		out = stdout;
	setlinebuf(out);
	fd = open("/proc/cmdline", O_RDONLY);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		fprintf(out, "error cmdline\n");
	runs = atoi(text("bench.runs="));

	/* Once for nothing, so that the first run meets the same caches. */
	make("all", "-j2", &usage);
	while (runs-- > 0) {
		loads = strdup(text("bench.jobs="));
		loads[strcspn(loads, " \n")] = '\0';
		for (load = strtok(loads, ","); load; load = strtok(NULL, ","))
			one_run(out, load);
	}
	fprintf(out, "done 1\n");
	reboot(RB_AUTOBOOT);
	return 0;
}
