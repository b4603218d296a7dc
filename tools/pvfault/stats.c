// SPDX-License-Identifier: GPL-2.0
/* The pager's counters, see stats.h. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "pager.h"

static unsigned int bucket(uint64_t us)
{
	unsigned int log;

	if (us < 2)
		return us;
	log = 63 - __builtin_clzll(us);
	if (log >= LATENCY_BUCKETS / 2)
		return LATENCY_BUCKETS - 1;
	return 2 * log + (us >> (log - 1) & 1);
}

/* The most that goes into a bucket, in us. */
static uint64_t most(unsigned int bucket)
{
	unsigned int log = bucket / 2;

	return bucket < 2 ? bucket : ((3ULL + bucket % 2) << (log - 1)) - 1;
}

uint64_t stats_percentile(const struct stats *s, unsigned int thousandths)
{
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < LATENCY_BUCKETS; i++) {
		seen += s->latency[i];
		if (seen * 1000 >= s->latency_nr * thousandths && seen)
			return most(i);
	}
	return 0;
}

static void print_latency(const struct stats *s, FILE *file)
{
	unsigned int i;

	fprintf(file, "latency_min_us %" PRIu64 "\n", s->latency_min_ns / 1000);
	fprintf(file, "latency_avg_us %" PRIu64 "\n",
		s->latency_nr ? s->latency_sum_ns / s->latency_nr / 1000 : 0);
	fprintf(file, "latency_max_us %" PRIu64 "\n", s->latency_max_ns / 1000);
	fprintf(file, "latency_p50_us %" PRIu64 "\n", stats_percentile(s, 500));
	fprintf(file, "latency_p90_us %" PRIu64 "\n", stats_percentile(s, 900));
	fprintf(file, "latency_p99_us %" PRIu64 "\n", stats_percentile(s, 990));
	fprintf(file, "latency_p999_us %" PRIu64 "\n", stats_percentile(s, 999));
	for (i = 0; i < LATENCY_BUCKETS; i++)
		if (s->latency[i])
			fprintf(file, "latency_to_%" PRIu64 "us %lu\n", most(i),
				s->latency[i]);
}

void stats_latency(struct stats *s, uint64_t ns)
{
	s->latency[bucket(ns / 1000)]++;
	if (!s->latency_nr || ns < s->latency_min_ns)
		s->latency_min_ns = ns;
	if (ns > s->latency_max_ns)
		s->latency_max_ns = ns;
	s->latency_sum_ns += ns;
	s->latency_nr++;
}

void stats_print(const struct pager *p, FILE *file)
{
	const struct stats *s = &p->stats;
	unsigned int state;

#define PRINT(name) fprintf(file, #name " %lu\n", s->name);
	PAGER_COUNTERS(PRINT)
#undef PRINT
	print_latency(s, file);
	fprintf(file, "away %u\n", pages_away(&p->pages));
	fprintf(file, "missing_kib %u\n", p->pagein.waiting && p->pagein.lacking ? 4 * pages_away(&p->pages) : 0);
	fprintf(file, "leaving %d\n", p->leaving);
	for (state = 0; state < PAGE_STATES; state++)
		fprintf(file, "pages_%s %u\n", page_state_name(state),
			p->pages.count[state]);
	fprintf(file, "outstanding %u\n", p->waiters.nr_told);
	fprintf(file, "waiting_vcpus %u\n", p->waiters.nr_held);
	fprintf(file, "offered %u\n", p->pages.offer.total);
	fprintf(file, "domain_kib %" PRIu64 "\n", p->domain.tot_pages * 4);
	fprintf(file, "file_pages %u\n", p->file.used);
	fprintf(file, "unsaid %lu\n", log_unsaid);
	fprintf(file, "xen_paged %" PRId64 "\n", p->domain.paged_pages);
	fprintf(file, "unknown_out %" PRIu64 "\n", p->audit.unknown);
	fprintf(file, "reads_failing %u\n", p->pagein.failing);
	fprintf(file, "bugs %lu\n", p->pages.bugs);
}

/* Return: 0 or a negative errno. Context: the loop's end, or a thread: disks are slow. */
static int write_file(const char *path, const char *text, size_t size)
{
	ssize_t n;
	char *new;
	int fd, rc = 0;

	if (asprintf(&new, "%s.new", path) < 0)
		return -ENOMEM;
	/* A link that another user has put there could lead elsewhere. */
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0) {
		rc = -errno;
		free(new);
		return rc;
	}
	n = write(fd, text, size);
	if (n != (ssize_t)size)
		rc = n < 0 ? -errno : -ENOSPC;
	if (close(fd) && !rc)
		rc = -errno;
	/* A reader sees the old one or the new one. */
	if (!rc && rename(new, path))
		rc = -errno;
	if (rc)
		unlink(new);
	free(new);
	return rc;
}

/* What is being written by a thread, one at a time. */
static struct {
	atomic_bool busy;
	const char *path;
	char *text;
	size_t size;
	atomic_int rc;
} writer;

static void *write_aside(void *unused)
{
	writer.rc = write_file(writer.path, writer.text, writer.size);
	free(writer.text);
	writer.busy = false;
	return NULL;
}

/* The last one may still be stuck in a file system that doesn't answer. */
static void write_later(const char *path, char *text, size_t size)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool started;

	if (writer.busy) {
		free(text);
		return;
	}
	writer.path = path;
	writer.text = text;
	writer.size = size;
	writer.busy = true;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	started = !pthread_create(&thread, &attr, write_aside, NULL);
	pthread_attr_destroy(&attr);
	if (started)
		return;
	free(text);
	writer.busy = false;
}

void stats_write(const struct pager *p, int loud)
{
	static bool said;
	char *text = NULL;
	size_t size = 0;
	FILE *file;
	int rc;

	if (!p->options.stats) {
		if (loud && !log_quiet)
			stats_print(p, stderr);
		return;
	}
	file = open_memstream(&text, &size);
	if (!file)
		return;
	stats_print(p, file);
	fclose(file);
	if (loud && !writer.busy) {
		writer.rc = write_file(p->options.stats, text, size);
		free(text);
	} else {
		write_later(p->options.stats, text, size);
	}
	rc = writer.rc;
	if (rc && !said)
		say("counters can't be written to %s: %s", p->options.stats,
		    strerror(-rc));
	said = rc;
}
