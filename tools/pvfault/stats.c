// SPDX-License-Identifier: GPL-2.0
/* What the pager counts, see stats.h. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "pager.h"

void stats_latency(struct stats *s, uint64_t ns)
{
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
	fprintf(file, "latency_min_us %" PRIu64 "\n", s->latency_min_ns / 1000);
	fprintf(file, "latency_avg_us %" PRIu64 "\n",
		s->latency_nr ? s->latency_sum_ns / s->latency_nr / 1000 : 0);
	fprintf(file, "latency_max_us %" PRIu64 "\n", s->latency_max_ns / 1000);
	for (state = 0; state < PAGE_STATES; state++)
		fprintf(file, "pages_%s %u\n", page_state_name(state),
			p->pages.count[state]);
	fprintf(file, "outstanding %u\n", p->waiters.nr_told);
	fprintf(file, "waiting_vcpus %u\n", p->waiters.nr_held);
	fprintf(file, "offered %u\n", p->pages.offer.total);
	fprintf(file, "domain_kib %" PRIu64 "\n", p->domain.tot_pages * 4);
	fprintf(file, "file_pages %u\n", p->file.used);
	fprintf(file, "bugs %lu\n", p->pages.bugs);
}

static int write_file(const struct pager *p)
{
	char *new;
	FILE *file;
	int rc;

	if (asprintf(&new, "%s.new", p->options.stats) < 0)
		return -ENOMEM;
	file = fopen(new, "we");
	if (!file) {
		rc = -errno;
		free(new);
		return rc;
	}
	stats_print(p, file);
	rc = ferror(file) ? -EIO : 0;
	if (fclose(file) && !rc)
		rc = -errno;
	/* Who reads it sees the old one or the new one. */
	if (!rc && rename(new, p->options.stats))
		rc = -errno;
	if (rc)
		unlink(new);
	free(new);
	return rc;
}

void stats_write(const struct pager *p, int loud)
{
	static bool said;
	int rc;

	if (!p->options.stats) {
		if (loud && !log_quiet)
			stats_print(p, stderr);
		return;
	}
	rc = write_file(p);
	if (rc && !said)
		say("counters can't be written to %s: %s", p->options.stats,
		    strerror(-rc));
	said = rc;
}
