// SPDX-License-Identifier: GPL-2.0
/*
 * A guest with tasks asleep that crashes, run as its /init: the simulated backend tells
 * crash.tasks=N of them, then the kernel in /kernel is loaded for a crash, and it crashes.
 * That one writes the memory of the first to /dev/vda.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/kexec.h>

#include "guest.h"

#define SIM		"/sys/kernel/debug/pvfault/sim/"
#define TOKEN		0x5ee0

static void complain(const char *what)
{
	report("error %s: %s", what, strerror(errno));
	guest_end();
}

static void sleep_for_page(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "sleeper-%u", n);
	prctl(PR_SET_NAME, text);
	snprintf(text, sizeof(text), "%u", TOKEN + n);
	write_file(SIM "not_present", text);
	_exit(0);
}

static void load_crash_kernel(void)
{
	static const char line[] = "console=ttyS0 panic=-1 acpi=off nr_cpus=1 pvfault=off";
	int kernel = open("/kernel", O_RDONLY), initrd = open("/initrd", O_RDONLY);

	if (syscall(SYS_kexec_file_load, kernel, initrd, sizeof(line), line,
		    KEXEC_FILE_ON_CRASH))
		complain("kexec_file_load");
}

static void report_sleepers(void)
{
	FILE *f = fopen("/sys/kernel/debug/pvfault/sleepers", "r");
	char line[160];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		report("sleeper %s", line);
	}
	if (f)
		fclose(f);
}

static void save_core(void)
{
	int core = open("/proc/vmcore", O_RDONLY), disk = open("/dev/vda", O_WRONLY);
	static char block[1 << 20];
	long long octets = 0;
	ssize_t n;

	while ((n = read(core, block, sizeof(block))) > 0) {
		if (write(disk, block, n) != n)
			complain("/dev/vda");
		octets += n;
	}
	fsync(disk);
	report("core %lld", octets);
	guest_end();
}

int main(void)
{
	long tasks = parameter("crash.tasks", 3);

	guest_start();
	if (!access("/proc/vmcore", R_OK))
		save_core();
	load_crash_kernel();
	if (!write_file(SIM "register", "1"))
		complain("register");
	for (long i = 0; i < tasks; i++)
		if (!fork())
			sleep_for_page(i);
	while (read_number("/sys/kernel/pvfault/outstanding") < tasks)
		usleep(10000);
	/* For an age to be seen. */
	sleep(2);
	if (parameter("crash.ready", 0))
		write_file(SIM "ready", "all");
	while (parameter("crash.ready", 0) && read_number("/sys/kernel/pvfault/outstanding"))
		usleep(10000);
	report_sleepers();
	write_file("/proc/sysrq-trigger", "c");
	complain("still there after a crash");
}
