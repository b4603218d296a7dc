// SPDX-License-Identifier: GPL-2.0
/*
 * load.hole=1: memory that is gone, because the host has truncated the file behind it. The
 * file is the BAR of an ivshmem device, so no other memory is affected.
 *
 * READY can't say that there is no page. So a task that touches it waits and retries for
 * ever. All other tasks must go on, and SIGKILL must end the one that waits.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "pvload.h"

#define DEVICES		"/sys/bus/pci/devices"
#define IVSHMEM		0x1af41110L
#define PAGE		4096
#define LOOP_SECS	4

/* A device's ID as one number. */
static long id_of(const char *device)
{
	static const char * const part[] = { "vendor", "device" };
	char path[320], text[16];
	long id = 0;
	FILE *f;

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), DEVICES "/%.255s/%s", device, part[i]);
		f = fopen(path, "r");
		if (f && fgets(text, sizeof(text), f))
			id = id << 16 | strtol(text, NULL, 16);
		if (f)
			fclose(f);
	}
	return id;
}

/* The memory; NULL without a device. */
static volatile char *map_hole(void)
{
	DIR *d = opendir(DEVICES);
	char path[320] = "";
	struct dirent *e;
	void *mem;
	int fd;

	while (d && (e = readdir(d)))
		if (id_of(e->d_name) == IVSHMEM)
			snprintf(path, sizeof(path), DEVICES "/%.255s/resource2", e->d_name);
	if (d)
		closedir(d);
	fd = open(path, O_RDWR);
	mem = fd < 0 ? MAP_FAILED : mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
					 fd, 0);
	return mem == MAP_FAILED ? NULL : mem;
}

static void hole(void)
{
	volatile char *mem = map_hole();
	long told;
	uint64_t t;
	pid_t pid;

	await_walk();
	if (!mem) {
		report("error no ivshmem device");
		return;
	}
	mem[0] = 1;		/* still there */
	report("phase cut");
	sleep(2);

	told = read_number(PVFAULT_DIR "/counters/not_present");
	pid = fork();
	if (!pid) {
		mem[PAGE] = 1;
		_exit(0);
	}
	sleep(LOOP_SECS);
	report("hole_over %d", waitpid(pid, NULL, WNOHANG) == pid);
	report("hole_told %ld", read_number(PVFAULT_DIR "/counters/not_present") - told);
	t = now_ns();
	kill(pid, SIGKILL);
	report("hole_killed %d", waitpid(pid, NULL, 0) == pid);
	report("hole_kill_ms %.1f", (now_ns() - t) / 1e6);
}

void hole_start(void)
{
	if (parameter("load.hole", 0))
		start_awaited(hole);
}
