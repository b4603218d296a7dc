// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to a guest while its memory is walked. From the command line:
 *
 *   load.sample=1	say four times a second how many tasks sleep, and how often
 *			there was READY for all
 *   load.oldest=1	say how long a task has slept at most, of those seen
 *   load.hotplug=1	take the last CPU offline and online again all the while; says
 *			"plugging N" and "plugged N" before and after each
 *   load.suspend=1	suspend all the while, by way of /sys/power/pm_test, or jump
 *			to a kernel that jumps back
 *   load.end=WHAT	end this kernel after load.end_after=N seconds (8):
 *			reboot, sysrq (reboot without any notifier), kexec,
 *			crash (kdump); see ender()
 *   load.second=1	this is the kernel after that one: say what the host
 *			still believes of it
 *   load.lose=MSR	lose MSR_KVM_ASYNC_PF_INT or _EN, as a bad restore does: "vector",
 *			"enable"; "idle": _EN while no task waits
 *   load.noapic=1	switch the local APIC off for two seconds, now and then
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/kexec.h>

#include "guest.h"
#include "pvload.h"

/* Not on i386. */
#ifndef SYS_kexec_file_load
#define SYS_kexec_file_load	(-1)
#endif

#define MSR_KVM_ASYNC_PF_EN	0x4b564d02
#define MSR_KVM_ASYNC_PF_INT	0x4b564d06
#define MSR_TSC_DEADLINE	0x6e0
#define X2APIC(reg)		(0x800 + ((reg) >> 4))
#define APIC_SPIV		0xf0
#define APIC_SPIV_ENABLED	0x100
#define APIC_LVTT		0x320
#define APIC_LVT0		0x350
#define APIC_LVT1		0x360
#define APIC_TMICT		0x380
#define APIC_TSC_DEADLINE	(2 << 17)

/* A disk that outlives a reset tells the second kernel that it is one. */
#define MARK_DISK	"/dev/vda"
#define MARK		"second"

void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		report("error affinity: %s", strerror(errno));
}

void hurry(pid_t pid)
{
	int policy = SCHED_FIFO | SCHED_RESET_ON_FORK;

	if (sched_setscheduler(pid, policy, &(struct sched_param){ 10 }))
		report("error sched_setscheduler: %s", strerror(errno));
}

static int open_msr(void)
{
	int fd = open("/dev/cpu/0/msr", O_RDWR);

	if (fd < 0)
		report("error msr: %s", strerror(errno));
	return fd;
}

static uint64_t read_msr(int fd, uint32_t msr)
{
	uint64_t value;

	if (pread(fd, &value, sizeof(value), msr) != sizeof(value)) {
		report("error reading MSR %#x: %s", msr, strerror(errno));
		return ~0ULL;
	}
	return value;
}

static void write_msr(int fd, uint32_t msr, uint64_t value)
{
	if (pwrite(fd, &value, sizeof(value), msr) != sizeof(value))
		report("error writing MSR %#x: %s", msr, strerror(errno));
}

/* Each restore is a READY for all. */
static void sampler(void)
{
	hurry(0);
	await_walk();
	while (walking()) {
		report("asleep %ld %ld", read_number(PVFAULT_DIR "/outstanding"),
		       read_number(PVFAULT_DIR "/counters/wake_all"));
		usleep(250000);
	}
}

/* The age of the oldest sleeper, from the list in debugfs. */
static long oldest_sleeper(void)
{
	FILE *f = fopen("/sys/kernel/debug/pvfault/sleepers", "r");
	char line[160];
	long age, oldest = 0;

	if (!f)
		report("error sleepers: %s", strerror(errno));
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*d %ld", &age) == 1 && age > oldest)
			oldest = age;
	if (f)
		fclose(f);
	return oldest;
}

static void ager(void)
{
	long age, oldest = 0;

	await_walk();
	while (walking()) {
		age = oldest_sleeper();
		if (age > oldest)
			oldest = age;
		usleep(50000);
	}
	report("oldest_ms %ld", oldest);
}

/*
 * Takes the last CPU away and gives it back. Its deadline server, which is there for
 * realtime tasks, is off, because that of 6.12 now and then warns of its own bandwidth
 * when its CPU goes offline (__sub_running_bw()).
 */
static void hotplugger(void)
{
	unsigned int n = 0;
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/sched/fair_server/cpu%ld/runtime",
		 sysconf(_SC_NPROCESSORS_CONF) - 1);
	if (!write_file(path, "0"))
		report("error %s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/online",
		 sysconf(_SC_NPROCESSORS_CONF) - 1);
	await_walk();
	for (; walking(); n++) {
		for (int online = 0; online < 2; online++) {
			report("plugging %u", n);
			if (!write_file(path, online ? "1" : "0"))
				report("error %s: %s", path, strerror(errno));
			report("plugged %u", n);
			usleep(200000);
		}
	}
	report("cpu_switches %u", n);
}

/*
 * Keeps the freezer apart from processes that wait for one of their own threads to end
 * (exec, a core dump). A frozen thread can't be killed, so the freezer would give up after
 * 20 s, in a stock kernel, too (de_thread()).
 */
void suspend_lock(int how)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/tmp/suspend", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (flock(fd, how))
		report("error /tmp/suspend: %s", strerror(errno));
}

/*
 * A kexec to a "kernel" that is one RET, so that it comes back at once. All CPUs but the
 * boot CPU are taken down on the way, and no PM notifier is called.
 */
static bool kexec_jump(void)
{
	static const unsigned char ret = 0xc3;
	const unsigned long where = 0x100000;
	const struct kexec_segment kernel = {
		.buf = &ret, .bufsz = sizeof(ret), .mem = (void *)where, .memsz = 4096,
	};

	return !syscall(SYS_kexec_load, where, 1UL, &kernel, KEXEC_PRESERVE_CONTEXT) &&
	       !reboot(RB_KEXEC);
}

/* The deepest suspend that needs no device to wake the machine up. */
static bool suspend_to(const char *depth)
{
	if (!strcmp(depth, "jump"))
		return kexec_jump();
	return write_file("/sys/power/pm_test", depth) && write_file("/sys/power/state", "freeze");
}

static void suspender(void)
{
	static const char * const depths[] = { "freezer", "devices", "platform", "jump" };
	unsigned int n = 0;
	long asleep = 0, last = 0;

	write_file("/sys/module/suspend/parameters/pm_test_delay", "1");
	await_walk();
	while (walking()) {
		sleep(2);
		asleep += read_number(PVFAULT_DIR "/outstanding");
		last = read_number(PVFAULT_DIR "/counters/sleep");
		suspend_lock(LOCK_EX);
		if (suspend_to(depths[n % 4]))
			n++;
		else
			report("error suspend to %s: %s", depths[n % 4], strerror(errno));
		suspend_lock(LOCK_UN);
	}
	report("suspends %u", n);
	report("sleep_at_last_suspend %ld", last);
	report("asleep_at_suspends %ld", asleep);
}

/* Append "NAME=VALUE" of this kernel's command line, if it is there. */
static void pass_on(char *line, size_t size, const char *name)
{
	char value[64];

	if (parameter_text(name, value, sizeof(value)))
		snprintf(line + strlen(line), size - strlen(line), " %s=%s", name, value);
}

/* The second kernel runs without async page faults, so that it writes no MSR. */
static bool load_kernel(unsigned long flags, const char *more)
{
	int kernel = open("/kernel", O_RDONLY), initrd = open("/initrd", O_RDONLY);
	char line[512];

	snprintf(line, sizeof(line), "panic=-1 %s load.second=1 "
		 "load.tasks=4 load.secs=%ld load.alone=1 %s",
		 parameter("load.second_apf", 0) ? "" : "no-kvmapf",
		 parameter("load.second_secs", 5), more);
	pass_on(line, sizeof(line), "console");
	pass_on(line, sizeof(line), "guest.results");
	pass_on(line, sizeof(line), "printk.devkmsg");
	pass_on(line, sizeof(line), "kernelcore");
	pass_on(line, sizeof(line), "xen_emul_unplug");
	pass_on(line, sizeof(line), "load.settle");
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(line) + 1, line, flags)) {
		report("error kexec_file_load: %s", strerror(errno));
		return false;
	}
	return true;
}

static void mark_second(void)
{
	char block[512] = MARK;
	int fd = open(MARK_DISK, O_WRONLY);

	if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block) || fsync(fd))
		report("error %s: %s", MARK_DISK, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static bool marked_second(void)
{
	char block[512] = "";
	int fd = open(MARK_DISK, O_RDONLY);

	if (fd >= 0) {
		if (read(fd, block, sizeof(block)) < 0)
			block[0] = '\0';
		close(fd);
	}
	return !strncmp(block, MARK, strlen(MARK));
}

/* Before the load, because it takes a while. */
static bool prepare_end(const char *what)
{
	if (!strcmp(what, "kexec"))
		return load_kernel(0, "load.mb=64");
	if (!strcmp(what, "crash"))
		return load_kernel(KEXEC_FILE_ON_CRASH, "load.mb=16 nr_cpus=1");
	mark_second();
	return true;
}

/*
 * Wait until half of the walking tasks sleep; after ten seconds, until one sleeps; ten
 * seconds later take any number. Returns how many sleep.
 */
static long await_sleepers(void)
{
	const uint64_t second = 1000000000, start = now_ns();
	long asleep, many = parameter("load.tasks", 8) / 2;

	do {
		asleep = read_number(PVFAULT_DIR "/outstanding");
		if (now_ns() - start > 10 * second)
			many = 1;
	} while (asleep < many && now_ns() - start < 20 * second && !usleep(5000));
	return asleep;
}

/* End this kernel while tasks sleep in it. */
static void ender(void)
{
	char what[16] = "";

	parameter_text("load.end", what, sizeof(what));
	await_walk();
	sleep(parameter("load.end_after", 8));
	hurry(0);
	/* The crash kernel runs on the CPU that crashes. */
	pin(0);
	report("first.sleep %ld", read_number(PVFAULT_DIR "/counters/sleep"));
	report("phase starve");		/* whatever is missing now stays so */
	report("first.outstanding %ld", await_sleepers());
	report("phase end");		/* the next kernel needn't boot slowly */

	if (!strcmp(what, "kexec"))
		reboot(RB_KEXEC);
	else if (!strcmp(what, "crash"))
		write_file("/proc/sysrq-trigger", "c");
	else if (!strcmp(what, "sysrq"))
		write_file("/proc/sysrq-trigger", "b");
	else
		reboot(RB_AUTOBOOT);
	report("error still there after %s: %s", what, strerror(errno));
}

/* What the host believes about this CPU before this kernel has written anything. */
void life_second(void)
{
	int fd;

	if (!parameter("load.second", 0))
		return;
	fd = open_msr();
	report("second.en %#" PRIx64, read_msr(fd, MSR_KVM_ASYNC_PF_EN));
	report("second.int %#" PRIx64, read_msr(fd, MSR_KVM_ASYNC_PF_INT));
	report("second.cpus %ld", sysconf(_SC_NPROCESSORS_ONLN));
	close(fd);
}

/* It is lost while no task waits, and no task ever will before it is back. */
static void lose_idle(void)
{
	int fd = open_msr();
	uint64_t was;

	await_walk();
	for (int n = 0; walking() && n < 2; n++) {
		sleep(3);
		pause_walk(true);
		while (read_number(PVFAULT_DIR "/outstanding"))
			usleep(100000);
		was = read_msr(fd, MSR_KVM_ASYNC_PF_EN);
		write_msr(fd, MSR_KVM_ASYNC_PF_EN, 0);
		while (read_msr(fd, MSR_KVM_ASYNC_PF_EN) != was)
			sleep(1);
		report("msr_back %d", n + 1);
		pause_walk(false);
	}
	close(fd);
}

/*
 * It is lost while a task waits. A loss between two waits is found by the kernel's look
 * every 30 seconds alone, because no NOT_PRESENT comes; it is taken back.
 */
static void lose_while_waiting(int fd, uint32_t msr)
{
	uint64_t was = read_msr(fd, msr);

	write_msr(fd, msr, 0);
	while (walking() && !read_number(PVFAULT_DIR "/outstanding")) {
		write_msr(fd, msr, was);
		usleep(1000);
		write_msr(fd, msr, 0);
	}
}

static void lose_msr(void)
{
	char what[16] = "";
	uint32_t msr = MSR_KVM_ASYNC_PF_INT;
	int fd = open_msr();

	parameter_text("load.lose", what, sizeof(what));
	if (!strcmp(what, "enable"))
		msr = MSR_KVM_ASYNC_PF_EN;
	await_walk();
	while (walking()) {
		sleep(2);
		report("msr_before %#" PRIx64, read_msr(fd, msr));
		lose_while_waiting(fd, msr);
		while (walking() && !read_msr(fd, msr))
			usleep(100000);
	}
	close(fd);
}

static void spin_ns(uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (now_ns() < end)
		;
}

/*
 * Without its local APIC the CPU gets no timer interrupt, so it stays here in user mode
 * all the time. Afterwards the masks that the switch has set are restored, and the timer
 * that has expired meanwhile is made to fire.
 */
static void apic_off(int fd)
{
	static const uint32_t lvt[] = { APIC_LVTT, APIC_LVT0, APIC_LVT1 };
	uint64_t spiv = read_msr(fd, X2APIC(APIC_SPIV)), was[3];

	for (int i = 0; i < 3; i++)
		was[i] = read_msr(fd, X2APIC(lvt[i]));
	write_msr(fd, X2APIC(APIC_SPIV), spiv & ~APIC_SPIV_ENABLED);
	spin_ns(2000000000);
	write_msr(fd, X2APIC(APIC_SPIV), spiv);
	for (int i = 0; i < 3; i++)
		write_msr(fd, X2APIC(lvt[i]), was[i]);
	if ((was[0] & APIC_TSC_DEADLINE) == APIC_TSC_DEADLINE)
		write_msr(fd, MSR_TSC_DEADLINE, 1);
	else
		write_msr(fd, X2APIC(APIC_TMICT), 1);
}

static void lose_apic(void)
{
	int fd = open_msr();
	unsigned int n = 0;

	pin(0);
	/* No other task may run on a CPU that gets no timer interrupt. */
	hurry(0);
	await_walk();
	while (walking()) {
		sleep(3);
		apic_off(fd);
		n++;
	}
	report("apic_off %u", n);
	close(fd);
}

void life_start(void)
{
	char end[16], lose[16];

	start_if("load.sample", sampler);
	start_if("load.oldest", ager);
	start_if("load.hotplug", hotplugger);
	start_if("load.suspend", suspender);
	if (parameter_text("load.end", end, sizeof(end)) && !marked_second() &&
	    prepare_end(end))
		start(ender);
	if (parameter_text("load.lose", lose, sizeof(lose))) {
		if (strcmp(lose, "idle"))
			start(lose_msr);
		else
			start_awaited(lose_idle);
	}
	start_if("load.noapic", lose_apic);
	if (parameter("load.kill", 0))
		start_awaited(kill_start);
	company_start();
}

void report_memory(const char *when)
{
	static const char huge[] = "/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/"
				   "stats/anon_fault_alloc";
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kib;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Slab: %ld", &kib) == 1)
			report("slab.%s %ld", when, kib);
		else if (sscanf(line, "MemAvailable: %ld", &kib) == 1)
			report("available.%s %ld", when, kib);
	}
	if (f)
		fclose(f);
	report("huge_pages.%s %ld", when, read_number(huge));
}
