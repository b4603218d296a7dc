// SPDX-License-Identifier: GPL-2.0
/* Reading the kernel's figures: /sys/kernel/pvfault, and debugfs for root. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stat.h"

#define DIR_SYSFS	"/sys/kernel/pvfault"
#define SLEEPERS	"/sys/kernel/debug/pvfault/sleepers"

static FILE *open_file(const char *root, const char *path)
{
	char full[4096];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return fopen(full, "re");
}

/* The first line of a file, without its end. */
static bool read_line(const char *root, const char *path, char *text, size_t size)
{
	FILE *f = open_file(root, path);
	int error = errno;
	bool good = f && fgets(text, size, f);

	if (f)
		fclose(f);
	errno = error;		/* of opening it */
	if (!good)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return good;
}

static bool read_number(const char *root, const char *path, uint64_t *number)
{
	char text[32], *end;

	if (!read_line(root, path, text, sizeof(text)))
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !errno && end != text && !*end;
}

static bool read_us(const char *root, const char *path, double *seconds)
{
	uint64_t us;

	if (!read_number(root, path, &us))
		return false;
	*seconds = us / 1e6;
	return true;
}

static void read_counters(struct snapshot *s, const char *root)
{
	char path[4096];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s" DIR_SYSFS "/counters", root);
	d = opendir(path);
	while (d && s->nr_counters < MAX_COUNTERS && (e = readdir(d))) {
		struct counter *c = &s->counters[s->nr_counters];

		if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof(c->name))
			continue;
		memcpy(c->name, e->d_name, strlen(e->d_name) + 1);
		snprintf(path, sizeof(path), DIR_SYSFS "/counters/%s", c->name);
		s->nr_counters += read_number(root, path, &c->value);
	}
	if (d)
		closedir(d);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

uint64_t snapshot_counter(const struct snapshot *s, const char *name)
{
	for (unsigned int i = 0; i < s->nr_counters; i++)
		if (!strcmp(s->counters[i].name, name))
			return s->counters[i].value;
	return 0;
}

/* Lines of a limit in us, waits in user mode, waits in the kernel. */
static void read_histogram(struct snapshot *s, const char *root)
{
	FILE *f = open_file(root, DIR_SYSFS "/waits/histogram");
	char line[128], limit[32];

	while (f && s->nr_buckets < MAX_BUCKETS && fgets(line, sizeof(line), f)) {
		struct bucket *b = &s->buckets[s->nr_buckets];
		unsigned long long user, kernel;

		if (sscanf(line, "%31s %llu %llu", limit, &user, &kernel) != 3)
			continue;
		*b = (struct bucket) { strtod(limit, NULL) / 1e6, user, kernel };
		s->nr_buckets++;
	}
	if (f)
		fclose(f);
}

static void read_waits(struct snapshot *s, const char *root, bool recent)
{
	read_histogram(s, root);
	s->has_waits = s->nr_buckets &&
		       read_us(root, DIR_SYSFS "/waits/user_us", &s->user) &&
		       read_us(root, DIR_SYSFS "/waits/kernel_us", &s->kernel);
	if (!read_us(root, DIR_SYSFS "/waits/longest_us", &s->longest))
		s->longest = 0;
	if (!recent || !read_us(root, DIR_SYSFS "/waits/longest_recent_us", &s->recent))
		s->recent = -1;
}

/* One row of the table, by the names in its first line; comm is the last and the rest. */
static void read_sleeper(struct sleeper *sl, const char *names, char *row)
{
	char name[32];
	int used;

	memset(sl, 0, sizeof(*sl));
	while (sscanf(names, "%31s%n", name, &used) == 1) {
		names += used;
		while (isspace((unsigned char)*row))
			row++;
		if (!strcmp(name, "comm")) {
			snprintf(sl->comm, sizeof(sl->comm), "%.*s",
				 (int)strcspn(row, "\n"), row);
			return;
		}
		used = strcspn(row, " \t\n");
		if (!strcmp(name, "token"))
			snprintf(sl->token, sizeof(sl->token), "%.*s", used, row);
		else if (!strcmp(name, "cpu"))
			snprintf(sl->cpu, sizeof(sl->cpu), "%.*s", used, row);
		else if (!strcmp(name, "age_ms"))
			sl->age_ms = strtol(row, NULL, 10);
		else if (!strcmp(name, "pid"))
			sl->pid = strtol(row, NULL, 10);
		row += used;
	}
}

static int by_age(const void *a, const void *b)
{
	const struct sleeper *x = a, *y = b;

	return (x->age_ms < y->age_ms) - (x->age_ms > y->age_ms);
}

static void read_sleepers(struct snapshot *s, const char *root)
{
	FILE *f = open_file(root, SLEEPERS);
	char names[256], row[256];

	s->has_sleepers = f && fgets(names, sizeof(names), f);
	while (s->has_sleepers && s->nr_sleepers < MAX_SLEEPERS && fgets(row, sizeof(row), f))
		read_sleeper(&s->sleepers[s->nr_sleepers++], names, row);
	if (f)
		fclose(f);
	qsort(s->sleepers, s->nr_sleepers, sizeof(s->sleepers[0]), by_age);
}

/* Why DIR_SYSFS/backend couldn't be opened, as errno said. */
static const char *why_absent(const char *root, int error)
{
	char path[4096];

	if (error == EACCES)
		return DIR_SYSFS " may not be read: permission denied";
	snprintf(path, sizeof(path), "%s/sys/kernel", root);
	if (access(path, F_OK))
		return "no sysfs: is it mounted on /sys?";
	return "this kernel has no pvfault (CONFIG_PVFAULT)";
}

void snapshot_take(struct snapshot *s, const char *root, bool recent)
{
	struct timespec ts;

	memset(s, 0, sizeof(*s));
	s->recent = -1;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	s->when = ts.tv_sec + ts.tv_nsec / 1e9;
	if (!read_line(root, DIR_SYSFS "/backend", s->backend, sizeof(s->backend))) {
		snprintf(s->problem, sizeof(s->problem), "%s", why_absent(root, errno));
		return;
	}
	s->active = strncmp(s->backend, "none", 4) != 0;
	if (!s->active)
		snprintf(s->problem, sizeof(s->problem), "no backend%s", s->backend + 4);
	read_line(root, DIR_SYSFS "/mode", s->mode, sizeof(s->mode));
	read_number(root, DIR_SYSFS "/outstanding", &s->outstanding);
	read_counters(s, root);
	qsort(s->counters, s->nr_counters, sizeof(s->counters[0]), by_name);
	read_waits(s, root, recent);
	read_sleepers(s, root);
}
