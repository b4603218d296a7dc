// SPDX-License-Identifier: GPL-2.0
/* For the textfile collector of Prometheus' node_exporter. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stat.h"

static void family(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: text without what would end it. */
static void label(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		fputc(*text, f);
	}
	fputc('"', f);
}

static void histogram(FILE *f, const struct snapshot *s, bool kernel)
{
	const char *mode = kernel ? "kernel" : "user";
	uint64_t sum = 0;

	for (unsigned int i = 0; i < s->nr_buckets; i++) {
		const struct bucket *b = &s->buckets[i];

		sum += kernel ? b->kernel : b->user;
		fprintf(f, "pvfault_wait_seconds_bucket{mode=\"%s\",le=\"", mode);
		if (isinf(b->limit))
			fputs("+Inf", f);
		else
			fprintf(f, "%.9g", b->limit);
		fprintf(f, "\"} %" PRIu64 "\n", sum);
	}
	fprintf(f, "pvfault_wait_seconds_sum{mode=\"%s\"} %.6f\n", mode,
		kernel ? s->kernel : s->user);
	fprintf(f, "pvfault_wait_seconds_count{mode=\"%s\"} %" PRIu64 "\n", mode, sum);
}

static void print(FILE *f, const struct snapshot *s)
{
	family(f, "pvfault_active", "gauge", "1 if the host can announce missing pages");
	fprintf(f, "pvfault_active %d\n", s->active);
	family(f, "pvfault_info", "gauge", "What is in effect, or why nothing is");
	fputs("pvfault_info{backend=", f);
	label(f, s->backend);
	fputs(",mode=", f);
	label(f, s->mode);
	fputs(",problem=", f);
	label(f, s->problem);
	fputs("} 1\n", f);
	if (!s->backend[0])
		return;
	family(f, "pvfault_outstanding", "gauge", "Tasks that wait for the host now");
	fprintf(f, "pvfault_outstanding %" PRIu64 "\n", s->outstanding);
	family(f, "pvfault_events_total", "counter", "See /sys/kernel/pvfault/counters");
	for (unsigned int i = 0; i < s->nr_counters; i++)
		fprintf(f, "pvfault_events_total{event=\"%s\"} %" PRIu64 "\n",
			s->counters[i].name, s->counters[i].value);
	if (!s->has_waits)
		return;
	family(f, "pvfault_wait_seconds", "histogram", "How long tasks waited for the host");
	histogram(f, s, false);
	histogram(f, s, true);
	family(f, "pvfault_wait_longest_seconds", "gauge", "The longest wait since boot");
	fprintf(f, "pvfault_wait_longest_seconds %.6f\n", s->longest);
	if (s->recent < 0)
		return;
	family(f, "pvfault_wait_longest_recent_seconds", "gauge",
	       "The longest wait since the last of these files");
	fprintf(f, "pvfault_wait_longest_recent_seconds %.6f\n", s->recent);
}

/* The collector sees the old file or the new one. Return: 0, or a negative errno. */
int textfile_write(const char *path, const struct snapshot *s)
{
	int fd, rc = 0;
	char *new;
	FILE *f;

	if (asprintf(&new, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkstemp(new);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		rc = -errno;
		goto out;
	}
	print(f, s);
	/* The collector runs as another user. */
	if (fchmod(fd, 0644) || fflush(f))
		rc = -errno;
	if (fclose(f) && !rc)
		rc = -errno;
	if (!rc && rename(new, path))
		rc = -errno;
	if (rc)
		unlink(new);
out:
	free(new);
	return rc;
}
