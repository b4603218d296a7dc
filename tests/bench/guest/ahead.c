// SPDX-License-Identifier: GPL-2.0
/*
 * ahead: a task gets memory back that the host has taken, in several ways. Run as /init.
 *
 * kernel command line: bench.plan=WAY:N,... and bench.mb=MIB (8). Before each WAY says
 * "phase squeeze" and waits for a line on /dev/ttyS1; N goes to /sys/kernel/pvfault/ahead.
 *	fresh	newly allocated memory		read	128 KiB at a time of a file
 *	touch	its own memory in order		random	the same in no order
 *	pairs	two pages, then six not		threads	four threads, the same memory
 *	warm	pvfault-warm brings in the memory of the task, which then touches it
 * Reports "took WAY N SECONDS WRONG SLEEPS": so many words wrong, and waits of tasks; of
 * "warm" those while the task touches the memory that was brought in. Also "warmed PAGES
 * SECONDS ALL": ALL is with the time until the tool itself was there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define PAGE	4096UL
#define CHUNK	131072
#define THREADS	4
#define SLEEPS	"/sys/kernel/pvfault/counters/sleep"

static unsigned long pages;
static unsigned int *order;		/* a permutation of them */
static char *area;			/* each page has its pattern */
static uint64_t wrong;

static uint64_t pattern(unsigned long n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ULL;
}

static char *map(void)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static void check(const char *p, unsigned long n)
{
	if (*(const volatile uint64_t *)(p + 64) != pattern(n))
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void *touch(void *unused)
{
	for (unsigned long i = 0; i < pages; i++)
		check(area + i * PAGE, i);
	return unused;
}

static void touch_random(void)
{
	for (unsigned long i = 0; i < pages; i++)
		check(area + order[i] * PAGE, order[i]);
}

static void touch_pairs(void)
{
	for (unsigned long i = 0; i < pages; i++)
		if (order[i] % 8 == 0) {
			check(area + order[i] * PAGE, order[i]);
			check(area + (order[i] + 1) * PAGE, order[i] + 1);
		}
}

static void touch_by_threads(void)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, touch, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static void fresh(void)
{
	char *p = map();

	for (unsigned long i = 0; i < pages; i++) {
		wrong += *(uint64_t *)(p + i * PAGE + 64) != 0;
		*(volatile uint64_t *)(p + i * PAGE) = i;
	}
	munmap(p, pages * PAGE);
}

static char buffer[CHUNK];

static void write_it(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	for (unsigned long i = 0; i < pages; i++) {
		memset(buffer, i, PAGE);
		*(uint64_t *)(buffer + 64) = pattern(i);
		wrong += write(fd, buffer, PAGE) != PAGE;
	}
	close(fd);
}

static void read_it(const char *path)
{
	int fd = open(path, O_RDONLY);
	unsigned long page = 0;
	ssize_t n;

	while ((n = read(fd, buffer, CHUNK)) > 0)
		for (ssize_t i = 0; i < n; i += PAGE)
			check(buffer + i, page++);
	wrong += page != pages;
	close(fd);
}

static void prepare(void)
{
	order = malloc(pages * sizeof(*order));
	for (unsigned long i = 0; i < pages; i++)
		order[i] = i;
	srandom(1);
	for (unsigned long i = pages - 1; i; i--) {
		unsigned long j = random() % (i + 1), k = order[i];

		order[i] = order[j];
		order[j] = k;
	}
	area = map();
	for (unsigned long i = 0; i < pages; i++) {
		memset(area + i * PAGE, i, PAGE);
		*(uint64_t *)(area + i * PAGE + 64) = pattern(i);
	}
	mkdir("/ram", 0755);
	if (mount("ramfs", "/ram", "ramfs", 0, NULL))
		report("error ramfs");
	write_it("/ram/file");
}

static void go(const char *way)
{
	if (!strcmp(way, "fresh"))
		fresh();
	else if (!strcmp(way, "read"))
		read_it("/ram/file");
	else if (!strcmp(way, "random"))
		touch_random();
	else if (!strcmp(way, "pairs"))
		touch_pairs();
	else if (!strcmp(way, "threads"))
		touch_by_threads();
	else
		touch(NULL);
}

/* Touch what will be needed, so that only the memory in question is measured. */
static void warm_up(void)
{
	memset(buffer, 1, sizeof(buffer));
	read_number(SLEEPS);
	for (unsigned long i = 0; i < pages; i += PAGE / sizeof(*order))
		*(volatile unsigned int *)&order[i];
}

/* Bring in this process. The tool says how long it took, once it is there itself. */
static double warm(void)
{
	uint64_t began = now_ns();
	char said[128] = "", number[16];
	double took = 0;
	int ends[2], status;
	size_t pages_read;

	snprintf(number, sizeof(number), "%d", getpid());
	if (pipe(ends))
		report("error pipe");
	if (fork() == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/bin/pvfault-warm", "pvfault-warm", "-v", number, NULL);
		_exit(127);
	}
	if (wait(&status) < 0 || status || read(ends[0], said, sizeof(said) - 1) <= 0 ||
	    sscanf(said, "%*d: %zu pages in %lf", &pages_read, &took) != 2)
		report("error pvfault-warm %#x", status);
	close(ends[0]);
	close(ends[1]);
	report("warmed %zu %.3f %.3f", pages_read, took, (now_ns() - began) / 1e9);
	return took;
}

static void step(char *way)
{
	char *n = strchr(way, ':');
	long sleeps;
	uint64_t began;
	double took = 0;

	*n++ = 0;
	wrong = 0;
	report("phase squeeze");
	await_line("ttyS1");
	warm_up();
	write_file("/sys/kernel/pvfault/ahead", n);
	if (!strcmp(way, "warm"))
		took = warm();
	sleeps = read_number(SLEEPS);
	began = now_ns();
	go(way);
	if (!took)
		took = (now_ns() - began) / 1e9;
	report("took %s %s %.3f %ld %ld", way, n, took, (long)wrong, read_number(SLEEPS) - sleeps);
}

int main(void)
{
	static char plan[1024], *next;
	unsigned long size = parameter("bench.dirty", 80) << 20;
	char *dirty;

	guest_start();
	pages = parameter("bench.mb", 8) * 256;
	prepare();
	/* What is free must have been used: only then the host has it, and can take it. */
	dirty = malloc(size);
	memset(dirty, 1, size);
	free(dirty);
	if (!parameter_text("bench.plan", plan, sizeof(plan)))
		report("error plan");
	for (char *s = strtok_r(plan, ",", &next); s; s = strtok_r(NULL, ",", &next))
		step(s);
	report("phase over");
	guest_end();
}
