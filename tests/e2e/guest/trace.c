// SPDX-License-Identifier: GPL-2.0
/*
 * What runs, and what waits, while memory is walked.
 *
 *   load.trace=MS	trace that long, and report it: "task PID NAME" of pvload's tasks,
 *			"switch TICKS CPU FROM STATE TO" of the scheduler,
 *			"fault TICKS CPU PID EVENT TOKEN" of pvfault, in TSC ticks;
 *			"mark LEAF BEFORE AFTER" of marks that Xen traces, too
 */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "guest.h"
#include "pvload.h"

#define TRACING		"/sys/kernel/debug/tracing/"

void trace_task(const char *name, unsigned int id)
{
	if (parameter("load.trace", 0))
		report("task %d %s%u", getpid(), name, id);
}

static void set(const char *file, const char *value, bool needed)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "%s", file);
	if (!write_file(path, value) && needed)
		report("error %s", path);
}

/* The text after @key in @line, or NULL. */
static const char *after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? at + strlen(key) : NULL;
}

/* "comm-PID [CPU] flags TICKS: event: ...", where a comm may hold anything but " [". */
static void report_line(char *line)
{
	const char *from = after(line, "prev_pid="), *state = after(line, "prev_state=");
	const char *to = after(line, "next_pid="), *event = after(line, ": pvfault_");
	const char *token = after(line, ": token=");
	char *cpu = strstr(line, " ["), *end = strstr(line, ": "), *pid;
	const char *ticks;

	if (!cpu || !end || end < cpu)
		return;
	*end = '\0';
	ticks = strrchr(cpu, ' ');
	if (from && state && to) {
		report("switch%s %d %d %.1s %d", ticks, atoi(cpu + 2), atoi(from), state, atoi(to));
	} else if (event && token) {
		*cpu = '\0';
		pid = strrchr(line, '-');
		report("fault%s %d %d %.*s %.*s", ticks, atoi(cpu + 2), pid ? atoi(pid + 1) : 0,
		       (int)strcspn(event, ":"), event, (int)strcspn(token, " \n"), token);
	}
}

/* Leaves of CPUID that nobody else asks for; tests/report/xentrace.py knows them. */
#define MARK		0x70766600u
#define MARKS		32

static struct {
	unsigned long long before, after;
} marks[MARKS];

/* A hypervisor sees each CPUID, so that its clock and this one can be compared. */
static void mark(unsigned int from, unsigned int to)
{
	unsigned int a, b, c, d;

	for (unsigned int i = from; i < to; i++) {
		marks[i].before = __rdtsc();
		__cpuid(MARK + i, a, b, c, d);
		marks[i].after = __rdtsc();
	}
}

static void trace(void)
{
	char line[512];
	bool slow = parameter_text("guest.results", line, sizeof(line));
	FILE *f;

	await_walk();
	usleep(1000000);
	set("trace_clock", "x86-tsc", true);
	/* First: a switch without the fault before it would look like another sleep. */
	set("events/pvfault/enable", "1", false);
	set("events/sched/sched_switch/enable", "1", true);
	mark(0, MARKS / 2);
	usleep(parameter("load.trace", 0) * 1000);
	mark(MARKS / 2, MARKS);
	set("tracing_on", "0", true);
	report("traced 1");
	for (unsigned int i = 0; i < MARKS; i++)
		report("mark %u %llu %llu", i, marks[i].before, marks[i].after);
	/* It isn't to wait for pages itself, line by line. */
	while (walking())
		usleep(50000);
	f = fopen(TRACING "trace", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		report_line(line);
		/* The kernel drops records that come faster than a console takes them. */
		if (slow)
			usleep(5000);
	}
	if (f)
		fclose(f);
}

void trace_start(void)
{
	start_if("load.trace", trace);
}
