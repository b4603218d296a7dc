// SPDX-License-Identifier: GPL-2.0
/* Differences and rates between two snapshots. */

#include <math.h>
#include <string.h>

#include "stat.h"

static uint64_t grown(const struct snapshot *old, const struct snapshot *new, const char *name)
{
	uint64_t now = snapshot_counter(new, name);
	uint64_t then = old ? snapshot_counter(old, name) : 0;

	return now > then ? now - then : 0;
}

static uint64_t more(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static void histogram(struct rates *r, const struct snapshot *old, const struct snapshot *new)
{
	bool same = old && old->nr_buckets == new->nr_buckets;

	r->nr_buckets = new->nr_buckets;
	for (unsigned int i = 0; i < new->nr_buckets; i++) {
		const struct bucket *now = &new->buckets[i];

		r->buckets[i] = *now;
		if (same) {
			r->buckets[i].user = more(now->user, old->buckets[i].user);
			r->buckets[i].kernel = more(now->kernel, old->buckets[i].kernel);
		}
		r->ended += r->buckets[i].user + r->buckets[i].kernel;
		r->in_kernel += r->buckets[i].kernel;
	}
}

/* Return: the time that this part of all waits took at most; 0 if there were none. */
static double part(const struct rates *r, double of_all)
{
	uint64_t seen = 0;

	for (unsigned int i = 0; i < r->nr_buckets; i++) {
		seen += r->buckets[i].user + r->buckets[i].kernel;
		if (seen && seen >= of_all * r->ended)
			return r->buckets[i].limit;
	}
	return 0;
}

void rates_between(struct rates *r, const struct snapshot *old, const struct snapshot *new)
{
	double per;

	memset(r, 0, sizeof(*r));
	if (old)
		r->seconds = new->when - old->when;
	per = r->seconds > 0 ? r->seconds : 1;
	histogram(r, old, new);
	if (!new->has_waits)
		r->in_kernel = grown(old, new, "sleep_kernel");
	r->in_kernel /= per;
	r->waits = grown(old, new, "sleep") / per;
	r->refused = grown(old, new, "rejected") / per;
	r->early = grown(old, new, "early_hit") / per;
	r->told = grown(old, new, "not_present");
	r->retries = grown(old, new, "retry");
	r->probes = grown(old, new, "probe");
	r->repairs = grown(old, new, "repair");
	r->overwritten = grown(old, new, "overwritten");
	r->waited = new->user + new->kernel - (old ? old->user + old->kernel : 0);
	if (r->waited < 0)
		r->waited = 0;
	if (old)
		r->waiting = r->waited / per;
	r->p50 = part(r, 0.5);
	r->p99 = part(r, 0.99);
	r->worst = part(r, 1);
}

const char *span(char *text, size_t size, double seconds)
{
	if (seconds <= 0)
		snprintf(text, size, "-");
	else if (seconds < 0.001)
		snprintf(text, size, "%.0fus", seconds * 1e6);
	else if (seconds < 9.9995)
		snprintf(text, size, "%.0fms", seconds * 1e3);
	else if (seconds < 600)
		snprintf(text, size, "%.1fs", seconds);
	else
		snprintf(text, size, "%.0fmin", seconds / 60);
	return text;
}

const char *limit_span(char *text, size_t size, const struct rates *r, double limit)
{
	char number[32];

	if (isinf(limit) && r->nr_buckets > 1)
		snprintf(text, size, ">%s",
			 span(number, sizeof(number), r->buckets[r->nr_buckets - 2].limit));
	else if (limit > 0)
		snprintf(text, size, "<%s", span(number, sizeof(number), limit));
	else
		snprintf(text, size, "-");
	return text;
}
