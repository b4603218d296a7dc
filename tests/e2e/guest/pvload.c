// SPDX-License-Identifier: GPL-2.0
/*
 * pvload: the workload of an end-to-end guest, run as its /init.
 *
 * A few tasks walk memory that the host has to swap, and one or more compute. The speed
 * of the computing task while the others wait for pages, divided by its speed alone, is
 * the overlap: 1.0 if the waiting of others costs it nothing.
 *
 * Parameters come from the kernel command line:
 *   load.tasks=N    walking tasks (8)
 *   load.computers=N computing tasks (1)
 *   load.huge=1     in huge pages, where they fit
 *   load.mb=N       MiB walked by all of them together (160)
 *   load.way=A,B... how they walk it, in turn, see ways.c: touch, pread, read, pwrite,
 *                   pipe, socket, futex, fresh, uring, sqlite, redis, and of
 *                   locks.c lockfile, lockpipe, lockdir (touch)
 *   load.disk_files=DISK  the files of "read" lie in an ext2 there (ramfs)
 *   load.secs=N     seconds that are measured (20)
 *   load.steps=N    walk on after that, until each task has made N steps (0)
 *   load.told=TTY   walk on after that, until the host writes a line to /dev/TTY
 *   load.untouched=N after that pause, wait for another line, touch N MiB that this
 *		    guest has never used, and wait for a third line
 *   load.alone=N    seconds that the computing task is measured alone, before
 *                   and once more after (4)
 *   load.turns=N    measure in so many turns, after each of which the walking tasks
 *                   pause and the computing task is measured alone, for 2 s (0)
 *   load.rest=N     ms that a walking task rests after each 16 steps, so that one
 *                   whose memory is all present leaves the CPU to the others (0)
 *   load.settle=N   for a host that takes the memory once it has been filled: before
 *                   measuring wait until the computing task has its speed back, or
 *                   for N seconds (0)
 *   load.common=1   all of them walk the same memory (0)
 *   load.tick=1     report twice a second how much has been computed: "tick MS UNITS"
 *   load.pin=1      the computing task stays on CPU 0 (0)
 *   load.guest=N    run N guests of our own on /dev/kvm under the load (0)
 *   load.places=1   report where in the kernel tasks could not sleep (0)
 *   load.locks=1    report how often tasks were seen asleep with a lock (0)
 *   load.hole=1     touch memory that the host has cut off, see hole.c (0)
 *   load.seen=ROOT  look at those that wait, see seen.c
 *   load.trace=MS   report what runs and what waits, see trace.c
 *   load.gcov=TTY   report how often the kernel's lines were run, to /dev/TTY
 *   load.*          what else happens to it, see life.c, kill.c, company.c, withdraw.c,
 *                   backends.c
 *   load.sabotage=X break something that a check must find: flip a bit, hang,
 *                   print a kernel warning, report before the end
 *
 * Results are lines of "key value", see guest.h. "phase NAME" tells the rig when to take
 * memory and when to throttle the host's swap. The last line is "done 1".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "places.h"
#include "pvload.h"
#include "tinyguest.h"
#include "ways.h"

#define MAX_TASKS	64

enum phase { POPULATE, WALK, VERIFY, DONE };

/* Shared by all tasks, and small, so that it stays in use and the host doesn't swap it. */
struct shared {
	_Atomic int phase;
	_Atomic bool paused;		/* no walking, for a moment */
	_Atomic uint64_t computed;
	_Atomic int busy;		/* the walk lasts until these end, see start_awaited() */
	struct walker walker[MAX_TASKS];
};

static struct shared *shared;

static bool sabotage(const char *what)
{
	char value[32];

	return parameter_text("load.sabotage", value, sizeof(value)) &&
	       !strcmp(value, what);
}

/* The n-th step of a walk that visits each of @pages pages in a fixed, scattered order. */
static unsigned long stride(unsigned long pages)
{
	unsigned long s = pages * 5 / 8 | 1;

	while (1) {
		unsigned long a = pages, b = s;

		while (b) {
			unsigned long r = a % b;

			a = b;
			b = r;
		}
		if (a == 1)
			return s;
		s += 2;
	}
}

static void walker(unsigned int id, unsigned long pages)
{
	struct walk walk = { .w = &shared->walker[id], .id = area_common ? 0 : id, .pages = pages };
	const struct way *way = way_of(id);
	struct walker *w = walk.w;
	unsigned int rest = parameter("load.rest", 0);
	unsigned long step, page = 0;

	if (!way) {
		report("error load.way");
		exit(1);
	}
	trace_task(way->name, id);
	way->fill(&walk);
	step = stride(walk.pages);
	w->phase = POPULATE;
	while (shared->phase < WALK)
		usleep(50000);

	while (shared->phase == WALK) {
		uint64_t t = now_ns();

		if (shared->paused) {
			usleep(20000);
			continue;
		}
		walk.first = w->touches % 64 * 8;
		way->step(&walk, page);
		t = now_ns() - t;
		/* The clock of a restored guest may go back. */
		if ((int64_t)t > (int64_t)w->worst_ns)
			w->worst_ns = t;
		if (++w->touches % 16 == 0 && rest)
			usleep(rest * 1000);
		page = (page + step) % walk.pages;
	}
	w->phase = WALK;

	if (id == 0 && sabotage("flip"))
		way->flip(&walk);
	while (shared->phase < VERIFY)
		usleep(10000);
	way->verify(&walk);
	w->phase = VERIFY;
	exit(0);
}

static void computer(void)
{
	uint64_t x = 1;

	trace_task("computing", 0);
	if (parameter("load.pin", 0))
		pin(0);
	while (shared->phase < DONE) {
		for (int i = 0; i < 20000; i++)
			x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		shared->computed += 1 + (x == 0);
	}
	exit(0);
}

bool walking(void)
{
	return shared->phase == WALK;
}

void pause_walk(bool yes)
{
	shared->paused = yes;
}

void await_walk(void)
{
	while (shared->phase < WALK)
		usleep(50000);
}

static void ticker(void)
{
	await_walk();
	while (walking()) {
		report("tick %" PRIu64 " %" PRIu64, now_ns() / 1000000,
		       (uint64_t)shared->computed);
		usleep(500000);
	}
}

/* Units of computing a second, seen over @secs seconds. */
static double measure(unsigned int secs)
{
	uint64_t c = shared->computed, t = now_ns();

	sleep(secs);
	return (double)(shared->computed - c) * 1e9 / (double)(now_ns() - t);
}

/*
 * Measure for @secs seconds in @turns turns. The speed of the computing task alone is
 * measured between the turns, so that it meets the same noise, and returned in @alone.
 */
static double measure_in_turns(unsigned int secs, unsigned int turns, double *alone)
{
	double among = 0;

	*alone = 0;
	for (unsigned int i = 0; i < turns; i++) {
		among += measure(secs / turns) / turns;
		shared->paused = true;
		sleep(1);
		*alone += measure(2) / turns;
		shared->paused = false;
		sleep(1);
	}
	return among;
}

/* The host is busy with taking memory: wait until the computing task is fast again. */
static void settle(unsigned int secs, double alone)
{
	uint64_t end = now_ns() + secs * 1000000000ULL;

	if (secs)
		sleep(5);
	while (now_ns() < end && measure(2) < 0.8 * alone)
		;
}

static void wait_walkers(unsigned int tasks, int phase)
{
	for (unsigned int i = 0; i < tasks; i++)
		while (shared->walker[i].phase < phase)
			usleep(20000);
}

/* The contents of a file; "" if there are none. */
static void read_text(const char *dir, const char *name, char *value, size_t size)
{
	char path[512];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, value, size - 1);
	if (fd >= 0)
		close(fd);
	value[n > 0 ? n : 0] = '\0';
	value[strcspn(value, "\n")] = '\0';
}

static long read_file(const char *dir, const char *name)
{
	char value[64];

	read_text(dir, name, value, sizeof(value));
	return strtol(value, NULL, 10);
}

/* Reports what a file holds; returns it, if it is a number. */
static long report_file(const char *prefix, const char *dir, const char *name)
{
	char value[160];

	read_text(dir, name, value, sizeof(value));
	if (!value[0])
		return 0;
	report("%s%s %s", prefix, name, value);
	return strtol(value, NULL, 10);
}

#define MAX_COUNTERS	64

struct counter {
	char name[64];
	long value;
};

/* All waits of the histogram, as if they were two more counters. */
static struct counter *read_waits(struct counter *c)
{
	FILE *f = fopen("/sys/kernel/pvfault/waits/histogram", "r");
	long user, kernel;
	char line[128];

	strcpy(c[0].name, "waits_user");
	strcpy(c[1].name, "waits_kernel");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %ld %ld", &user, &kernel) != 2)
			continue;
		c[0].value += user;
		c[1].value += kernel;
	}
	if (f)
		fclose(f);
	return c + 2;
}

static void read_counters(struct counter *c)
{
	static const char dir[] = "/sys/kernel/pvfault/counters";
	struct counter *end = c + MAX_COUNTERS;
	struct dirent *e;
	DIR *d = opendir(dir);

	memset(c, 0, MAX_COUNTERS * sizeof(*c));
	c = read_waits(c);
	while (d && (e = readdir(d)) && c < end) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(c->name, sizeof(c->name), "%.63s", e->d_name);
		c->value = read_file(dir, e->d_name);
		c++;
	}
	if (d)
		closedir(d);
}

/* Its lines that aren't empty: "waited LIMIT USER KERNEL". */
static void report_histogram(void)
{
	FILE *f = fopen("/sys/kernel/pvfault/waits/histogram", "r");
	char line[128], limit[32];
	long user, kernel;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%31s %ld %ld", limit, &user, &kernel) == 3 && user + kernel)
			report("waited %s %ld %ld", limit, user, kernel);
	if (f)
		fclose(f);
}

/* Reading the counters touches memory, too, so read until they no longer change. */
static void report_counters(int tries)
{
	static struct counter now[MAX_COUNTERS], before[MAX_COUNTERS];

	do {
		memcpy(before, now, sizeof(now));
		read_counters(now);
	} while (memcmp(before, now, sizeof(now)) && --tries > 0);
	for (struct counter *c = now; c < now + MAX_COUNTERS && c->name[0]; c++)
		report("counter.%s %ld", c->name, c->value);
	report_histogram();
	report_file("pvfault.", "/sys/kernel/pvfault", "backend");
	report_file("pvfault.", "/sys/kernel/pvfault", "mode");
	report_file("pvfault.", "/sys/kernel/pvfault", "notified");
	report_file("pvfault.", "/sys/kernel/pvfault", "outstanding");
}

/* Sabotage: report the counters at a moment when a task sleeps. */
static void report_early(void)
{
	int tries = 1000;

	report_counters(1);
	while (!report_file("pvfault.", "/sys/kernel/pvfault", "outstanding") && --tries)
		usleep(1000);
}

/* The drivers of its virtual hardware. */
static void report_devices(void)
{
	glob_t found;

	if (glob("/sys/bus/virtio/drivers/*/virtio[0-9]*", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		report("virtio %s", basename(dirname(found.gl_pathv[i])));
	globfree(&found);
}

/* Interrupts of the line in /proc/interrupts that has @name, all CPUs together. */
static uint64_t interrupts(const char *name)
{
	char line[1024];
	uint64_t sum = 0;
	FILE *f = fopen("/proc/interrupts", "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *p = strchr(line, ':');

		if (!p || !strstr(line, name))
			continue;
		for (p++; *p; ) {
			char *end;
			uint64_t v = strtoull(p, &end, 10);

			if (end == p)
				break;
			sum += v;
			p = end;
		}
	}
	if (f)
		fclose(f);
	return sum;
}

/* On the vector that brings READY; and of the first virtio device, if that is a balloon. */
static void report_interrupts(void)
{
	report("ready_interrupts %" PRIu64, interrupts("HYP:"));
	report("balloon_interrupts %" PRIu64, interrupts("virtio0"));
}

/*
 * Pages of ZONE_MOVABLE that a Xen guest may offer to its pager: "managed", because
 * "present" also counts pages that memblock has taken for the kernel.
 */
static void report_movable(void)
{
	char line[256], zone[32] = "";
	FILE *f = fopen("/proc/zoneinfo", "r");
	unsigned long pages;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %*d, zone %31s", zone) != 1 &&
		    sscanf(line, " managed %lu", &pages) == 1 &&
		    !strcmp(zone, "Movable"))
			report("movable_pages %lu", pages);
	}
	if (f)
		fclose(f);
}

static void print_warning(void)
{
	if (!write_file("/dev/kmsg", "<4>WARNING: this is a sabotage\n"))
		report("error kmsg");
}

void start(void (*fn)(void))
{
	if (fork() == 0) {
		fn();
		exit(0);
	}
}

void start_if(const char *name, void (*fn)(void))
{
	if (parameter(name, 0))
		start(fn);
}

void start_awaited(void (*fn)(void))
{
	shared->busy++;
	if (fork() == 0) {
		fn();
		shared->busy--;
		exit(0);
	}
}

static void await_steps(unsigned int tasks, unsigned int steps)
{
	for (unsigned int i = 0; i < tasks; i++)
		while (shared->walker[i].touches < steps)
			usleep(50000);
}

static void run(void)
{
	unsigned int tasks = parameter("load.tasks", 8);
	unsigned int mb = parameter("load.mb", 160);
	unsigned int secs = parameter("load.secs", 20);
	unsigned int guests = parameter("load.guest", 0);
	unsigned int computers = parameter("load.computers", 1);
	unsigned int alone = parameter("load.alone", 4);
	unsigned int turns = parameter("load.turns", 0);
	uint64_t touches = 0, corrupt = 0, worst = 0;
	double before, after, among, between = 0;
	char tty[16];
	pid_t guest[8];

	if (tasks > MAX_TASKS)
		tasks = MAX_TASKS;
	for (unsigned int i = 0; i < tasks; i++)
		shared->walker[i].phase = -1;

	for (unsigned int i = 0; i < computers; i++)
		start(computer);
	sleep(1);
	before = measure(alone);
	report("compute_alone %.1f", before);
	report_movable();

	report_memory("before");
	if (parameter("load.common", 0)) {
		area_common = mmap(NULL, mb << 20, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (area_common == MAP_FAILED)
			report("error mmap");
	}
	for (unsigned int i = 0; i < tasks; i++)
		if (fork() == 0)
			walker(i, mb * (1UL << 20) / PAGE / (area_common ? 1 : tasks));
	for (unsigned int i = 0; i < guests && i < 8; i++)
		guest[i] = tiny_guest_start();
	start_if("load.tick", ticker);
	life_start();
	locks_start();
	hole_start();
	seen_start();
	trace_start();
	withdraw_start();
	backends_start();
	wait_walkers(tasks, POPULATE);

	report_devices();
	report("phase settle");
	settle(parameter("load.settle", 0), before);
	if (parameter("load.places", 0))
		places_start();
	report("phase walk");
	shared->phase = WALK;
	sleep(2);
	among = turns ? measure_in_turns(secs, turns, &between) : measure(secs);
	await_steps(tasks, parameter("load.steps", 0));
	if (parameter_text("load.told", tty, sizeof(tty)))
		await_line(tty);
	if (parameter("load.untouched", 0))
		touch_untouched(parameter("load.untouched", 0), tty);
	while (shared->busy)
		usleep(50000);
	report_interrupts();

	for (unsigned int i = 0; i < tasks; i++)
		touches += shared->walker[i].touches;
	if (sabotage("early"))
		report_early();
	if (sabotage("hang"))
		pause();
	if (sabotage("warning"))
		print_warning();
	report("phase verify");
	shared->phase = VERIFY;
	wait_walkers(tasks, VERIFY);
	after = measure(alone);
	shared->phase = DONE;
	for (unsigned int i = 0; i < guests && i < 8; i++)
		tiny_guest_stop(guest[i]);

	for (unsigned int i = 0; i < tasks; i++) {
		report("steps.%s%u %" PRIu64, way_of(i)->name, i,
		       (uint64_t)shared->walker[i].touches);
		corrupt += shared->walker[i].corrupt;
		if (shared->walker[i].worst_ns > worst)
			worst = shared->walker[i].worst_ns;
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	report_memory("after");
	report("compute_alone_after %.1f", after);
	report("compute_among %.1f", among);
	report("overlap %.3f", among / (turns ? between : (before + after) / 2));
	report("touches %" PRIu64, touches);
	report("corrupt %" PRIu64, corrupt);
	report("worst_touch_ms %.1f", worst / 1e6);
	if (!sabotage("early"))
		report_counters(100);
	if (parameter("load.places", 0))
		places_report();
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "exec"))	/* a victim of kill.c */
		return 42;
	guest_start();
	life_second();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		report("error mmap");
	else
		run();
	instrumented_report();
	guest_end();
}
