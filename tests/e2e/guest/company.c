// SPDX-License-Identifier: GPL-2.0
/*
 * What else moves memory, or switches pvfault, while a guest's memory is walked. From the
 * command line:
 *
 *   load.collapse=1	put huge pages together all the while, by MADV_COLLAPSE and by
 *			khugepaged at full speed
 *   load.off_after=N	after N seconds of walking write "off" to the mode, after 5 more
 *			"user"; then say so
 *   load.ready_all=1	wake all sleepers by hand, twice a second
 *   load.modes=1	write "off", "user" and "kernel" to the mode all the while, and
 *			leave it at "kernel"
 *   load.nmi=1		let NMIs read the memory that load.common=1 shares; needs the
 *			kernel with tests/overlay
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "pvload.h"
#include "ways.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define PAGE	4096UL

/* 50 switches as fast as they can, then a pause in which tasks wait for pages. */
static void mode_switcher(void)
{
	static const char *const modes[] = { "off", "user", "kernel" };
	const char path[] = PVFAULT_DIR "/mode";
	unsigned int n = 0;

	srand(1);
	await_walk();
	while (walking()) {
		for (unsigned int i = 0; i < 50 && walking(); i++, n++)
			if (!write_file(path, modes[rand() % 3]))
				report("error %s: %s", path, strerror(errno));
		usleep(300000);
	}
	if (!write_file(path, "kernel"))
		report("error %s: %s", path, strerror(errno));
	report("mode_switches %u", n);
}

#define HUGE	(2UL << 20)

/* Every second page of an area is written, so that no huge page is there before. */
static void collapser(void)
{
	static const char dir[] = "/sys/kernel/mm/transparent_hugepage/khugepaged/";
	unsigned int n = 0, wrong = 0;
	char path[96];
	char *area, *huge;

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s", dir,
			 i ? "alloc_sleep_millisecs" : "scan_sleep_millisecs");
		if (!write_file(path, "0"))
			report("error %s: %s", path, strerror(errno));
	}
	await_walk();
	while (walking()) {
		area = mmap(NULL, 4 * HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (area == MAP_FAILED)
			break;
		huge = (char *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1));
		madvise(huge, 2 * HUGE, MADV_NOHUGEPAGE);
		for (size_t at = 0; at < 2 * HUGE; at += 8192)
			huge[at] = (char)(at >> 13 | 1);
		madvise(huge, 2 * HUGE, MADV_HUGEPAGE);
		n += !madvise(huge, 2 * HUGE, MADV_COLLAPSE);
		for (size_t at = 0; at < 2 * HUGE; at += 4096)
			wrong += huge[at] != (at % 8192 ? 0 : (char)(at >> 13 | 1));
		munmap(area, 4 * HUGE);
		usleep(100000);
	}
	report("collapsed %u", n);
	report("collapse_wrong %u", wrong);
}

/* It reads the mode all the while, so that the host takes nothing that it needs. */
static void late_switcher(void)
{
	static const char *const modes[] = { "off", "user" };
	int fd = open(PVFAULT_DIR "/mode", O_RDWR);
	char now[16];
	uint64_t at;

	await_walk();
	at = now_ns() + parameter("load.off_after", 0) * 1000000000ULL;
	for (int i = 0; i < 2; i++, at += 5000000000ULL) {
		while (now_ns() < at) {
			if (pread(fd, now, sizeof(now), 0) <= 0)
				report("error mode: %s", strerror(errno));
			usleep(100000);
		}
		if (pwrite(fd, modes[i], strlen(modes[i]), 0) < 0)
			report("error mode: %s", strerror(errno));
		report("switched %d", i + 1);
	}
	close(fd);
}

static void stampeder(void)
{
	await_walk();
	while (walking()) {
		if (!write_file(PVFAULT_DIR "/ready_all", "1"))
			report("error ready_all: %s", strerror(errno));
		usleep(500000);
	}
}

/* Memory that the host has never populated, if the guest has never used so much. */
void touch_untouched(unsigned int mb, const char *tty)
{
	size_t size = (size_t)mb << 20;
	unsigned int wrong = 0;
	volatile uint64_t *p;
	uint64_t t;

	pause_walk(true);
	sleep(1);
	report("phase fresh");
	await_line(tty);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		report("error mmap");
		return;
	}
	t = now_ns();
	for (size_t i = 0; i < size / sizeof(*p); i += PAGE / sizeof(*p)) {
		p[i] = i + 1;
		wrong += p[i + 1] != 0;
	}
	report("untouched_ms %.1f", (now_ns() - t) / 1e6);
	report("untouched_wrong %u", wrong);
	report("phase fresh_done");
	await_line(tty);
	munmap((void *)p, size);
	pause_walk(false);
}

/* The monitor sends the NMIs. */
static void nmi_reader(void)
{
	static const char dir[] = "/sys/module/nmi_user/parameters";
	static const char *const counters[] = { "reads", "slow", "refused" };
	const unsigned long values[] = {
		(unsigned long)area_common, ((unsigned long)parameter("load.mb", 160) << 20) / PAGE
	};
	static const char *const names[] = { "start", "pages" };
	char path[64], value[24];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		snprintf(value, sizeof(value), "%lu", values[i]);
		if (!write_file(path, value))
			report("error %s: %s", path, strerror(errno));
	}
	await_walk();
	while (walking())
		usleep(100000);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, counters[i]);
		report("nmi_%s %ld", counters[i], read_number(path));
	}
}

void company_start(void)
{
	start_if("load.collapse", collapser);
	start_if("load.off_after", late_switcher);
	start_if("load.ready_all", stampeder);
	start_if("load.modes", mode_switcher);
	start_if("load.nmi", nmi_reader);
}
